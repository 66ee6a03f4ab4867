//go:build faults

package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/gomodule/redigo/redis"
	"github.com/rs/zerolog"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// setup holds the options of newRig. An empty setup means one pod, one slave, and toxiproxy between the API and Redis.
type setup struct {
	pods, slaves int  // number of pods and number of slaves, at most 2 each; 0 means 1
	direct       bool // the API connects to Redis without toxiproxy
	masterArgs   []string
	apiBinary    string // path of the API to run; "" means the API of this repository
	programs     string // folder of the redis-server to run; "" means the redis-server of PATH
	masterDisk   string // size of a tmpfs for the master's data, such as 1m; "" means no tmpfs
	clock        bool   // the test can set the API's clock back
	ha           bool   // the test runs the three Redis, the sentinels and the proxies of k8s/ha/
	cut          bool   // the test can cut one Redis of k8s/ha/ off from the other two
	password     string
	cannotHide   bool // true if the command `api hide` would connect to a slave
}

// rig is the system in which a test causes a fault:
//
//	visitors ──► frontend ──► nginx ──► API ──► toxiproxy ──► master, slaves ──► Redis
//
// The fields "frontend", "master" and "slaves" simulate Kubernetes Services.
type rig struct {
	*testing.T
	setup                   setup
	pods                    [2]*localpod.Pod // both pods use the master of the first pod
	frontend                *service
	master, slaves          *service
	masterProxy, slaveProxy *toxiproxy.Proxy
	masterPort              int // the port of the current master, or of the simulated Service in front of three Redis
	dirs                    [2]string
	ha                      *ha
	clock                   string // path of a file; once the file exists, the API's clock is an hour behind

	load           *load
	started, ended time.Time
	notes          []string
}

func (r *rig) addNote(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	ports := [2]localpod.Ports{podtest.FreePorts(t), podtest.FreePorts(t)}
	ports[1].Master = ports[0].Master
	r := &rig{T: t, setup: s, slaves: newService(t), masterPort: ports[0].Master}
	// As in k8s/, the master writes each change to its disk at once, and ends if the disk is full.
	o := localpod.Options{MasterArgs: append([]string{"--appendfsync", "always"}, s.masterArgs...), Programs: s.programs, APIBinary: s.apiBinary}
	env := []string{fmt.Sprint("GOMEMLIMIT=", limits.Figure(t, "GOMEMLIMIT"))}
	if s.clock {
		o.APIBinary = buildWithClock(t)
		r.clock = filepath.Join(t.TempDir(), "back")
		env = append(env, "CLOCK_BACK="+r.clock)
	}
	if s.ha {
		r.ha = newHA(r, s)
		env = append(env, "REDIS_MASTER_ADDR="+addr(r.masterPort), "REDIS_SLAVE_ADDR="+r.slaves.addr(), "REDIS_WAIT_SLAVES=1", "REDIS_PASSWORD="+s.password)
	} else if !s.direct {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		r.master = newService(t, addr(r.masterPort))
		r.masterProxy, r.slaveProxy = newProxy(t, server, "master", r.master), newProxy(t, server, "slave", r.slaves)
		env = append(env, "REDIS_MASTER_ADDR="+r.masterProxy.Listen, "REDIS_SLAVE_ADDR="+r.slaveProxy.Listen)
	}
	for i := range r.pods {
		o.Dir, o.Ports, o.APIEnv = t.TempDir(), ports[i], slices.Clone(env)
		if s.cut {
			o.APIEnv = append(o.APIEnv, "REDIS_MASTER_ADDR="+r.ha.ProxyAddr(i)) // each pod has its own proxy, and only the first proxy reaches a Redis that is cut off
		}
		r.dirs[i] = o.Dir
		if i == 0 && s.masterDisk != "" {
			mount(t, filepath.Join(o.Dir, "master"), s.masterDisk)
		}
		r.pods[i] = podtest.New(t, o)
	}
	if r.ha == nil {
		r.startRedis()
	}
	var nginxs []string
	for _, pod := range r.pods[:max(s.pods, 1)] {
		podtest.Start(t, pod.API, pod.Nginx)
		nginxs = append(nginxs, addr(pod.Ports.Nginx))
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("the last words of the API at %s:\n%s", pod.APIURL(), pod.API.Tail())
			}
		})
	}
	r.frontend = newService(t, nginxs...)
	return r
}

