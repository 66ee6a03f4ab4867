package localpod

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/prometheus/procfs"
)

// Usage is the CPU time and the memory of a process and its child processes.
type Usage struct {
	CPU    float64 // CPU time so far, in seconds
	Memory int64   // bytes in memory now
	Peak   int64   // the largest number of bytes in memory so far
}

// Usage reads the usage of p and its child processes from /proc. If /proc does not list the process, Usage returns zeros.
func (p *Process) Usage() (u Usage) {
	for _, pid := range append(p.Children(), p.Pid()) {
		process, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		stat, _ := process.Stat()
		status, _ := process.NewStatus()
		u.CPU += stat.CPUTime()
		u.Memory += int64(stat.ResidentMemory())
		u.Peak += int64(status.VmHWM)
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
