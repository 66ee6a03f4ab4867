//go:build e2e

package e2e

import (
	"encoding/json"
	"strings"
	"time"

	"guestbook/api/test/kit/must"
)

// A load is a pod with simulated visitors of the guestbook.
type load struct{ namespace }

// A report counts the requests of the simulated visitors. The keys of FailedReads and FailedWrites are the reasons of the failures.
type report struct {
	Reads, Writes, Signed     int
	FailedReads, FailedWrites map[string]int
	Slowest, Away             float64 // in seconds: the slowest request, the longest time without a successful write
	Lost                      []string
	Streams                   int
	LongestGap                time.Duration
}

// startLoad creates the pod "load", and waits until the simulated visitors have read and written.
func (n namespace) startLoad(args ...string) load {
	n.Helper()
	n.create(loadPod(n, "load", args...))
	l := load{namespace: n}
	must.Await(n, "load is running", 3*time.Minute, func() error {
		_, err := l.get("report")
		return err
	})
	l.more()
	return l
}

func (l load) get(path string) (r report, err error) {
	out, err := l.try("", "get", "--raw", "/api/v1/namespaces/"+l.name+"/pods/load:8000/proxy/"+path)
	if err == nil {
		err = json.Unmarshal([]byte(out), &r)
	}
	return r, err
}

func (l load) report() report { return l.ask("report") }

func (l load) ask(path string) report {
	l.Helper()
	return must.Get(l.get(path))(l)
}

// more waits until the visitors have sent 50 more reads and 20 more writes.
func (l load) more() {
	l.Helper()
	before := l.report()
	l.await("more reads and writes", 30*time.Second, func() bool {
		now := l.report()
		return now.Reads > before.Reads+50 && now.Writes > before.Writes+20
	})
}

// during calls a function, and returns the longest time in seconds without a successful write.
func (l load) during(what string, call func()) (away float64) {
	l.Helper()
	l.ask("begin")
	call()
	l.more()
	away = l.report().Away
	l.Logf("%s: writes were away for %.1f s", what, away)
	return away
}

// stop ends the load, and fails the test if a read failed or a message is lost. A write may fail only for a reason that begins with the
// parameter "allowed", such as "503 ".
func (l load) stop(allowed string) report {
	l.Helper()
	r := l.ask("stop")
	l.Logf("%d reads, %d writes, the slowest took %.1f s; failed: reads %v, writes %v; lost: %v", r.Reads, r.Writes, r.Slowest, r.FailedReads, r.FailedWrites, r.Lost)
	if len(r.FailedReads) > 0 {
		l.Error("reads failed")
	}
	for reason := range r.FailedWrites {
		if allowed == "" || !strings.HasPrefix(reason, allowed) {
			l.Error("writes failed:", reason)
		}
	}
	if len(r.Lost) > 0 {
		l.Error("acknowledged messages are lost")
	}
	return r
}

func (l load) failedWrites() (sum int) {
	l.Helper()
	for _, count := range l.report().FailedWrites {
		sum += count
	}
	return sum
}
