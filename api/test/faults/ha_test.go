//go:build faults

package faults

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// quoted is a password that settings must quote.
const quoted = "Pa ss\"\\w$o'rd"

// writesBack is for how long writes may be away while another Redis becomes the master.
const writesBack = 5 * time.Second

var haFaults = []fault{
	{
		name: "three Redis: the master's machine and its disk lost, empty after 5 s", bound: "no read fails; writes are back within 5 s",
		setup: setup{ha: true}, writes: unavailable, away: writesBack,
		inject: func(r *rig) {
			m := r.ha.lose(true)
			time.Sleep(scaled(5 * time.Second))
			podtest.Start(r, r.ha.Sentinels[m])
			podtest.Start(r, r.ha.Redis[m])
			r.ha.healthy()
		},
	},
	{
		name: "three Redis: the master killed, back at once with an empty disk", bound: "no read fails; writes are back within 5 s",
		setup: setup{ha: true, password: quoted}, writes: unavailable, away: writesBack,
		inject: func(r *rig) {
			m := r.ha.lose(false)
			podtest.Start(r, r.ha.Redis[m])
			r.ha.healthy()
		},
	},
	{
		name: "three Redis, three sentinels: all killed, and started together after 3 s", bound: "all is there, without a hand",
		setup: setup{ha: true}, reads: unavailable, writes: unavailable,
		inject: func(r *rig) {
			for i := range r.ha.Redis {
				podtest.Kill(r, r.ha.Redis[i])
				podtest.Kill(r, r.ha.Sentinels[i])
			}
			time.Sleep(scaled(3 * time.Second))
			if err := r.ha.StartAll(r.Context()); err != nil {
				r.Fatal(err)
			}
			r.ha.healthy()
		},
	},
	{
		name: "three Redis: a slave killed and its disk emptied; a sentinel killed", bound: "nothing fails",
		setup: setup{ha: true}, away: time.Second,
		inject: func(r *rig) {
			slave := (r.ha.Master() + 1) % 3
			podtest.Kill(r, r.ha.Redis[slave])
			r.ha.empty(slave)
			time.Sleep(scaled(3 * time.Second))
			podtest.Start(r, r.ha.Redis[slave])
			r.ha.healthy()
			podtest.Kill(r, r.ha.Sentinels[slave])
			time.Sleep(scaled(3 * time.Second))
			podtest.Start(r, r.ha.Sentinels[slave])
			r.ha.healthy()
		},
	},
	{
		name: "three Redis, two proxies: one proxy killed, back after 5 s", bound: "no read fails; what is in flight gets 503, and a repeat is safe",
		setup: setup{ha: true}, writes: unavailable, away: 2 * time.Second,
		inject: func(r *rig) {
			podtest.Kill(r, r.ha.Proxies[0])
			time.Sleep(time.Second) // until the Service leaves it out
			r.ha.proxies.to(r.ha.ProxyAddr(1))
			time.Sleep(scaled(4 * time.Second))
			podtest.Start(r, r.ha.Proxies[0])
			r.ha.proxies.to(r.ha.ProxyAddr(0), r.ha.ProxyAddr(1))
		},
	},
	{
		name: "three Redis: restarted one after the other, as an upgrade does", bound: "nothing fails; writes are away for 5 s in all",
		setup: setup{ha: true, password: quoted}, away: writesBack, awayInAll: true,
		inject: func(r *rig) {
			for i := 2; i >= 0; i-- {
				r.ha.restart(i)
			}
		},
	},
	{
		name: "three Redis: one of them started anew with another password, for 5 s", bound: "nothing fails; it says that the others do not take the password",
		setup: setup{ha: true, password: quoted}, away: time.Second,
		inject: func(r *rig) {
			slave := (r.ha.Master() + 1) % 3
			r.ha.stop(slave)
			for _, p := range []*localpod.Process{r.ha.Sentinels[slave], r.ha.Redis[slave]} {
				p.Setenv(passwords("another")...)
				ctx, cancel := context.WithTimeout(r.Context(), 5*time.Second)
				if p.Start(ctx) == nil {
					r.Errorf("%s takes the password of the others", p.Name())
				}
				cancel()
			}
			if said := r.ha.Redis[slave].Tail(); !strings.Contains(said, "other sentinels do not take this one's password") {
				r.Errorf("it says %q", said)
			}
			r.ha.stop(slave)
			r.ha.start(slave, passwords(quoted)...)
		},
	},
	{
		name: "three Redis: another password for all, in the order of docs/high-availability.md", bound: "no read fails; what is in flight in a proxy that ends gets 503",
		setup: setup{ha: true, password: quoted, pods: 2}, writes: unavailable, away: writesBack, measured: 1, keeps: keptByNginx,
		inject: func(r *rig) {
			const password = `n"e\w $1`
			if err := r.ha.Run(r.Context(), 1, "take-password.sh", password); err != nil {
				r.Fatal(err)
			}
			for i, pod := range r.pods {
				r.frontend.to(addr(r.pods[1-i].Ports.Nginx))
				for _, p := range []*localpod.Process{pod.Nginx, pod.API} {
					if err := p.Stop(); err != nil {
						r.Fatal(err)
					}
				}
				pod.API.Setenv(passwords(password)...)
				podtest.Start(r, pod.API)
				podtest.Start(r, pod.Nginx)
			}
			r.frontend.to(addr(r.pods[0].Ports.Nginx), addr(r.pods[1].Ports.Nginx))
			for i, proxy := range r.ha.Proxies {
				r.ha.proxies.to(r.ha.ProxyAddr(1 - i))
				if err := proxy.Stop(); err != nil {
					r.Fatal(err)
				}
				proxy.Setenv(passwords(password)...)
				podtest.Start(r, proxy)
				time.Sleep(time.Second) // until it has found the master
			}
			r.ha.proxies.to(r.ha.ProxyAddr(0), r.ha.ProxyAddr(1))
			r.ha.SetPassword(password)
			for i := 2; i >= 0; i-- {
				r.ha.restart(i, passwords(password)...)
			}
			if c, err := redis.Dial("tcp", r.ha.Addr(0), redis.DialPassword(quoted)); err == nil {
				c.Close()
				r.Error("the old password is taken still")
			}
		},
	},
	{
		name: "three Redis: 20 failovers in a row, each time the disk is lost", bound: "no read fails; writes are back within 5 s, each time",
		setup: setup{ha: true}, writes: unavailable, away: writesBack,
		inject: func(r *rig) {
			n := max(4, int(scaled(20*time.Second)/time.Second))
			for range n {
				m := r.ha.lose(false)
				podtest.Start(r, r.ha.Redis[m])
				r.ha.healthy()
			}
			r.addNote("%d of them", n)
		},
	},
	{
		name: "three Redis: the master stopped (SIGSTOP) for 15 s", bound: "no read fails; writes are back within 5 s; it comes back as a slave",
		setup: setup{ha: true}, writes: unavailable, away: writesBack,
		inject: func(r *rig) {
			m := r.ha.Master()
			r.ha.signal(m, syscall.SIGSTOP)
			time.Sleep(max(scaled(15*time.Second), 6*time.Second)) // another must have become the master
			r.ha.signal(m, syscall.SIGCONT)
			r.ha.healthy()
			if r.ha.Master() == m {
				r.Error("it is the master still")
			}
		},
	},
	{
		name: "three Redis: the master cut off from the others, but not from one proxy and one pod, for 15 s", bound: "no read fails; writes are back within 5 s; it comes back as a slave",
		// Until the master notices that it has no slaves, those beside it read what it alone has.
		setup: setup{ha: true, cut: true, pods: 2}, writes: unavailable, away: writesBack, rollback: true,
		inject: func(r *rig) {
			m := r.ha.Master()
			r.ha.cutOff(m)
			time.Sleep(max(scaled(15*time.Second), 6*time.Second))
			r.ha.heal()
			r.ha.healthy()
			if r.ha.Master() == m {
				r.Error("it is the master still")
			}
		},
	},
	{
		name: "three Redis: the three sentinels stopped for 3 s, then the master and its sentinel killed for good", bound: "no read fails; writes are back within 40 s",
		setup: setup{ha: true}, writes: unavailable, away: 40 * time.Second,
		inject: func(r *rig) {
			r.ha.pauseSentinels(3 * time.Second)
			r.ha.lose(true)
			r.ha.await("writes", func() error { return r.ha.write() })
		},
	},
	{
		name: "three Redis: the three sentinels stopped again and again, while the master and its sentinel are killed for good", bound: "no read fails; writes are back within 40 s after that",
		setup: setup{ha: true}, writes: unavailable,
		inject: func(r *rig) {
			r.ha.pauseSentinels(3 * time.Second)
			r.ha.lose(true)
			for range 3 { // until the slaves have lost the master for longer than 15 s
				time.Sleep(4 * time.Second)
				r.ha.pauseSentinels(3 * time.Second)
			}
			start := time.Now()
			r.ha.await("writes", func() error { return r.ha.write() })
			took := time.Since(start)
			r.addNote("writes were back %.1f s after the last pause", took.Seconds())
			if took > 40*time.Second {
				r.slow("writes were back after %s", took)
			}
		},
	},
	{
		name: "three Redis: two of them, the master and a slave, dead for 10 s", bound: "reads go on; writes are refused in time; back by themselves with the first that returns",
		setup: setup{ha: true}, writes: unavailable,
		inject: func(r *rig) {
			m := r.ha.lose(false)
			s := (m + 1) % 3
			podtest.Kill(r, r.ha.Redis[s])
			podtest.Kill(r, r.ha.Sentinels[s])
			podtest.Kill(r, r.ha.Sentinels[m])
			time.Sleep(scaled(10 * time.Second))
			podtest.Start(r, r.ha.Sentinels[s])
			podtest.Start(r, r.ha.Redis[s])
			r.ha.await("a master with a slave", func() error {
				if r.ha.Master() < 0 {
					return errors.New("none")
				}
				return nil
			})
			r.ha.await("writes", func() error { return r.ha.write() })
			r.ended = time.Now()
			podtest.Start(r, r.ha.Sentinels[m])
			podtest.Start(r, r.ha.Redis[m])
			r.ha.healthy()
		},
	},
}

