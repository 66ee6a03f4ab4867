//go:build faults

package faults

import (
	"context"
	"fmt"
	"path/filepath"
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

// setup is how a rig differs from one pod with one slave, with Redis behind proxies.
type setup struct {
	pods, slaves int  // of 2
	direct       bool // the API reaches Redis without proxies: its connections can be counted
	masterArgs   []string
	apiEnv       []string
	apiBinary    string // in place of this repository's
	notReady     bool   // the API will not be ready
	programs     string // a folder with another redis-server than that of PATH
	masterDisk   string // size of the master's disk, such as 1m; "" for no disk of its own
	clock        bool   // the API's clock can be set
	ha           bool   // three Redis and what k8s/ha/ has besides, in place of master and slaves
	cut          bool   // and the ways between them can be cut
	password     string // of those
	cannotHide   bool   // the operator's commands, which ask the master's address only, do not reach the master
}

// rig is the system under a fault:
//
//	visitors ──► frontend ──► nginx ──► API ──► toxiproxy ──► master, slaves ──► Redis
//
// frontend, master and slaves are services.
type rig struct {
	*testing.T
	setup                   setup
	pods                    [2]*localpod.Pod // the second runs as far as the setup says, on the first one's master
	frontend                *service
	master, slaves          *service
	masterProxy, slaveProxy *toxiproxy.Proxy
	masterPort              int       // of the Redis that is the master now
	dirs                    [2]string // of the pods
	ha                      *ha
	clock                   string // the file that sets the API's clock back once it is there

	load           *load
	started, ended time.Time // the fault
	notes          []string  // for the table
	slower         []string  // the bounds of time that were exceeded
}

func (r *rig) slow(format string, args ...any) {
	r.slower = append(r.slower, fmt.Sprintf(format, args...))
}

func (r *rig) addNote(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{T: t, setup: s, slaves: newService(t)}
	o := localpod.Options{MasterArgs: s.masterArgs, Programs: s.programs, APIBinary: s.apiBinary}
	o.APIEnv = append([]string{fmt.Sprint("GOMEMLIMIT=", limits.Figure(t, "GOMEMLIMIT"))}, s.apiEnv...)
	if s.clock {
		o.APIBinary = buildWithClock(t)
		r.clock = filepath.Join(t.TempDir(), "back")
		o.APIEnv = append(o.APIEnv, "CLOCK_BACK="+r.clock)
	}
	if s.ha {
		r.ha = newHA(r, s)
		o.MasterProxy = r.ha.masterAddr
		o.SlaveProxy = func(string) (string, error) { return r.slaves.addr(), nil }
		o.APIEnv = append(o.APIEnv, "REDIS_WAIT_SLAVES=1", "REDIS_PASSWORD="+s.password)
	} else if !s.direct {
		server := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
		o.SlaveProxy = func(string) (string, error) {
			if r.slaveProxy == nil {
				r.slaveProxy = newProxy(t, server, "slave", r.slaves)
			}
			return r.slaveProxy.Listen, nil
		}
		o.MasterProxy = func(addr string) (string, error) {
			if r.masterProxy == nil {
				r.master = newService(t, addr)
				r.masterProxy = newProxy(t, server, "master", r.master)
			}
			return r.masterProxy.Listen, nil
		}
	}
	for i := range r.pods {
		r.dirs[i] = t.TempDir()
		o.Dir = r.dirs[i]
		o.Ports = podtest.FreePorts(t)
		if i == 0 {
			r.masterPort = o.Ports.Master
			if s.masterDisk != "" {
				mount(t, filepath.Join(o.Dir, "master"), s.masterDisk)
			}
		}
		o.Ports.Master = r.masterPort
		r.pods[i] = podtest.New(t, o)
	}
	if r.ha == nil {
		r.startRedis(s)
	}
	var nginxs []string
	for _, pod := range r.pods[:max(s.pods, 1)] {
		if s.notReady {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			if err := pod.API.Start(ctx); err == nil {
				t.Error("the API is ready")
			}
			cancel()
		} else {
			podtest.Start(t, pod.API)
		}
		podtest.Start(t, pod.Nginx)
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

// startRedis starts master and slaves, and waits until the slaves are in sync.
func (r *rig) startRedis(s setup) {
	r.Helper()
	podtest.Start(r, r.pods[0].Master)
	var slaves []string
	for _, pod := range r.pods[:max(s.slaves, 1)] {
		podtest.Start(r, pod.Slave)
		podtest.Await(r, pod.Slave, pod.Synced)
		slaves = append(slaves, addr(pod.Ports.Slave))
	}
	r.slaves.to(slaves...)
	r.redis(r.masterPort, "SET", book, ",the first")
	// A slave does not follow at once after its first sync.
	for _, pod := range r.pods[:max(s.slaves, 1)] {
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

// toxic adds toxiproxy's toxics, as JSON, to a proxy for some time.
func (r *rig) toxic(proxy *toxiproxy.Proxy, d time.Duration, toxics ...string) {
	r.Helper()
	for i, toxic := range toxics {
		toxic = fmt.Sprintf(`{"name": "bad%d", %s}`, i, toxic)
		must.Get(proxy.Toxics.AddToxicJson(strings.NewReader(toxic)))(r)
	}
	time.Sleep(d)
	for i := range toxics {
		must.OK(r, proxy.Toxics.RemoveToxic(context.Background(), fmt.Sprintf("bad%d", i)))
	}
}

// redis runs a command on the Redis at a port.
func (r *rig) redis(port int, command string, args ...any) any {
	r.Helper()
	c := podtest.Dial(r, port)
	defer c.Close()
	return podtest.Do(r, c, command, args...)
}

// usage is what an API holds.
type usage struct{ goroutines, files, memory int } // memory in bytes

func (r *rig) usage(pod *localpod.Pod) usage {
	r.Helper()
	figure := metrics(r, pod.APIURL())
	return usage{figure("go_goroutines"), figure("process_open_fds"), figure("process_resident_memory_bytes")}
}

// metrics returns a function that returns the metrics of a server by name.
func metrics(t testing.TB, url string) func(name string) int {
	t.Helper()
	_, text := must.Fetch(t, url+"/metrics")
	return func(name string) int {
		t.Helper()
		return number(t, text, "\n"+name+" ")
	}
}

// info returns a number of the INFO of the Redis at a port.
func (r *rig) info(port int, section, name string) int {
	r.Helper()
	return number(r, must.Get(redis.String(r.redis(port, "INFO", section), nil))(r), name+":")
}

// number returns the number after a name in a text.
func number(t testing.TB, text, name string) int {
	t.Helper()
	var n float64
	_, rest, _ := strings.Cut(text, name)
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatalf("there is no %q: %v", name, err)
	}
	return int(n)
}

// book returns what the Redis at a port holds.
func (r *rig) book(port int, key string) string {
	r.Helper()
	c := podtest.Dial(r, port)
	defer c.Close()
	if value := podtest.Do(r, c, "GET", key); value != nil {
		return string(value.([]byte))
	}
	return ""
}

// stored returns what the master holds.
func (r *rig) stored(key string) string {
	r.Helper()
	if r.ha == nil {
		return r.book(r.masterPort, key)
	}
	value, _ := redis.String(r.ha.do("GET", key), nil)
	return value
}

// measureHiccups measures the longest time, in nanoseconds, by which this machine lets a sleeper oversleep: the machine adds it to
// every measured time.
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

// measuredMemory are the processes whose memory is measured, and the figures of their limits.
var measuredMemory = []struct {
	name, limit string
	process     func(*localpod.Pod) *localpod.Process
}{
	{"API", "frontend api resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.API }},
	{"nginx", "frontend nginx resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.Nginx }},
	{"master", "master master resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.Master }},
}

// peaks returns the most memory of each measured process, in either pod, since its last start.
func (r *rig) peaks() (peaks []int64) {
	for _, m := range measuredMemory {
		var peak int64
		for _, pod := range r.pods {
			if process := m.process(pod); process.Ended() != nil {
				peak = max(peak, process.Usage().Peak)
			}
		}
		peaks = append(peaks, peak)
	}
	return peaks
}
