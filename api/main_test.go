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

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// TestMain runs the API instead of the tests if TEST_RUNS_API is set, so that a test can start its own binary as the API.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_RUNS_API") != "" {
		main()
	}
	os.Exit(m.Run())
}

// After a signal, the API answers the requests under way and then exits.
func TestASignalEndsTheAPI(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			p, cmd := startProgram(t, pod)
			master := podtest.Dial(t, pod.Ports.Master)
			podtest.Do(t, master, "CLIENT", "PAUSE", 500, "WRITE")
			answered := make(chan int, 1)
			go func() { answered <- p.get(t, "/guestbook/?cmd=set&key=messages&value=x") }()
			must.Hold(t, "the request waits for Redis", 10*time.Second, func() bool {
				return strings.Contains(string(podtest.Do(t, master, "CLIENT", "LIST").([]byte)), "flags=b")
			})
			if err := cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if status := <-answered; status != http.StatusOK {
				t.Errorf("the request under way is answered %d", status)
			}
			if code := p.exitCode(t); code != 0 {
				t.Errorf("exit code %d", code)
			}
		})
	}
}

// If nohup has started the API, the SIGHUP of a terminal that closes does not end the API.
func TestNohup(t *testing.T) {
	p, cmd := startProgram(t, podtest.Redis(t, localpod.Options{}), "nohup")
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(drainSignal); err != nil {
		t.Fatal(err)
	}
	p.await(t, "/readyz", http.StatusServiceUnavailable) // once SIGUSR1 has arrived, SIGHUP has also arrived: Linux delivers the signal with the lower number first
	if status := p.get(t, "/healthz"); status != http.StatusOK {
		t.Errorf("/healthz answers %d", status)
	}
}

// In a container the API is process 1, and "api drain" is a second process.
func TestDrainCommand(t *testing.T) {
	var user, sameUser []string
	if os.Geteuid() != 0 {
		user, sameUser = []string{"--map-root-user"}, []string{"--user", "--preserve-credentials"}
	}
	p, cmd := startProgram(t, podtest.Redis(t, localpod.Options{}), append([]string{"unshare", "--pid", "--fork", "--mount-proc", "--kill-child"}, user...)...)
	p.await(t, "/readyz", http.StatusOK)
	child, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%[1]d/children", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	drain := exec.CommandContext(t.Context(), "nsenter", append(sameUser, "--target", strings.TrimSpace(string(child)), "--pid", "--mount", self, "drain")...)
	if out, err := drain.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	p.await(t, "/readyz", http.StatusServiceUnavailable)
	if status := p.get(t, "/guestbook/?cmd=get&key=messages"); status != http.StatusOK {
		t.Errorf("a request is answered %d", status)
	}
}

// Outside a container, process 1 is another program, which "api drain" must not signal.
func TestDrainCommandSignalsNoOtherProgram(t *testing.T) {
	var out strings.Builder
	if code := run([]string{"drain"}, nil, io.Discard, &out); code != 1 || !strings.Contains(out.String(), "SIGUSR1") {
		t.Errorf("exit code %d, %s", code, &out)
	}
}

// In a pod, the preStop hook runs "api drain". The API must still answer requests until nginx has exited.
func TestAfterADrainItServesUntilItIsStopped(t *testing.T) {
	p := start(t, podtest.Redis(t, localpod.Options{}))
	viewer, err := p.client.Get("http://" + p.addr + "/guestbook/events")
	if err != nil {
		t.Fatal(err)
	}
	defer viewer.Body.Close()
	p.signals <- drainSignal
	if _, err := io.Copy(io.Discard, viewer.Body); err != nil { // the API closes the stream
		t.Error(err)
	}
	p.signals <- drainSignal // a second drainSignal changes nothing
	for path, want := range map[string]int{"/readyz": 503, "/guestbook/events": 503, "/healthz": 200, "/guestbook/?cmd=get&key=messages": 200} {
		if status := p.get(t, path); status != want {
			t.Errorf("%s answers %d, want %d", path, status, want)
		}
	}
	p.signals <- syscall.SIGTERM
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// The API exits with 0 even if a client has sent only half of a request's body.
func TestABodyThatIsHalfSentDoesNotSpoilTheEnd(t *testing.T) {
	p := start(t, podtest.Redis(t, localpod.Options{}))
	p.sendHalf(t)
	p.signals <- syscall.SIGTERM
	p.signals <- drainSignal // a preStop hook may send drainSignal after SIGTERM
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := start(t, podtest.New(t, localpod.Options{}))
	p.sendHalf(t)
	signalled := time.Now()
	p.signals <- os.Interrupt
	p.signals <- os.Interrupt
	if code := p.exitCode(t); code != 1 || time.Since(signalled) > 5*time.Second {
		t.Errorf("exit code %d after %s, want 1 at once", code, time.Since(signalled))
	}
}

func TestRunEndsWithAClearLine(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		name   string
		args   []string
		env    map[string]string
		code   int
		output string
	}{
		{"-help", []string{"-help"}, nil, 0, "REDIS_MASTER_ADDR"},
		{"-version", []string{"-version"}, nil, 0, version},
		{"an unknown flag", []string{"-port=80"}, nil, 2, "see api -help"},
		{"an argument", []string{"80"}, nil, 2, "see api -help"},
		{"a wrong setting", nil, map[string]string{"REDIS_DB": "x"}, 1, `api: REDIS_DB="x": expected a whole number`},
		{"a taken port", nil, map[string]string{"LISTEN_ADDR": taken.Addr().String()}, 1, "address already in use"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for name, value := range c.env {
				t.Setenv(name, value)
			}
			var out strings.Builder
			if code := run(c.args, nil, &out, &out); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			if !strings.Contains(out.String(), c.output) {
				t.Errorf("want %q in\n%s", c.output, &out)
			}
		})
	}
}
