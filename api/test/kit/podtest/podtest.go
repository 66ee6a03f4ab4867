// Package podtest starts the processes of the guestbook for a test.
package podtest

import (
	"cmp"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

var (
	apiBinary string        // the path of the API program that the function Main has built
	shared    *localpod.Pod // the pod that the function Shared has started
	sharedDir string        // the folder in which the processes of the shared pod keep their files
)

// Main builds the API, runs the tests of a package, and returns their exit code. The parameter "flags" holds options of "go build". If the
// environment variable API_COVERAGE names a folder, each API process writes its code coverage to this folder.
func Main(m *testing.M, flags ...string) int {
	dir, err := os.MkdirTemp("", "guestbook-test-")
	defer os.RemoveAll(dir)
	apiBinary = filepath.Join(dir, "api")
	if coverage := os.Getenv("API_COVERAGE"); coverage != "" {
		err = errors.Join(err, os.Setenv("GOCOVERDIR", coverage)) // programs that were built with -cover read this variable
		flags = append(flags, "-covermode=atomic", "-coverpkg=./api,./api/internal/...")
	}
	if err := errors.Join(err, localpod.Build(context.Background(), apiBinary, flags...)); err != nil {
		panic(err)
	}
	return Run(m)
}

// Run runs the tests of a package without building the API, and returns their exit code.
func Run(m *testing.M) int {
	code := m.Run()
	if shared != nil {
		if err := errors.Join(shared.Stop(), os.RemoveAll(sharedDir)); err != nil {
			panic(err)
		}
	}
	return code
}

// Command returns an operator's command, such as `api export`, for this pod.
func Command(t testing.TB, pod *localpod.Pod, args ...string) *exec.Cmd {
	return pod.API.Command(t.Context(), args...)
}

// Pod starts nginx, the API, the slave and the master, and returns a connection to the master. If the API has a data race, the test fails.
func Pod(t testing.TB, o localpod.Options) (*localpod.Pod, redis.Conn) {
	t.Helper()
	pod := New(t, o)
	t.Cleanup(func() {
		if tail := pod.API.Tail(); strings.Contains(tail, "DATA RACE") || t.Failed() {
			t.Errorf("the API's last words:\n%s", tail)
		}
	})
	must.OK(t, pod.Start(t.Context()))
	return pod, Dial(t, pod.Ports.Master)
}

// New returns a pod whose processes do not run yet. At the end of the test, the pod stops. If the options name no ports or no folder, New
// chooses free ports or a temporary folder.
func New(t testing.TB, o localpod.Options) *localpod.Pod {
	t.Helper()
	pod := prepare(t, o)
	t.Cleanup(func() { must.OK(t, pod.Stop()) })
	return pod
}

func prepare(t testing.TB, o localpod.Options) *localpod.Pod {
	t.Helper()
	o.Ports, o.Dir, o.APIBinary = cmp.Or(o.Ports, FreePorts(t)), cmp.Or(o.Dir, t.TempDir()), cmp.Or(o.APIBinary, apiBinary)
	if o.Output == nil {
		o.Output = func(string) io.Writer { return io.Discard }
	}
	// The tests share the disk with compilers, so with appendfsync a write might take longer than the API waits for Redis. Even if a test
	// kills Redis, no data is lost, because the kernel still writes the data to the disk.
	o.MasterArgs = append([]string{"--appendfsync", "no"}, o.MasterArgs...)
	return must.Get(localpod.New(o))(t)
}

// FreePorts returns unused ports of 127.0.0.1.
func FreePorts(t testing.TB) localpod.Ports {
	t.Helper()
	return must.Get(localpod.FreePorts())(t)
}

// Redis starts a master and a slave without the API, and waits until the slave is in sync.
func Redis(t testing.TB, o localpod.Options) *localpod.Pod {
	t.Helper()
	return withRedis(t, New(t, o))
}

// Shared returns a running master and slave without data, and a connection to the master. All tests of a package share one master and one
// slave. A test that stops a Redis or changes its settings must call the function "Redis" instead of Shared.
func Shared(t testing.TB) (*localpod.Pod, redis.Conn) {
	t.Helper()
	if shared == nil {
		sharedDir = must.Get(os.MkdirTemp("", "guestbook-test-"))(t)
		shared = prepare(t, localpod.Options{Dir: sharedDir})
		withRedis(t, shared)
	}
	master := Dial(t, shared.Ports.Master)
	Do(t, master, "FLUSHALL")
	Do(t, master, "WAIT", 1, 5000)
	return shared, master
}

func withRedis(t testing.TB, pod *localpod.Pod) *localpod.Pod {
	t.Helper()
	Start(t, pod.Master, pod.Slave)
	Await(t, pod.Slave, pod.Synced)
	return pod
}

// Start starts the processes one after the other, and waits until each is ready.
func Start(t testing.TB, processes ...*localpod.Process) {
	t.Helper()
	for _, p := range processes {
		must.OK(t, p.Start(context.Background()))
	}
}

// Kill sends SIGKILL to the processes, one after the other.
func Kill(t testing.TB, processes ...*localpod.Process) {
	t.Helper()
	for _, p := range processes {
		must.OK(t, p.Kill())
	}
}

// Stop stops the processes with their stop signals, one after the other.
func Stop(t testing.TB, processes ...*localpod.Process) {
	t.Helper()
	for _, p := range processes {
		must.OK(t, p.Stop())
	}
}

// Await calls the function "condition" until it returns nil. Await fails the test after 20 s, or when the process ends.
func Await(t testing.TB, p *localpod.Process, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	must.OK(t, p.Await(ctx, condition))
}

// Dial connects to the Redis on a port of 127.0.0.1.
func Dial(t testing.TB, port int, options ...redis.DialOption) redis.Conn {
	t.Helper()
	const timeout = 10 * time.Second
	c := must.Get(localpod.DialOwn(port, append(options, redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))...))(t)
	t.Cleanup(func() { c.Close() })
	return c
}

// Do runs a Redis command and returns the reply. If the command fails, the test ends.
func Do(t testing.TB, c redis.Conn, command string, args ...any) any {
	t.Helper()
	return must.Get(c.Do(command, args...))(t)
}
