//go:build faults

package faults

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
)

// buildWithClock builds an API whose wall clock is an hour behind once the file that CLOCK_BACK names is there, as if somebody
// had set it back. No time namespace covers this clock, and a Go program asks no library for it.
func buildWithClock(t *testing.T) (binary string) {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, ".build", "clock") // always the same, so that Go compiles everything with it only once
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	output, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	// A copy, because Go takes no overlay of a library among its modules, where it keeps other versions of itself.
	goroot := filepath.Join(dir, "goroot")
	version, err := exec.Command("go", "env", "GOVERSION").Output()
	if err != nil {
		t.Fatal(err)
	}
	if had, _ := os.ReadFile(filepath.Join(dir, "version")); string(had) != string(version) {
		copied := fmt.Sprintf("rm -rf '%[2]s' && cp -r '%[1]s' '%[2]s' && chmod -R u+w '%[2]s'", strings.TrimSpace(string(output)), goroot)
		if out, err := exec.Command("sh", "-c", copied).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		if err := os.WriteFile(filepath.Join(dir, "version"), version, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOROOT", goroot)
	t.Setenv("GOTOOLCHAIN", "local")
	t.Setenv("PATH", filepath.Join(goroot, "bin")+":"+os.Getenv("PATH"))
	original := filepath.Join(goroot, "src", "time", "time.go")
	source, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	const now = "sec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), now) != 1 {
		t.Skipf("%s reads the clock in another way", original)
	}
	changed := strings.Replace(string(source), now, now+"\tsec -= setBack\n", 1) + `
var setBack int64 // a race does no harm here

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
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {original: filepath.Join(dir, "time.go")}})
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"time.go": changed, "overlay.json": string(overlay)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	binary = filepath.Join(dir, "api")
	if err := localpod.Build(t.Context(), binary, "-overlay", filepath.Join(dir, "overlay.json")); err != nil {
		t.Fatal(err)
	}
	return binary
}

// clockSetBack sets the API's clock back by an hour while the connections to both Redis fail.
func clockSetBack(r *rig) {
	const reset = `"type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 0}`
	r.toxic(r.slaveProxy, scaled(500*time.Millisecond), reset)
	if err := os.WriteFile(r.clock, nil, 0o600); err != nil {
		r.Fatal(err)
	}
	r.ended = time.Now()
	for behind := time.Duration(0); behind < 59*time.Minute; {
		response, err := http.Get(r.pods[0].APIURL() + "/metrics") // its answer has the date, which others leave to nginx
		if err != nil {
			r.Fatal(err)
		}
		response.Body.Close()
		date, err := http.ParseTime(response.Header.Get("Date"))
		if err != nil {
			r.Fatal(err)
		}
		if behind = time.Since(date); time.Since(r.ended) > 5*time.Second {
			r.Fatalf("the API's clock is %s behind", behind)
		}
	}
	// By then the slave is asked again.
	time.Sleep(recovered + 500*time.Millisecond)
	before, dialsBefore, reads := r.fallbacks(), r.dials(), r.load.done()
	time.Sleep(scaled(3 * time.Second))
	fell, dialed := r.fallbacks()-before, r.dials()-dialsBefore
	reads = r.load.done() - reads
	if fell > 0 || dialed > reads/10 {
		r.load.problem("of %d requests after the clock was set back %v were read from the master, and %d connections were made to the slaves", reads, fell, dialed)
	}
	r.addNote("of %d requests afterwards %v were read from the master, %d connections were made to the slaves", reads, fell, dialed)
}

// fallbacks is how many reads the API has had from the master.
func (r *rig) fallbacks() (n int) {
	r.Helper()
	text, err := metricsOf(r.pods[0])
	if err != nil {
		r.Fatal(err)
	}
	_, rest, _ := strings.Cut(text, "\nguestbook_redis_fallbacks_total ")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		r.Fatal(err)
	}
	return n
}

// dials is how many connections the slaves have seen.
func (r *rig) dials() (sum int) {
	r.Helper()
	for _, pod := range r.pods {
		info, err := redis.String(r.redis(pod.Ports.Slave, "INFO", "stats"), nil)
		if err != nil {
			r.Fatal(err)
		}
		var n int
		_, rest, _ := strings.Cut(info, "total_connections_received:")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			r.Fatal(err)
		}
		sum += n
	}
	return sum
}
