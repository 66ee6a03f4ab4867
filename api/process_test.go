package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

type process struct {
	*exec.Cmd
	addr string
	log  localpod.Output
}

// start executes the API. If the parameter "command" is set, for example to "nohup", this command starts the API.
func start(t *testing.T, command ...string) *process {
	t.Helper()
	pod, _ := podtest.Shared(t)
	p := &process{Cmd: podtest.Command(t, pod), addr: fmt.Sprintf("127.0.0.1:%d", podtest.FreePorts(t).API)}
	p.Env, p.Stderr = append(p.Env, "LISTEN_ADDR="+p.addr), &p.log
	if len(command) > 0 {
		p.Args = slices.Concat(command, p.Args)
		p.Path = must.Get(exec.LookPath(command[0]))(t)
	}
	must.OK(t, p.Start())
	p.await(t, "/readyz", http.StatusOK)
	if !strings.Contains(p.log.String(), `"msg":"listening","addr":"`+p.addr+`"`) {
		t.Errorf("the log does not name the address: %s", &p.log)
	}
	return p
}

func (p *process) get(t *testing.T, path string) int {
	t.Helper()
	response, _ := must.Fetch(t, "http://"+p.addr+path)
	return response.StatusCode
}

// await polls the path until the API answers with the status.
func (p *process) await(t *testing.T, path string, status int) {
	t.Helper()
	must.Hold(t, fmt.Sprint(path, " answers ", status), 20*time.Second, func() bool {
		response, err := must.Client.Get("http://" + p.addr + path)
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == status
	})
}

// end sends a signal, and waits until the API accepts no more connections.
func (p *process) end(t *testing.T, sig os.Signal) {
	t.Helper()
	must.OK(t, p.Process.Signal(sig))
	must.Hold(t, "the API accepts no connections", 10*time.Second, func() bool {
		c, err := net.Dial("tcp", p.addr)
		if err == nil {
			c.Close()
		}
		return err != nil
	})
}

func (p *process) wantExit(t *testing.T, want int) {
	t.Helper()
	timeout := time.AfterFunc(20*time.Second, func() { _ = p.Process.Kill() })
	defer timeout.Stop()
	_ = p.Wait() // the error only repeats the exit code
	code, stopped := p.ProcessState.ExitCode(), strings.Contains(p.log.String(), `"msg":"stopped"`)
	if code != want || stopped != (want == 0) {
		t.Errorf("exit code %d, want %d: %s", code, want, &p.log)
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
	if line, err := bufio.NewReader(c).ReadString('\n'); err != nil || !strings.Contains(line, "100 Continue") { // "100 Continue" means that the API waits for the body
		t.Fatalf("%q, %v", line, err)
	}
	must.Get(io.WriteString(c, "{"))(t)
}
