// Package podtest gives tests a local pod of their own.
package podtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
)

// apiBinary is the API that Main has built.
var apiBinary string

// Main builds the API once for all tests of a package, with the given flags of go build, and runs them. It returns
// the exit code. Where the variable API_COVERAGE names a folder, each API that a test starts writes there which of its code
// has run.
func Main(m *testing.M, flags ...string) int {
	dir, err := os.MkdirTemp("", "guestbook-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	apiBinary = filepath.Join(dir, "api")
	if dir := os.Getenv("API_COVERAGE"); dir != "" {
		if err := os.Setenv("GOCOVERDIR", dir); err != nil { // of the programs that the tests start
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		flags = append(flags, "-covermode=atomic", "-coverpkg=./api,./api/internal/...")
	}
	if err := localpod.Build(context.Background(), apiBinary, flags...); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// Command returns an operator's command, run by the API that Main has built, as in the pod's container.
func Command(t testing.TB, pod *localpod.Pod, args ...string) *exec.Cmd {
	command := exec.CommandContext(t.Context(), apiBinary, args...)
	command.Env = append(os.Environ(), fmt.Sprintf("REDIS_MASTER_ADDR=127.0.0.1:%d", pod.Ports.Master))
	return command
}

// Pod starts a whole pod, with the API that Main has built, and gives a connection to its master. A data race in the
// API fails the test.
func Pod(t testing.TB, o localpod.Options) (*localpod.Pod, redis.Conn) {
	t.Helper()
	pod := New(t, o)
	t.Cleanup(func() {
		if tail := pod.API.Tail(); strings.Contains(tail, "DATA RACE") || t.Failed() {
			t.Errorf("the API's last words:\n%s", tail)
		}
	})
	if err := pod.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	return pod, Dial(t, pod.Ports.Master)
}

// New prepares a pod on free ports, unless o names some, and in a folder of its own, that is stopped when the test
// ends. Nothing runs yet.
func New(t testing.TB, o localpod.Options) *localpod.Pod {
	t.Helper()
	var err error
	if o.Ports == (localpod.Ports{}) {
		o.Ports = FreePorts(t)
	}
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.APIBinary == "" {
		o.APIBinary = apiBinary
	}
	if o.Output == nil {
		o.Output = func(string) io.Writer { return io.Discard }
	}
	pod, err := localpod.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pod.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pod
}

// FreePorts gives ports that nothing listens on.
func FreePorts(t testing.TB) localpod.Ports {
	t.Helper()
	ports, err := localpod.FreePorts()
	if err != nil {
		t.Fatal(err)
	}
	return ports
}

// Redis starts the pod's master and slave alone, and waits until they are in sync.
func Redis(t testing.TB, o localpod.Options) *localpod.Pod {
	t.Helper()
	pod := New(t, o)
	for _, p := range []*localpod.Process{pod.Master, pod.Slave} {
		Start(t, p)
	}
	Await(t, pod.Slave, pod.Synced)
	return pod
}

// Start starts one process.
func Start(t testing.TB, p *localpod.Process) {
	t.Helper()
	if err := p.Start(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// Kill ends one process at once.
func Kill(t testing.TB, p *localpod.Process) {
	t.Helper()
	if err := p.Kill(); err != nil {
		t.Fatal(err)
	}
}

// Await waits until the condition holds; the test fails if the process ends or 20 s pass before.
func Await(t testing.TB, p *localpod.Process, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := p.Await(ctx, condition); err != nil {
		t.Fatal(err)
	}
}

// Dial connects to the Redis on a port of 127.0.0.1.
func Dial(t testing.TB, port int, options ...redis.DialOption) redis.Conn {
	t.Helper()
	const timeout = 10 * time.Second
	c, err := localpod.DialOwn(port, append(options, redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// Do runs a command that must succeed.
func Do(t testing.TB, c redis.Conn, command string, args ...any) any {
	t.Helper()
	reply, err := c.Do(command, args...)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}