// handOver restarts the master in order, three times, with the programs that k8s/ha/ has.
func handOver(name, programs string) fault {
	return fault{
		name: "three Redis: planned hand-over, three times (" + name + ")", bound: "nothing fails",
		setup: setup{ha: true, password: quoted, programs: programs}, away: 2 * time.Second,
		inject: func(r *rig) {
			for range 3 {
				m := r.ha.Master()
				r.ha.restart(m)
				if r.ha.Master() == m {
					r.Error("it is the master still")
				}
			}
		},
	}
}

// ha is a localpod.HA with what Kubernetes does for it: the Services in front of it, and readiness.
type ha struct {
	*localpod.HA
	r        *rig
	password string
	proxies  *service // the Service redis-master
	pods     int      // that know where the master is
	cuttable

	done    chan struct{}
	running sync.WaitGroup
}

func newHA(r *rig, s setup) *ha {
	r.Helper()
	h := &ha{r: r, password: s.password, done: make(chan struct{})}
	o := localpod.HAOptions{
		Dir: r.TempDir(), Net: fmt.Sprintf("127.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250)), Port: 10_000 + rand.IntN(20_000), Programs: s.programs,
		Password: s.password, Output: func(string) io.Writer { return io.Discard },
	}
	if s.cut {
		h.port, h.net = o.Port, o.Net
		o.Relay = h.relay(r)
		o.Edit = func(text string) string {
			// Connections come from the address of who makes them, so that the relays can tell.
			text = strings.Replace(text, "\nport $PORT\n", "\nport $PORT\nbind-source-addr $BIND\n", 1)
			text = strings.Replace(text, "\nport $SENTINEL_PORT\n", "\nport $SENTINEL_PORT\nbind-source-addr $BIND\n", 1)
			return strings.Replace(text, "default-server ", "default-server source ${LISTEN} ", 1)
		}
	}
	var err error
	if h.HA, err = localpod.NewHA(o); err != nil {
		r.Fatal(err)
	}
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
		if err := h.Stop(); err != nil {
			r.Error(err)
		}
	})
	ctx, cancel := context.WithTimeout(r.Context(), time.Minute)
	defer cancel()
	if err := h.Start(ctx); err != nil {
		r.Fatal(err)
	}
	h.do("SET", book, ",the first")
	h.proxies = newService(r.T, h.ProxyAddr(0), h.ProxyAddr(1))
	h.watchReadiness()
	return h
}

