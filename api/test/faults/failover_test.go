//go:build faults

package faults

import (
	"context"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// quoted is a password with characters that need quotes in the settings of Redis, sentinel and HAProxy.
const quoted = "Pa ss\"\\w$o'rd"

// writesBack is how long writes may fail while the sentinels promote a slave.
const writesBack = 5 * time.Second

var haFaults = []fault{
	{name: "three Redis: the master's machine and its disk lost, empty after 5 s", bound: "no read fails; writes are back within 5 s",
		setup: setup{ha: true}, writes: unavailable, away: writesBack, inject: func(r *rig) {
			m := r.ha.lose()
			podtest.Kill(r, r.ha.Sentinels[m])
			time.Sleep(scaled(5 * time.Second))
			r.ha.start(m)
		}},
	{name: "three Redis: the master killed, back at once with an empty disk", bound: "no read fails; writes are back within 5 s, each time",
		setup: setup{ha: true, password: quoted}, writes: unavailable, away: writesBack, inject: func(r *rig) {
			n := 0
			for start := time.Now(); time.Since(start) < scaled(time.Minute); n++ {
				podtest.Start(r, r.ha.Redis[r.ha.lose()])
				r.ha.healthy()
			}
			r.addNote("%d times", n)
		}},
	{name: "three Redis, three sentinels: all killed, and started together after 3 s", bound: "all is there, without a hand",
		setup: setup{ha: true}, reads: unavailable, writes: unavailable, inject: func(r *rig) {
			for i := range r.ha.Redis {
				podtest.Kill(r, r.ha.Redis[i], r.ha.Sentinels[i])
			}
			time.Sleep(scaled(3 * time.Second))
			must.OK(r, r.ha.StartAll(r.Context()))
			r.ha.healthy()
		}},
	{name: "three Redis: a slave killed and its disk emptied; a sentinel killed", bound: "nothing fails",
		setup: setup{ha: true}, away: time.Second, inject: func(r *rig) {
			slave := (r.ha.Master() + 1) % 3
			podtest.Kill(r, r.ha.Redis[slave], r.ha.Sentinels[slave])
			r.ha.empty(slave)
			time.Sleep(scaled(6 * time.Second))
			r.ha.start(slave)
		}},
	{name: "three Redis, two proxies: one proxy killed, back after 5 s", bound: "no read fails; what is in flight gets 503, and a repeat is safe",
		setup: setup{ha: true}, writes: unavailable, away: 2 * time.Second, inject: func(r *rig) {
			// HAProxy must accept the connections of all frontend pods, but only 5,000 files, because HAProxy reserves memory for each.
			host, _, _ := net.SplitHostPort(r.ha.ProxyAddr(0))
			figure, most := metrics(r, "http://"+host+":8404"), limits.Figure(r, "scaler maxReplicas")*limits.Figure(r, "settings.PoolSize")
			if n, fds := figure("haproxy_process_max_connections"), figure("haproxy_process_max_fds"); int64(n) < most || fds > 5000 {
				r.Errorf("HAProxy accepts %d connections, and makes room for %d files", n, fds)
			}
			podtest.Kill(r, r.ha.Proxies[0])
			time.Sleep(time.Second) // a Service of Kubernetes would still send connections to the dead proxy for a second
			r.ha.proxies.to(r.ha.ProxyAddr(1))
			time.Sleep(scaled(4 * time.Second))
			podtest.Start(r, r.ha.Proxies[0])
			r.ha.proxies.to(r.ha.ProxyAddr(0), r.ha.ProxyAddr(1))
		}},
	{name: "three Redis: restarted one after the other, as an upgrade does", bound: "nothing fails; writes are away for 5 s in all",
		setup: setup{ha: true, password: quoted}, away: writesBack, awayInAll: true, inject: func(r *rig) {
			for i := 2; i >= 0; i-- {
				r.ha.restart(i)
			}
		}},
	{name: "three Redis: one of them started anew with another password, for 5 s", bound: "nothing fails; it says that the others do not take the password",
		setup: setup{ha: true, password: quoted}, away: time.Second, inject: func(r *rig) {
			slave := (r.ha.Master() + 1) % 3
			podtest.Stop(r, r.ha.Redis[slave], r.ha.Sentinels[slave])
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
			podtest.Stop(r, r.ha.Redis[slave], r.ha.Sentinels[slave])
			r.ha.start(slave, passwords(quoted)...)
		}},
	{name: "three Redis: another password for all, in the order of docs/high-availability.md", bound: "no read fails; what is in flight in a proxy that ends gets 503",
		setup: setup{ha: true, password: quoted, pods: 2}, writes: unavailable, away: writesBack, measured: 1, keeps: keptByNginx, inject: func(r *rig) {
			const password = `n"e\w $1`
			must.OK(r, r.ha.Run(r.Context(), 1, "take-password.sh", password))
			for i, pod := range r.pods {
				r.frontend.to(addr(r.pods[1-i].Ports.Nginx))
				podtest.Stop(r, pod.Nginx, pod.API)
				pod.API.Setenv(passwords(password)...)
				podtest.Start(r, pod.API, pod.Nginx)
			}
			r.frontend.to(addr(r.pods[0].Ports.Nginx), addr(r.pods[1].Ports.Nginx))
			for i, proxy := range r.ha.Proxies {
				r.ha.proxies.to(r.ha.ProxyAddr(1 - i))
				podtest.Stop(r, proxy)
				proxy.Setenv(passwords(password)...)
				podtest.Start(r, proxy)
				time.Sleep(time.Second) // the proxy needs this time to find the master
			}
			r.ha.proxies.to(r.ha.ProxyAddr(0), r.ha.ProxyAddr(1))
			r.ha.SetPassword(password)
			r.setup.password = password
			for i := 2; i >= 0; i-- {
				r.ha.restart(i, passwords(password)...)
			}
			if c, err := redis.Dial("tcp", r.ha.Addr(0), redis.DialPassword(quoted)); err == nil {
				c.Close()
				r.Error("the old password is taken still")
			}
		}},
	{name: "three Redis: the master stopped (SIGSTOP) for 15 s", bound: "no read fails; writes are back within 5 s; it comes back as a slave",
		setup: setup{ha: true}, writes: unavailable, away: writesBack, inject: func(r *rig) {
			m := r.ha.Master()
			must.OK(r, r.ha.Redis[m].Signal(syscall.SIGSTOP))
			time.Sleep(max(scaled(15*time.Second), 6*time.Second)) // at least 6 s, because the sentinels need up to 6 s to promote a slave
			must.OK(r, r.ha.Redis[m].Signal(syscall.SIGCONT))
			r.ha.demoted(m)
		}},
	{name: "three Redis: the master cut off from the others, but not from one proxy and one pod, for 15 s", bound: "no read fails; writes are back within 5 s; it comes back as a slave",
		// The cut-off master accepts writes until it notices that it has no slaves. Readers of the first pod may see an entry that only
		// the cut-off master has, and that disappears after the failover.
		setup: setup{ha: true, cut: true, pods: 2}, writes: unavailable, away: writesBack, rollback: true,
		inject: func(r *rig) {
			m := r.ha.Master()
			r.ha.borders[m].Lock()
			time.Sleep(max(scaled(15*time.Second), 6*time.Second))
			r.ha.borders[m].Unlock()
			r.ha.demoted(m)
		}},
	{name: "three Redis: the three sentinels stopped again and again, while the master and its sentinel are killed for good", bound: "no read fails; writes are back within 40 s after that",
		setup: setup{ha: true}, writes: unavailable, inject: func(r *rig) {
			r.ha.pauseSentinels(3 * time.Second)
			podtest.Kill(r, r.ha.Sentinels[r.ha.lose()])
			for range 3 {
				time.Sleep(4 * time.Second)
				r.ha.pauseSentinels(3 * time.Second)
			}
			start, last := time.Now(), r.load.newest()
			must.Hold(r, "a write succeeds", 40*time.Second, func() bool { return r.load.newest() > last })
			r.addNote("writes were back %.1f s after the last pause", time.Since(start).Seconds())
		}},
	{name: "three Redis: two of them, the master and a slave, dead for 10 s", bound: "reads go on; writes are refused in time; back by themselves with the first that returns",
		setup: setup{ha: true}, writes: unavailable, inject: func(r *rig) {
			m := r.ha.lose()
			s := (m + 1) % 3
			podtest.Kill(r, r.ha.Redis[s], r.ha.Sentinels[s])
			podtest.Kill(r, r.ha.Sentinels[m])
			time.Sleep(scaled(10 * time.Second))
			podtest.Start(r, r.ha.Sentinels[s], r.ha.Redis[s])
			last := r.load.newest()
			must.Hold(r, "a write succeeds", time.Minute, func() bool { return r.load.newest() > last })
			r.ended = time.Now()
			r.ha.start(m)
		}},
}

// handOver returns a test case that restarts the master of k8s/ha/ three times. Before each restart, the sentinels promote a slave. The
// redis-server is in the folder "programs", or in PATH if "programs" is empty.
func handOver(name, programs string) fault {
	return fault{
		name: "three Redis: planned hand-over, three times (" + name + ")", bound: "nothing fails",
		setup: setup{ha: true, password: quoted, programs: programs}, away: 2 * time.Second,
		inject: func(r *rig) {
			for range 3 {
				m := r.ha.Master()
				r.ha.restart(m)
				r.ha.demoted(m)
			}
		},
	}
}
