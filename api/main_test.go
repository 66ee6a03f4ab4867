package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// process is a run of the API inside the test.
type process struct {
	addr    string
	signals chan os.Signal
	exit    chan int
	client  http.Client
}

// start runs the API until it listens.
func start(t *testing.T, pod *localpod.Pod, env ...string) *process {
	t.Helper()
	t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("REDIS_MASTER_ADDR", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Master))
	t.Setenv("REDIS_SLAVE_ADDR", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Slave))
	for _, e := range env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	p := &process{signals: make(chan os.Signal, 2), exit: make(chan int, 1), client: http.Client{Timeout: 5 * time.Second}}
	t.Cleanup(p.client.CloseIdleConnections)
	log, stderr := io.Pipe()
	go func() {
		p.exit <- run(nil, p.signals, io.Discard, stderr)
		stderr.Close()
	}()
	lines := bufio.NewScanner(log)
	if !lines.Scan() {
		t.Fatal("no log line")
	}
	var line struct{ Msg, Addr string }
	if err := json.Unmarshal(lines.Bytes(), &line); err != nil || line.Msg != "listening" {
		t.Fatalf("the first log line is %s, %v", lines.Bytes(), err)
	}
	p.addr = line.Addr
	go io.Copy(io.Discard, log)
	return p
}

func (p *process) get(t *testing.T, path string) int {
	t.Helper()
	response, err := p.client.Get("http://" + p.addr + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode
}

func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.exit:
		return code
	case <-time.After(10 * time.Second):
		t.Fatal("it does not end")
		return -1
	}
}

func TestDrain(t *testing.T) {
	p := start(t, podtest.Redis(t, localpod.Options{}), "DRAIN_DELAY=300ms")
	if status := p.get(t, "/readyz"); status != 200 {
		t.Errorf("/readyz answers %d", status)
	}
	signalled := time.Now()
	p.signals <- syscall.SIGTERM
	for p.get(t, "/readyz") != 503 { // it goes on serving, not ready
		if time.Since(signalled) > 5*time.Second {
			t.Fatal("still ready")
		}
	}
	if status := p.get(t, "/guestbook/?cmd=get&key=messages"); status != 200 {
		t.Errorf("a request during the drain is answered %d", status)
	}
	if code := p.exitCode(t); code != 0 {
		t.Errorf("exit code %d", code)
	}
	if took := time.Since(signalled); took < 300*time.Millisecond {
		t.Errorf("it ended after %s, before the drain delay", took)
	}
}

// A container's preStop says that the pod leaves; the end comes when nginx has ended, however late.
func TestAfterADrainItServesUntilItIsStopped(t *testing.T) {
	p := start(t, podtest.Redis(t, localpod.Options{}))
	viewer, err := p.client.Get("http://" + p.addr + "/guestbook/events")
	if err != nil {
		t.Fatal(err)
	}
	defer viewer.Body.Close()
	p.signals <- syscall.SIGHUP
	if _, err := io.Copy(io.Discard, viewer.Body); err != nil { // the stream ends
		t.Error(err)
	}
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

// Whoever has sent half a body must not make a pod's end look like a failure.
func TestABodyThatIsHalfSentDoesNotSpoilTheEnd(t *testing.T) {
	p := start(t, podtest.Redis(t, localpod.Options{}))
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte("POST /guestbook/entries HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{")); err != nil {
		t.Fatal(err)
	}
	for until := time.Now().Add(5 * time.Second); p.get(t, "/healthz") != 200 && time.Now().Before(until); {
	}
	p.signals <- syscall.SIGTERM
	select {
	case code := <-p.exit:
		if code != 0 {
			t.Errorf("exit code %d", code)
		}
	case <-time.After(20 * time.Second):
		t.Error("it does not end")
	}
}

func TestASecondSignalEndsAtOnce(t *testing.T) {
	p := start(t, podtest.New(t, localpod.Options{}), "DRAIN_DELAY=1h")
	p.signals <- os.Interrupt
	p.signals <- os.Interrupt
	if code := p.exitCode(t); code != 1 {
		t.Errorf("exit code %d, want 1", code)
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
