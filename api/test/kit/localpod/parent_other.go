//go:build !linux

package localpod

import "syscall"

// endWithParent does nothing where the kernel cannot do it.
func endWithParent(*syscall.SysProcAttr) {}
