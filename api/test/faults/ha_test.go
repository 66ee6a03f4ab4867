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
	"strings"
	"sync"
	"syscall"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// ha runs the processes of k8s/ha/: three Redis, three sentinels and two proxies. Readers connect only to a Redis that is ready.
type ha struct {
	*localpod.HA
	r       *rig
	proxies *service // simulates the Service redis-master
	borders borders
}

func newHA(r *rig, s setup) *ha {
	r.Helper()
	h, o := &ha{r: r}, localpod.HAOptions{
		Dir: r.TempDir(), Net: fmt.Sprintf("127.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250)), Port: 10_000 + rand.IntN(20_000),
		Programs: s.programs, Password: s.password, Output: func(string) io.Writer { return io.Discard },
	}
	if s.cut {
		o.Nodes = h.borders.relay(r, o.Net, o.Port)
		o.Edit = func(text string) string {
			// Each process connects from its own IP address, because the TCP relays identify the sender by its address.
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
		}
		must.OK(r, h.Stop())
	})
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	must.OK(r, h.Start(ctx))
	h.proxies = newService(r, h.ProxyAddr(0), h.ProxyAddr(1))
	h.watchReadiness()
	r.masterPort = h.proxies.listener.Addr().(*net.TCPAddr).Port
	r.redis(r.masterPort, "SET", book, ",the first")
	return h
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
			for pause(h.r.Context(), 2*time.Second) {
				probe(i)
			}
		})
	}
	h.r.Cleanup(running.Wait)
}

// lose kills the master, deletes the master's files, and returns the master's index.
func (h *ha) lose() int {
	h.r.Helper()
	m := h.Master()
	if m < 0 {
		h.r.Fatal("there is no master")
	}
	podtest.Kill(h.r, h.Redis[m])
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
	for _, p := range h.Sentinels {
		if err := p.Signal(syscall.SIGSTOP); !errors.Is(err, os.ErrProcessDone) {
			must.OK(h.r, err)
			defer p.Signal(syscall.SIGCONT)
		}
	}
	time.Sleep(d)
}

func (h *ha) empty(i int) {
	h.r.Helper()
	// A child process of the killed Redis may still write a file.
	must.Await(h.r, "the disk is empty", waitLimit, func() error { return os.RemoveAll(h.Disk(i)) })
	must.OK(h.r, os.Mkdir(h.Disk(i), 0o755))
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
