//go:build !linux

package localpod

import "syscall"

// endWithParent does nothing, because only Linux can end a process when its parent process ends.
func endWithParent(*syscall.SysProcAttr) {}