// startRedis starts the master and the slaves, and waits until the slaves are in sync.
func (r *rig) startRedis() {
	r.Helper()
	podtest.Start(r, r.pods[0].Master)
	var slaves []string
	for _, pod := range r.pods[:max(r.setup.slaves, 1)] {
		podtest.Start(r, pod.Slave)
		podtest.Await(r, pod.Slave, pod.Synced)
		slaves = append(slaves, addr(pod.Ports.Slave))
	}
	r.slaves.to(slaves...)
	r.redis(r.masterPort, "SET", book, ",the first")
	// A slave receives writes only a moment after its first sync, so the test waits until each slave has received a write.
	for _, pod := range r.pods[:max(r.setup.slaves, 1)] {
		must.Hold(r, "the slave follows", waitLimit, func() bool { return r.book(pod.Ports.Slave, book) != "" })
	}
}

func newProxy(t *testing.T, server *toxiproxy.ApiServer, name string, to *service) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", to.addr())
	must.OK(t, proxy.Start())
	t.Cleanup(proxy.Stop)
	return proxy
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// toxic adds network faults to a proxy of toxiproxy, and removes them after the duration d. Toxiproxy calls a network fault a toxic.
func (r *rig) toxic(proxy *toxiproxy.Proxy, d time.Duration, toxics ...string) {
	r.Helper()
	for _, toxic := range toxics {
		must.Get(proxy.Toxics.AddToxicJson(strings.NewReader("{" + toxic + "}")))(r)
	}
	time.Sleep(d)
	proxy.Toxics.ResetToxics(context.Background())
}

func (r *rig) redis(port int, command string, args ...any) any {
	r.Helper()
	c := podtest.Dial(r, port, redis.DialPassword(r.setup.password))
	defer c.Close()
	return podtest.Do(r, c, command, args...)
}

type usage struct{ goroutines, files int }

func (r *rig) usage(pod *localpod.Pod) usage {
	r.Helper()
	figure := metrics(r, pod.APIURL())
	return usage{figure("go_goroutines"), figure("process_open_fds")}
}

// metrics reads the metrics that the server at the URL exports, and returns a function that looks up one of them by its name.
func metrics(t testing.TB, url string) func(name string) int {
	t.Helper()
	_, text := must.Fetch(t, url+"/metrics")
	return func(name string) int {
		t.Helper()
		return number(t, text, "\n"+name+" ")
	}
}

func (r *rig) info(port int, section, name string) int {
	r.Helper()
	return number(r, must.Get(redis.String(r.redis(port, "INFO", section), nil))(r), name+":")
}

func number(t testing.TB, text, name string) int {
	t.Helper()
	var n float64
	_, rest, _ := strings.Cut(text, name)
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("there is no %q: %v", name, err)
	}
	return int(n)
}

// book returns the value of a key from the Redis at this port.
func (r *rig) book(port int, key string) string {
	r.Helper()
	value, _ := redis.String(r.redis(port, "GET", key), nil)
	return value
}

// measureHiccups sleeps again and again for 5 ms, and records the longest delay of a sleep's end. A busy machine causes long delays.
func measureHiccups(t *testing.T) *atomic.Int64 {
	const nap = 5 * time.Millisecond
	var worst atomic.Int64
	go func() {
		for t.Context().Err() == nil {
			start := time.Now()
			time.Sleep(nap)
			worst.Store(max(worst.Load(), int64(time.Since(start)-nap)))
		}
	}()
	return &worst
}

// memoryLimits holds the names by which limits.Figure finds the memory limits of the API, nginx and the master.
var memoryLimits = []string{"frontend api resources limits memory", "frontend nginx resources limits memory", "master master resources limits memory"}

// peaks returns the peak memory of the API, nginx and the master, in MB. If both pods run, the larger value counts.
func (r *rig) peaks() []int64 {
	peaks := make([]int64, len(memoryLimits))
	for _, pod := range r.pods {
		for i, process := range []*localpod.Process{pod.API, pod.Nginx, pod.Master} {
			if process.Ended() != nil {
				peaks[i] = max(peaks[i], process.Usage().Peak>>20)
			}
		}
	}
	return peaks
}
