package main

import (
	"os"
	"os/exec"
	"testing"

	"golang.org/x/sys/unix"
)

// The process of this test is started anew, with a niceness; it is scheduled in batches then, and as nice as before.
func TestScheduleInBatchesKeepsTheNiceness(t *testing.T) {
	if os.Getenv("NICE_TEST") == "" {
		again := exec.Command("nice", "-n", "7", os.Args[0], "-test.run", t.Name())
		again.Env = append(os.Environ(), "NICE_TEST=1")
		if out, err := again.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	before, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	scheduleInBatches()
	now, err := unix.SchedGetAttr(0, 0)
	if err != nil || now.Policy != unix.SCHED_BATCH || before.Nice == 0 || now.Nice != before.Nice {
		t.Errorf("policy %d, niceness %d after %d, %v", now.Policy, now.Nice, before.Nice, err)
	}
}
