package localpod

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Usage is the consumption of a process and its children.
type Usage struct {
	CPU    float64 // seconds so far
	Memory int64   // resident bytes now
	Peak   int64   // the most that they were
}

// Usage reads /proc. It returns zero without /proc, and for a process that has ended.
func (p *Process) Usage() (u Usage) {
	const cpu, memory = 11, 21 // utime, stime and rss in proc(5), counted from the field after the program's name
	for _, pid := range append(p.Children(), p.Pid()) {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, afterName, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(afterName)
		if len(fields) <= memory {
			continue
		}
		for _, ticks := range fields[cpu : cpu+2] {
			n, _ := strconv.ParseFloat(ticks, 64)
			u.CPU += n / 100 // USER_HZ
		}
		pages, _ := strconv.ParseInt(fields[memory], 10, 64)
		u.Memory += pages * int64(os.Getpagesize())
		status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		_, peak, _ := strings.Cut(string(status), "VmHWM:")
		var kb int64
		_, _ = fmt.Sscan(peak, &kb)
		u.Peak += kb << 10
	}
	return u
}

// Children returns the processes that it has started, such as nginx's workers.
func (p *Process) Children() (children []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Pid()))
	for _, child := range strings.Fields(string(list)) {
		n, _ := strconv.Atoi(child)
		children = append(children, n)
	}
	return children
}
