package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// After a signal, the API first answers the requests under way, and then exits.
func TestASignalEndsTheAPI(t *testing.T) {
	_, master := podtest.Shared(t)
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			p := start(t)
			podtest.Do(t, master, "CLIENT", "PAUSE", 500, "WRITE")
			answered := make(chan int, 1)
			go func() { answered <- p.get(t, "/guestbook/?cmd=set&key=messages&value=x") }()
			must.Hold(t, "the request waits for Redis", 10*time.Second, func() bool {
				return strings.Contains(string(podtest.Do(t, master, "CLIENT", "LIST").([]byte)), "flags=b")
			})
			must.OK(t, p.Process.Signal(sig))
			if status := <-answered; status != http.StatusOK {
				t.Errorf("the request under way is answered %d", status)
			}
			p.wantExit(t, 0)
		})
	}
}

// If "nohup" has started the API, the API ignores SIGHUP. A terminal sends SIGHUP when it closes. A pod's preStop hook sends drainSignal.
// After drainSignal, the API answers requests until SIGTERM.
func TestAfterSIGHUPAndADrainItServesUntilItIsStopped(t *testing.T) {
	p := start(t, "nohup")
	viewer := must.Get(http.Get("http://" + p.addr + "/guestbook/events"))(t)
	defer viewer.Body.Close()
	must.OK(t, p.Process.Signal(syscall.SIGHUP))
	must.OK(t, p.Process.Signal(drainSignal))
	// The event stream ends once the API has received drainSignal.
	must.Get(io.Copy(io.Discard, viewer.Body))(t)
	must.OK(t, p.Process.Signal(drainSignal)) // a second drainSignal changes nothing
	for path, want := range map[string]int{"/readyz": 503, "/guestbook/events": 503, "/healthz": 200, "/guestbook/?cmd=get&key=messages": 200} {
		if status := p.get(t, path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	must.OK(t, p.Process.Signal(syscall.SIGTERM))
	p.wantExit(t, 0)
}

// The test runs the API as process 1 of a PID namespace, because the command "api drain" sends drainSignal to process 1.
func TestDrainCommand(t *testing.T) {
	var user, enter []string
	if os.Geteuid() != 0 {
		user, enter = []string{"--map-root-user"}, []string{"--user", "--preserve-credentials"}
	}
	p := start(t, append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, user...)...)
	child := must.Read(t, fmt.Sprintf("/proc/%d/task/%[1]d/children", p.Process.Pid))
	enter = append(enter, "--target", strings.TrimSpace(child), "--pid", "--mount", p.Args[len(p.Args)-1], "drain")
	must.Run(t, exec.CommandContext(t.Context(), "nsenter", enter...))
	p.await(t, "/readyz", http.StatusServiceUnavailable)
}

// The API exits with 0 even if a client has sent only half of a request's body. While the API stops after SIGTERM, a second signal ends the
// API at once, unless the second signal is drainSignal.
func TestABodyThatIsHalfSentDoesNotSpoilTheEnd(t *testing.T) {
	for second, code := range map[os.Signal]int{drainSignal: 0, os.Interrupt: -1} { // ExitCode returns -1 if a signal has ended the process
		p := start(t)
		p.sendHalf(t)
		p.end(t, syscall.SIGTERM)
		must.OK(t, p.Process.Signal(second))
		p.wantExit(t, code)
	}
}

func TestRunEndsWithAClearLine(t *testing.T) {
	taken := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	defer taken.Close()
	t.Setenv("LISTEN_ADDR", taken.Addr().String())
	for _, c := range []struct {
		args   []string
		db     string // the environment variable REDIS_DB
		code   int
		output string
	}{
		{[]string{"-help"}, "", 0, "REDIS_MASTER_ADDR"},
		{[]string{"-version"}, "", 0, version},
		{[]string{"export"}, "x", 1, `api: REDIS_DB="x"`},
		{[]string{"80"}, "", 2, "see api -help"},
		{[]string{"drain"}, "", 1, "SIGUSR1"}, // "api drain" fails, because process 1 is not the API
		{nil, "x", 1, `api: REDIS_DB="x": expected a whole number`},
		{nil, "", 1, "address already in use"},
	} {
		t.Setenv("REDIS_DB", c.db)
		var out strings.Builder
		if code := run(c.args, &out, &out); code != c.code || !strings.Contains(out.String(), c.output) {
			t.Errorf("%q: exit code %d, want %d and %q in\n%s", c.args, code, c.code, c.output, &out)
		}
	}
}

// A signal ends a command of the operator, even if the command waits for its input or output.
func TestASignalEndsACommand(t *testing.T) {
	pod, master := podtest.Shared(t)
	podtest.Do(t, master, "SET", "messages", strings.Repeat(","+strings.Repeat("x", 999), 1000)) // more than fits into a pipe
	export := podtest.Command(t, pod, "export")
	out := must.Get(export.StdoutPipe())(t)
	must.OK(t, export.Start())
	must.Get(out.Read(make([]byte, 1)))(t) // from now on, the command waits until somebody reads its output
	must.OK(t, export.Process.Signal(syscall.SIGTERM))
	timeout := time.AfterFunc(10*time.Second, func() { _ = export.Process.Kill() })
	defer timeout.Stop()
	_ = export.Wait() // returns an error, because the signal ends the command
	if signal := export.ProcessState.Sys().(syscall.WaitStatus).Signal(); signal != syscall.SIGTERM {
		t.Errorf("the command ended by %v", signal)
	}
}
