package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

// process is a running API.
type process struct {
	addr    string
	signals chan os.Signal
	exit    chan int
	client  http.Client
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
	p := &process{signals: make(chan os.Signal, 2), exit: make(chan int, 1), client: http.Client{Timeout: 5 * time.Second}}
	t.Cleanup(p.client.CloseIdleConnections)
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
func start(t *testing.T, pod *localpod.Pod) *process {
	t.Helper()
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
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command = append(command, self)
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	log, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(t, log)
	go func() {
		_ = cmd.Wait() // the error only repeats the exit code
		p.exit <- cmd.ProcessState.ExitCode()
	}()
	return p, cmd
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

// await polls the path until the API answers with the status.
func (p *process) await(t *testing.T, path string, status int) {
	t.Helper()
	must.Hold(t, fmt.Sprint(path, " answers ", status), 10*time.Second, func() bool { return p.get(t, path) == status })
}

func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case code := <-p.exit:
		return code
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
		return -1
	}
}

// sendHalf sends a POST with an incomplete body, and leaves the connection open.
func (p *process) sendHalf(t *testing.T) {
	t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	const head = "POST /guestbook/entries HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\nExpect: 100-continue\r\n\r\n"
	if _, err := c.Write([]byte(head)); err != nil {
		t.Fatal(err)
	}
	_ = c.SetReadDeadline(time.Now().Add(5 * time.Second))
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // the API waits for the body
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := c.Write([]byte("{")); err != nil {
		t.Fatal(err)
	}
}
