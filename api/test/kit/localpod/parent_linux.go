package localpod

import "syscall"

// endWithParent makes the kernel send SIGTERM to the started process when its parent process ends.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
