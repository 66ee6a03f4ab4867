package main

import (
	"errors"
	"os"
	"syscall"
)

// drainSignal makes the API end all event streams (internal/server/viewers.go), and report "not ready" to Kubernetes. After drainSignal,
// the API still serves all requests except event streams. The preStop hook in k8s/frontend-deployment.yaml runs the command "api drain",
// which sends drainSignal.
const drainSignal = syscall.SIGUSR1

// drain sends drainSignal to process 1. In the API's container, process 1 is the API. The function "drain" returns an error if process 1 is
// not the API, or if the kernel does not permit the signal.
func drain() error {
	self, selfErr := os.Stat("/proc/self/exe")
	first, firstErr := os.Stat("/proc/1/exe")
	if selfErr != nil || firstErr != nil || !os.SameFile(self, first) {
		return errors.New("process 1 is not the API: run this in the API's container, or elsewhere send the API's process a SIGUSR1")
	}
	return syscall.Kill(1, drainSignal)
}
