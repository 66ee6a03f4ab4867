package main

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// scheduleInBatches lets the kernel finish what it is at before it wakes one of this process's threads on the same processor
// (sched(7), SCHED_BATCH). Under load nginx then passes on all requests that it has before the API takes them up together,
// and reads once for many. On a processor that is idle nothing changes, and the process keeps the niceness that it was
// started with.
func scheduleInBatches() {
	threads, _ := os.ReadDir("/proc/self/task") // later ones are like those that start them
	for _, thread := range threads {
		id, _ := strconv.Atoi(thread.Name())
		// Where this is not allowed, the API is only slower.
		if as, err := unix.SchedGetAttr(id, 0); err == nil && as.Policy == unix.SCHED_NORMAL {
			as.Policy = unix.SCHED_BATCH
			_ = unix.SchedSetAttr(id, as, 0)
		}
	}
}
