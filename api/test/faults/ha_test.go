//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// ha runs the processes of k8s/ha/: three Redis, three sentinels and two proxies. Readers connect only to a Redis that is ready.
type ha struct {
	*localpod.HA
	r        *rig
	password string
	proxies  *service // replaces the Service redis-master
	cuttable
}

func newHA(r *rig, s setup) *ha {
	r.Helper()
	h, o := &ha{r: r, password: s.password}, haOptions(r)
	o.Programs, o.Password = s.programs, s.password
	if s.cut {
		h.port, h.net = o.Port, o.Net
		o.Nodes = h.relay(r)
		o.Edit = func(text string) string {
			// Each process connects from its own IP address, so that the relays recognize the process.
			text = strings.Replace(text, "\nport $PORT\n", "\nport $PORT\nbind-source-addr $BIND\n", 1)
			text = strings.Replace(text, "\nport $SENTINEL_PORT\n", "\nport $SENTINEL_PORT\nbind-source-addr $BIND\n", 1)
			return strings.Replace(text, "default-server ", "default-server source ${LISTEN} ", 1)
		}
	}
	h.HA = must.Get(localpod.NewHA(o))(r)
	r.Cleanup(func() {
		for i := range h.Redis {
			if r.Failed() {
				r.Logf("the last words of redis-%d and its sentinel:\n%s\n%s", i, h.Redis[i].Tail(), h.Sentinels[i].Tail())
			}
			for _, p := range []*localpod.Process{h.Redis[i], h.Sentinels[i]} {
				if p.Ended() != nil {
					_ = p.Signal(syscall.SIGCONT)
				}
			}
		}
		must.OK(r, h.Stop())
	})
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	must.OK(r, h.Start(ctx))
	h.do("SET", book, ",the first")
	h.proxies = newService(r, h.ProxyAddr(0), h.ProxyAddr(1))
	h.watchReadiness()
	return h
}

// masterAddr returns the address at which a pod reaches the master: the Service redis-master, or the pod's own HAProxy if the master is
// cut off in this test.
func (h *ha) masterAddr(pod int) string {
	if h.r.setup.cut {
		return h.ProxyAddr(pod)
	}
	return h.proxies.addr()
}

// watchReadiness probes each Redis as the kubelet does, and sends readers only to a Redis that is ready, as the Service redis-slave does.
// The probe has the period and the timeout of the readiness probe in k8s/ha/redis-ha-statefulset.yaml.
func (h *ha) watchReadiness() {
	var mu sync.Mutex
	failed := [3]int{2, 2, 2} // how many probes of each Redis have failed in a row; from 2 on, the Redis is not ready
	probe := func(i int) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := h.Run(ctx, i, "ready.sh")
		mu.Lock()
		defer mu.Unlock()
		if failed[i]++; err == nil {
			failed[i] = 0
		}
		var backends []string
		for i := range failed {
			if failed[i] < 2 {
				backends = append(backends, h.Addr(i))
			}
		}
		h.r.slaves.to(backends...)
	}
	var running sync.WaitGroup
	for i := range h.Redis {
		probe(i)
		running.Go(func() {
			for {
				select {
				case <-h.r.Context().Done():
					return
				case <-time.After(2 * time.Second):
					probe(i)
				}
			}
		})
	}
	h.r.Cleanup(running.Wait)
}

// lose kills the master, deletes the master's files, and returns the master's index. If "machine" is true, "lose" kills the master's
// sentinel as well.
func (h *ha) lose(machine bool) int {
	h.r.Helper()
	m := h.Master()
	if m < 0 {
		h.r.Fatal("there is no master")
	}
	podtest.Kill(h.r, h.Redis[m])
	if machine {
		podtest.Kill(h.r, h.Sentinels[m])
	}
	h.empty(m)
	return m
}

// restart restarts Redis i and its sentinel, as Kubernetes does when it replaces a pod. If Redis i is the master, the script leave.sh first
// makes the sentinels promote a slave.
func (h *ha) restart(i int, env ...string) {
	h.r.Helper()
	must.OK(h.r, h.Run(h.r.Context(), i, "leave.sh"))
	podtest.Stop(h.r, h.Redis[i], h.Sentinels[i])
	h.start(i, env...)
}

func (h *ha) start(i int, env ...string) {
	h.r.Helper()
	for _, p := range []*localpod.Process{h.Sentinels[i], h.Redis[i]} {
		p.Setenv(env...)
		podtest.Start(h.r, p)
	}
	h.healthy()
}

// passwords returns environment variables with this password, for the API and for redis-cli.
func passwords(password string) []string {
	return []string{"REDIS_PASSWORD=" + password, "REDISCLI_AUTH=" + password}
}

// pauseSentinels sends SIGSTOP to the running sentinels, and SIGCONT after the duration d.
func (h *ha) pauseSentinels(d time.Duration) {
	h.r.Helper()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, p := range h.Sentinels {
			if err := p.Signal(s); !errors.Is(err, os.ErrProcessDone) {
				must.OK(h.r, err)
			}
		}
		if s == syscall.SIGSTOP {
			time.Sleep(d)
		}
	}
}

func (h *ha) empty(i int) {
	h.r.Helper()
	files, err := filepath.Glob(filepath.Join(h.Disk(i), "*"))
	for _, file := range files {
		err = errors.Join(err, os.RemoveAll(file))
	}
	must.OK(h.r, err)
}

func (h *ha) healthy() {
	h.r.Helper()
	must.Await(h.r, "all three are in order", time.Minute, func() error { return h.Healthy(context.Background()) })
}

// demoted waits until all three Redis are healthy, and fails the test if the old master is still the master.
func (h *ha) demoted(before int) {
	h.r.Helper()
	if h.healthy(); h.Master() == before {
		h.r.Error("it is the master still")
	}
}

func (h *ha) do(command string, args ...any) any {
	h.r.Helper()
	c := must.Get(h.Dial(h.Addr(h.Master()), 10*time.Second))(h.r)
	defer c.Close()
	return podtest.Do(h.r, c, command, args...)
}

// write returns nil if the master accepts a write through the second proxy.
func (h *ha) write() error {
	c, err := h.Dial(h.ProxyAddr(1), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do("APPEND", book, "")
	return err
}

func haOptions(t testing.TB) localpod.HAOptions {
	return localpod.HAOptions{Dir: t.TempDir(), Net: fmt.Sprintf("127.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250)), Port: 10_000 + rand.IntN(20_000),
		Output: func(string) io.Writer { return io.Discard }}
}

// By its setting maxconn, HAProxy accepts as many connections as ten frontend pods may open. Without maxconn, HAProxy would allocate memory
// for far more.
func TestFaultsProxyConnections(t *testing.T) {
	h := must.Get(localpod.NewHA(haOptions(t)))(t)
	podtest.Start(t, h.Proxies[0])
	defer podtest.Stop(t, h.Proxies[0])
	host, _, _ := net.SplitHostPort(h.ProxyAddr(0))
	figure := metrics(t, "http://"+host+":8404")
	var files syscall.Rlimit
	must.OK(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files))
	if fds := figure("haproxy_process_max_fds"); fds > 5000 || uint64(fds) >= files.Max {
		t.Errorf("it makes room for %d files, of the %d that it may open", fds, files.Max)
	}
	if connections := int64(figure("haproxy_process_max_connections")); connections < limits.Figure(t, "scaler maxReplicas")*limits.Figure(t, "settings.PoolSize") {
		t.Errorf("it takes only %d connections", connections)
	}
}