// masterAddr says where a pod finds the master: where ways can be cut, each pod has a proxy of its own.
func (h *ha) masterAddr(string) (string, error) {
	if h.port == 0 {
		return h.proxies.addr(), nil
	}
	h.pods++
	return h.ProxyAddr(h.pods - 1), nil
}

// watchReadiness sends those who read to the Redis that are ready, as the kubelet and the Service do.
func (h *ha) watchReadiness() {
	var mu sync.Mutex
	ready := [3]bool{}
	update := func(i int, is bool) {
		mu.Lock()
		defer mu.Unlock()
		ready[i] = is
		var backends []string
		for i := range ready {
			if ready[i] {
				backends = append(backends, h.Addr(i))
			}
		}
		h.r.slaves.to(backends...)
	}
	probe := func(i int) bool {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		return h.Run(ctx, i, "ready.sh") == nil
	}
	for i := range h.Redis {
		update(i, probe(i))
		h.running.Go(func() {
			for failed := 0; ; {
				select {
				case <-h.done:
					return
				case <-time.After(2 * time.Second): // as in the manifest, and so is what follows
				}
				if probe(i) {
					failed = 0
					update(i, true)
				} else if failed++; failed >= 2 {
					update(i, false)
				}
			}
		})
	}
	h.r.Cleanup(func() {
		close(h.done)
		h.running.Wait()
	})
}

