package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// process is a running API.
type process struct {
	addr    string
	signals chan os.Signal
	exit    chan int
}

// environment sets the environment variables with the addresses of the API and of the pod's Redis.
func environment(t *testing.T, pod *localpod.Pod) {
	t.Helper()
	t.Setenv("LISTEN_ADDR", "127.0.0.1:0")
	t.Setenv("REDIS_MASTER_ADDR", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Master))
	t.Setenv("REDIS_SLAVE_ADDR", fmt.Sprintf("127.0.0.1:%d", pod.Ports.Slave))
}

// newProcess waits until an API writes the log line "listening", and returns this API as a process.
func newProcess(t *testing.T, log io.Reader) *process {
	t.Helper()
	p := &process{signals: make(chan os.Signal, 2), exit: make(chan int, 1)}
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

// start runs the API inside the test's own process.
func start(t *testing.T) *process {
	t.Helper()
	pod, _ := podtest.Shared(t)
	environment(t, pod)
	log, stderr := io.Pipe()
	signals, exit := make(chan os.Signal, 2), make(chan int, 1)
	go func() {
		exit <- run(nil, signals, io.Discard, stderr)
		stderr.Close()
	}()
	p := newProcess(t, log)
	p.signals, p.exit = signals, exit
	return p
}

// startProgram runs the API as a separate process. A command such as nohup gets the path of the API as its last argument.
func startProgram(t *testing.T, pod *localpod.Pod, command ...string) (*process, *exec.Cmd) {
	t.Helper()
	environment(t, pod)
	t.Setenv("TEST_RUNS_API", "yes")
	command = append(command, must.Get(os.Executable())(t))
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	log := must.Get(cmd.StderrPipe())(t)
	must.OK(t, cmd.Start())
	p := newProcess(t, log)
	go func() {
		_ = cmd.Wait() // the error only repeats the exit code
		p.exit <- cmd.ProcessState.ExitCode()
	}()
	return p, cmd
}

func (p *process) get(t *testing.T, path string) int {
	t.Helper()
	response, _ := must.Fetch(t, "http://"+p.addr+path)
	return response.StatusCode
}

// await polls the path until the API answers with the status.
func (p *process) await(t *testing.T, path string, status int) {
	t.Helper()
	must.Hold(t, fmt.Sprint(path, " answers ", status), 10*time.Second, func() bool { return p.get(t, path) == status })
}

// wantExit waits until the API has ended, and compares its exit code with want.
func (p *process) wantExit(t *testing.T, want int) {
	t.Helper()
	select {
	case code := <-p.exit:
		if code != want {
			t.Errorf("exit code %d, want %d", code, want)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}

// sendHalf sends a POST with an incomplete body, and leaves the connection open.
func (p *process) sendHalf(t *testing.T) {
	t.Helper()
	c := must.Get(net.Dial("tcp", p.addr))(t)
	t.Cleanup(func() { c.Close() })
	const head = "POST /guestbook/entries HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
	must.Get(io.WriteString(c, head))(t)
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the API waits for the body
		t.Fatalf("%q, %v", line, err)
	}
	must.Get(io.WriteString(c, "{"))(t)
}
