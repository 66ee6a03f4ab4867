//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/gomodule/redigo/redis"
	"github.com/rs/zerolog"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// setup says how a rig differs from one pod with one slave, Redis behind proxies.
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
}

// rig is what a fault happens to:
//
//	visitors ──► frontend ──► nginx ──► API ──► toxiproxy ──► master, slaves ──► Redis
//
// where frontend, master and slaves are services.
type rig struct {
	*testing.T
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
	notes          []string  // what is worth telling besides
	slower         []string  // what took too long
}

func (r *rig) slow(format string, args ...any) {
	r.slower = append(r.slower, fmt.Sprintf(format, args...))
}

func (r *rig) addNote(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

func newRig(t *testing.T, s setup) *rig {
	t.Helper()
	r := &rig{T: t, slaves: newService(t)}
	o := localpod.Options{MasterArgs: s.masterArgs, Programs: s.programs, APIBinary: s.apiBinary}
	// As in the manifest.
	o.APIEnv = append([]string{fmt.Sprint("GOMEMLIMIT=", limit(t, "GOMEMLIMIT"))}, s.apiEnv...)
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

// startRedis starts master and slaves, and waits until these are in sync.
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
	// For up to a second after its first sync, a slave does not get what is new.
	for _, pod := range r.pods[:max(s.slaves, 1)] {
		podtest.Await(r, pod.Slave, func(context.Context) error {
			if r.book(pod.Ports.Slave, book) == "" {
				return errors.New("a slave is behind")
			}
			return nil
		})
	}
}

func newProxy(t *testing.T, server *toxiproxy.ApiServer, name string, to *service) *toxiproxy.Proxy {
	t.Helper()
	proxy := toxiproxy.NewProxy(server, name, "127.0.0.1:0", to.addr())
	if err := proxy.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Stop)
	return proxy
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// toxic makes the way through a proxy bad for some time: each is what toxiproxy calls a toxic, as JSON.
func (r *rig) toxic(proxy *toxiproxy.Proxy, d time.Duration, toxics ...string) {
	r.Helper()
	for i, toxic := range toxics {
		toxic = fmt.Sprintf(`{"name": "bad%d", %s}`, i, toxic)
		if _, err := proxy.Toxics.AddToxicJson(strings.NewReader(toxic)); err != nil {
			r.Fatal(err)
		}
	}
	time.Sleep(d)
	for i := range toxics {
		if err := proxy.Toxics.RemoveToxic(context.Background(), fmt.Sprintf("bad%d", i)); err != nil {
			r.Fatal(err)
		}
	}
}

// redis runs a command on the Redis at a port.
func (r *rig) redis(port int, command string, args ...any) any {
	r.Helper()
	c := podtest.Dial(r, port)
	defer c.Close()
	return podtest.Do(r, c, command, args...)
}

// usage is what a process holds.
type usage struct{ goroutines, files, memory int } // memory in bytes

// usage asks an API what it holds.
func (r *rig) usage(pod *localpod.Pod) usage {
	r.Helper()
	u, err := usageOf(pod)
	if err != nil {
		r.Fatal(err)
	}
	return u
}

// metricsOf asks an API for its metrics.
func metricsOf(pod *localpod.Pod) (string, error) {
	response, err := (&http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}).Get(pod.APIURL() + "/metrics")
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}

func usageOf(pod *localpod.Pod) (u usage, err error) {
	metrics, err := metricsOf(pod)
	if err != nil {
		return u, err
	}
	for name, value := range map[string]*int{"go_goroutines": &u.goroutines, "process_open_fds": &u.files, "process_resident_memory_bytes": &u.memory} {
		_, rest, ok := strings.Cut(metrics, "\n"+name+" ")
		if !ok {
			return u, errors.New("no metric " + name)
		}
		number, _, _ := strings.Cut(rest, "\n")
		f, err := strconv.ParseFloat(number, 64)
		if err != nil {
			return u, err
		}
		*value = int(f)
	}
	return u, nil
}

// book is what the Redis at a port holds.
func (r *rig) book(port int, key string) string {
	r.Helper()
	c := podtest.Dial(r, port)
	defer c.Close()
	value, err := redis.String(c.Do("GET", key))
	if err != nil && !errors.Is(err, redis.ErrNil) {
		r.Fatal(err)
	}
	return value
}

// hiccup measures the longest time by which this machine lets a sleeper oversleep: what it adds to every time that
// is measured on it.
type hiccup struct {
	stop, ended chan struct{}
	worst       chan time.Duration
}

func newHiccup() *hiccup {
	h := &hiccup{make(chan struct{}), make(chan struct{}), make(chan time.Duration)}
	go func() {
		defer close(h.ended)
		var worst time.Duration
		for {
			const nap = 5 * time.Millisecond
			start := time.Now()
			select {
			case <-h.stop:
				h.worst <- worst
				return
			case <-time.After(nap):
				worst = max(worst, time.Since(start)-nap)
			}
		}
	}()
	return h
}

// end gives the worst hiccup, 0 if it was ended before.
func (h *hiccup) end() time.Duration {
	select {
	case h.stop <- struct{}{}:
		return <-h.worst
	case <-h.ended:
		return 0
	}
}

// measuredMemory are the processes whose memory is measured, and where their limits are.
var measuredMemory = []struct {
	name, limit string
	process     func(*localpod.Pod) *localpod.Process
}{
	{"API", "frontend api resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.API }},
	{"nginx", "frontend nginx resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.Nginx }},
	{"master", "master master resources limits memory", func(p *localpod.Pod) *localpod.Process { return p.Master }},
}

// limit is a figure of the guestbook.
func limit(t *testing.T, name string) int64 {
	t.Helper()
	figures, err := limits.Read(nil)
	if err != nil || figures[name] == 0 {
		t.Fatalf("no limit %q: %v", name, err)
	}
	return figures[name]
}

// peaks are the most memory that one of the measured processes took since it was started last, in either pod.
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
