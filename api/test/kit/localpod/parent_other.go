//go:build !linux

package localpod

import "syscall"

// endWithParent does nothing on a kernel that cannot do it.
func endWithParent(*syscall.SysProcAttr) {}