// lose kills the master and empties its disk; with its machine, the sentinel there is killed, too.
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

// restart restarts one of the three and its sentinel in order, as the replacement of its pod does.
func (h *ha) restart(i int, env ...string) {
	h.r.Helper()
	if err := h.Run(h.r.Context(), i, "leave.sh"); err != nil {
		h.r.Fatal(err)
	}
	h.stop(i)
	h.start(i, env...)
}

func (h *ha) stop(i int) {
	h.r.Helper()
	for _, p := range []*localpod.Process{h.Redis[i], h.Sentinels[i]} {
		if err := p.Stop(); err != nil {
			h.r.Fatal(err)
		}
	}
}

func (h *ha) start(i int, env ...string) {
	h.r.Helper()
	for _, p := range []*localpod.Process{h.Sentinels[i], h.Redis[i]} {
		p.Setenv(env...)
		podtest.Start(h.r, p)
	}
	h.healthy()
}

// passwords are the variables that hold a password.
func passwords(password string) []string {
	return []string{"REDIS_PASSWORD=" + password, "REDISCLI_AUTH=" + password}
}

// pauseSentinels stops those that run, as a pause of their machines does.
func (h *ha) pauseSentinels(d time.Duration) {
	h.r.Helper()
	for _, s := range []syscall.Signal{syscall.SIGSTOP, syscall.SIGCONT} {
		for _, p := range h.Sentinels {
			select {
			case <-p.Ended():
			default:
				if err := p.Signal(s); err != nil {
					h.r.Fatal(err)
				}
			}
		}
		if s == syscall.SIGSTOP {
			time.Sleep(d)
		}
	}
}

