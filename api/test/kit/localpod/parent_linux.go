package localpod

import "syscall"

// endWithParent makes the kernel end a process whose parent was killed and could not stop it.
func endWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGTERM }
