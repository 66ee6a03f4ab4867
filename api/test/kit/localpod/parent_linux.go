package localpod

import "syscall"

// endWithParent makes the kernel send SIGTERM to the new process when its parent process dies.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