// empty empties the disk of one of the three.
func (h *ha) empty(i int) {
	h.r.Helper()
	files, err := filepath.Glob(filepath.Join(h.Disk(i), "*"))
	for _, file := range files {
		err = errors.Join(err, os.RemoveAll(file))
	}
	if err != nil {
		h.r.Fatal(err)
	}
}

func (h *ha) signal(i int, s syscall.Signal) {
	h.r.Helper()
	if err := h.Redis[i].Signal(s); err != nil {
		h.r.Fatal(err)
	}
}

func (h *ha) healthy() {
	h.r.Helper()
	h.await("all three in order", func() error { return h.Healthy(context.Background()) })
}

func (h *ha) await(what string, condition func() error) {
	h.r.Helper()
	for until := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			h.r.Fatalf("still not: %s: %v", what, err)
		}
	}
}

// do runs a command on the master.
func (h *ha) do(command string, args ...any) any {
	h.r.Helper()
	c, err := h.Dial(h.Addr(h.Master()), 10*time.Second)
	if err != nil {
		h.r.Fatal(err)
	}
	defer c.Close()
	return podtest.Do(h.r, c, command, args...)
}

// write says whether writes succeed, by one that changes nothing.
func (h *ha) write() error {
	c, err := h.Dial(h.ProxyAddr(1), time.Second)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do("APPEND", book, "")
	return err
}

// stored is what the master holds.
func (r *rig) stored(key string) string {
	r.Helper()
	if r.ha == nil {
		return r.book(r.masterPort, key)
	}
	value, _ := redis.String(r.ha.do("GET", key), nil)
	return value
}

// checkAway notes for how long writes were away, and whether that was too long.
func (r *rig) checkAway(f fault) {
	const unnoticed = 300 * time.Millisecond
	ends := []time.Time{r.started}
	for _, q := range r.load.requests {
		if end := q.Start.Add(q.Took); (q.What == "post" || q.What == "set") && q.Err == nil && q.Status < 300 && end.After(r.started) {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	var longest, sum time.Duration
	for i := range ends[1:] {
		gap := ends[i+1].Sub(ends[i])
		longest = max(longest, gap)
		if gap > unnoticed {
			sum += gap
		}
	}
	r.addNote("writes were away for %.1f s at most, %.1f s in all", longest.Seconds(), sum.Seconds())
	if away := map[bool]time.Duration{false: longest, true: sum}[f.awayInAll]; away > f.away {
		r.slow("writes were away for %s; at most %s are allowed", away, f.away)
	}
}

// cuttable are relays through which the three, and the proxies, reach each other, until one of the three is cut off.
type cuttable struct {
	port int
	net  string

	mu      sync.Mutex
	off     int // counted from 1; 0: none
	changed *sync.Cond
	conns   map[net.Conn]bool
}

// relay makes the relays of one of the three: to its Redis and to its sentinel.
func (c *cuttable) relay(r *rig) func(addr string) (string, error) {
	c.changed = sync.NewCond(&c.mu)
	c.conns = map[net.Conn]bool{}
	n := 0
	r.Cleanup(c.close)
	return func(host string) (string, error) {
		n++
		node := n
		relay := fmt.Sprintf("%s.%d", c.net, 20+n)
		for _, port := range []int{c.port, c.port + 1} {
			listener, err := net.Listen("tcp", fmt.Sprintf("%s:%d", relay, port))
			if err != nil {
				return "", err
			}
			r.Cleanup(func() { listener.Close() })
			go func() {
				for {
					from, err := listener.Accept()
					if err != nil {
						return
					}
					go c.forward(from, node, fmt.Sprintf("%s:%d", host, port))
				}
			}()
		}
		return relay, nil
	}
}

// wait returns as soon as what comes from an address may reach the node; false at the end of the test.
func (c *cuttable) wait(source string, node int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.conns != nil && c.blocked(source, node) {
		c.changed.Wait()
	}
	return c.conns != nil
}

// blocked: nobody but the first proxy, its pod and the test reaches the one that is cut off, and that one reaches nobody.
func (c *cuttable) blocked(source string, node int) bool {
	last, inside := strings.CutPrefix(source, c.net+".")
	switch {
	case c.off == 0 || !inside || last == "11":
		return false
	case node == c.off:
		return last != fmt.Sprint(c.off)
	}
	return last == fmt.Sprint(c.off)
}

func (c *cuttable) forward(from net.Conn, node int, addr string) {
	defer from.Close()
	source, _, _ := net.SplitHostPort(from.RemoteAddr().String())
	if !c.wait(source, node) {
		return
	}
	to, err := net.Dial("tcp", addr)
	if err != nil {
		reset(from)
		return
	}
	defer to.Close()
	c.mu.Lock()
	if c.conns == nil {
		c.mu.Unlock()
		return
	}
	c.conns[from], c.conns[to] = true, true
	c.mu.Unlock()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() {
			defer func() { ended <- struct{}{} }()
			b := make([]byte, 64<<10)
			for {
				n, err := way[0].Read(b)
				if !c.wait(source, node) || n == 0 && err != nil {
					return
				}
				if _, writeErr := way[1].Write(b[:n]); writeErr != nil || err != nil {
					return
				}
			}
		}()
	}
	<-ended
	from.Close()
	to.Close()
	<-ended
	c.mu.Lock()
	delete(c.conns, from)
	delete(c.conns, to)
	c.mu.Unlock()
}

// cutOff swallows what goes between one of the three and the others.
func (c *cuttable) cutOff(i int) { c.set(i + 1) }
func (c *cuttable) heal()        { c.set(0) }

func (c *cuttable) set(off int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
	c.changed.Broadcast()
}

func (c *cuttable) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for conn := range c.conns {
		conn.Close()
	}
	c.conns = nil
	c.changed.Broadcast()
}

// HAProxy takes memory for as many connections as it may open files, unless maxconn says how many there will be. The proxies have
// room for all connections of the frontend.
func TestFaultsProxyConnections(t *testing.T) {
	h, err := localpod.NewHA(localpod.HAOptions{Dir: t.TempDir(), Net: fmt.Sprintf("127.%d.%d", 1+rand.IntN(250), 1+rand.IntN(250)), Port: 10_000 + rand.IntN(20_000),
		Output: func(string) io.Writer { return io.Discard }})
	if err != nil {
		t.Fatal(err)
	}
	podtest.Start(t, h.Proxies[0])
	defer func() {
		if err := h.Proxies[0].Stop(); err != nil {
			t.Error(err)
		}
	}()
	host, _, _ := net.SplitHostPort(h.ProxyAddr(0))
	response, err := (&http.Client{Timeout: 10 * time.Second}).Get("http://" + host + ":8404/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	metrics, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	figure := func(name string) (n int) {
		_, rest, _ := strings.Cut(string(metrics), "\nhaproxy_process_"+name+" ")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Fatalf("no metric %s: %v", name, err)
		}
		return n
	}
	var files syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files); err != nil {
		t.Fatal(err)
	}
	if fds := figure("max_fds"); fds > 5000 || uint64(fds) >= files.Max {
		t.Errorf("it makes room for %d files, of the %d that it may open", fds, files.Max)
	}
	if connections := figure("max_connections"); connections < int(limit(t, "scaler maxReplicas")*limit(t, "settings.PoolSize")) {
		t.Errorf("it takes only %d connections", connections)
	}
}
