package localpod

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Usage is the CPU time and the memory of a process and its child processes.
type Usage struct {
	CPU    float64 // CPU time so far, in seconds
	Memory int64   // bytes in memory now
	Peak   int64   // the largest number of bytes in memory so far
}

// Usage returns the CPU time and the memory that Linux shows in /proc. If there is no /proc or the process has ended, all values are zero.
func (p *Process) Usage() (u Usage) {
	const cpu, memory = 11, 21 // positions of utime and rss in /proc/PID/stat, counted from the field after the program's name
	for _, pid := range append(p.Children(), p.Pid()) {
		stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		_, afterName, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(afterName)
		if len(fields) <= memory {
			continue
		}
		for _, ticks := range fields[cpu : cpu+2] {
			n, _ := strconv.ParseFloat(ticks, 64)
			u.CPU += n / 100 // the kernel counts CPU time in hundredths of a second
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

// Children returns the process IDs of the child processes, such as nginx's workers.
func (p *Process) Children() (children []int) {
	list, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Pid()))
	for _, child := range strings.Fields(string(list)) {
		n, _ := strconv.Atoi(child)
		children = append(children, n)
	}
	return children
}
