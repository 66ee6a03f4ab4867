//go:build faults

package faults

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// buildWithClock builds an API with a changed package "time" of Go. When the file in the variable CLOCK_BACK appears, the API's wall clock
// goes back by an hour. A change of Linux's own clock would disturb all other programs.
func buildWithClock(t *testing.T) (binary string) {
	t.Helper()
	dir := filepath.Join(must.Root(t), ".build", "clock") // a fixed path, because it is part of the key of Go's build cache
	must.OK(t, os.MkdirAll(dir, 0o755))
	// GOROOT may be in the module cache, where "go build -overlay" cannot replace files, so the test uses a symbolic link to GOROOT.
	goroot := filepath.Join(dir, "goroot")
	_ = os.Remove(goroot)
	must.OK(t, os.Symlink(strings.TrimSpace(must.Run(t, exec.Command("go", "env", "GOROOT"))), goroot))
	t.Setenv("GOROOT", goroot)
	t.Setenv("GOTOOLCHAIN", "local")
	t.Setenv("PATH", filepath.Join(goroot, "bin")+":"+os.Getenv("PATH"))
	original := filepath.Join(goroot, "src", "time", "time.go")
	source := must.Read(t, original)
	const now = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(source, now) != 1 {
		t.Fatalf("%s reads the clock in another way", original)
	}
	changed := strings.Replace(source, now, now+"\tsec -= setBack\n", 1) + `
var setBack int64

func init() {
	go func() {
		name, _ := syscall.Getenv("CLOCK_BACK")
		for setBack == 0 {
			if f, err := open(name); err == nil {
				closefd(f)
				setBack = 3600
			}
			Sleep(10 * Millisecond)
		}
	}()
}
`
	changed = strings.Replace(changed, "import (\n", "import (\n\t\"syscall\"\n", 1)
	return buildWith(t, dir, original, changed)
}

// clockSetBack makes the connections to the slaves fail for half a second, and then sets the API's clock back by an hour.
func clockSetBack(r *rig) {
	const reset = `"type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 0}`
	r.toxic(r.slaveProxy, scaled(500*time.Millisecond), reset)
	must.OK(r, os.WriteFile(r.clock, nil, 0o600))
	r.ended = time.Now()
	must.Hold(r, "the API's clock is behind", 5*time.Second, func() bool {
		response, _ := must.Fetch(r, r.pods[0].APIURL()+"/metrics") // nginx would set its own Date header
		return time.Since(must.Get(http.ParseTime(response.Header.Get("Date")))(r)) > 59*time.Minute
	})
	// For one second after a failure of a slave (the constant failureMemory), the API reads from the master first.
	time.Sleep(recovered + 500*time.Millisecond)
	figures := func() (reads, fallbacks, dials int) {
		for _, pod := range r.pods {
			dials += r.info(pod.Ports.Slave, "stats", "total_connections_received")
		}
		return r.load.done(), metrics(r, r.pods[0].APIURL())("guestbook_redis_fallbacks_total"), dials
	}
	readsBefore, fallbacksBefore, dialsBefore := figures()
	time.Sleep(scaled(3 * time.Second))
	reads, fallbacks, dials := figures()
	reads, fallbacks, dials = reads-readsBefore, fallbacks-fallbacksBefore, dials-dialsBefore
	const report = "of %d requests after the clock was set back %d were read from the master, and %d connections were made to the slaves"
	if fallbacks > 0 || dials > reads/10 {
		r.load.problem(report, reads, fallbacks, dials)
	}
	r.addNote(report, reads, fallbacks, dials)
}
