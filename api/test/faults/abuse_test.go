//go:build faults

package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/contract"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// pool is how many connections one API may open to the master, and also how many to the slaves.
const pool = 64

// crowd is how many visitors wait for the return of the master.
const crowd = 200

var abuse = []fault{
	{name: "2,000 slow clients for 12 s", bound: "nothing fails, ordinary visitors hardly notice; nginx and the API take less than 150 MB more each",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: slowClients},
	{name: "10 × the connections of the pool", bound: "all are served; Redis sees no more connections than the pool may have",
		setup: setup{direct: true}, keeps: 10 * pool, inject: func(r *rig) {
			ctx, cancel := context.WithTimeout(context.Background(), scaled(3*time.Second))
			defer cancel()
			watching := r.countConnections(ctx)
			r.crowd(ctx, 10*pool, 0)
			<-ctx.Done()
			<-watching
		}},
	{name: fmt.Sprint(crowd, " visitors when the master is back after 3 s"), bound: "reads go on; Redis sees no more connections than the pool may have",
		setup: setup{direct: true}, keeps: keptByNginx, writes: unavailable, inject: func(r *rig) {
			r.crowd(r.load.reading, crowd, 200*time.Millisecond)
			time.Sleep(scaled(time.Second))
			podtest.Kill(r, r.pods[0].Master)
			time.Sleep(scaled(3 * time.Second))
			podtest.Start(r, r.pods[0].Master)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			r.ended = time.Now()
			<-r.countConnections(ctx)
		}},
	{name: "malformed requests, header bombs, request smuggling", bound: "refused with 4xx or closed, none carried out; nothing else fails",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: func(r *rig) {
			master := podtest.Dial(r, r.masterPort)
			pod := r.pods[0]
			before := fmt.Sprint(pod.API.Pid(), pod.Nginx.Pid(), pod.Nginx.Children())
			contract.Abuse(r.T, addr(pod.Ports.Nginx), addr(pod.Ports.API), master)
			if now := fmt.Sprint(pod.API.Pid(), pod.Nginx.Pid(), pod.Nginx.Children()); now != before {
				r.Errorf("the processes of the API and of nginx are %s, they were %s", now, before)
			}
		}},
}

// crowd adds n visitors, who send `set` and `get` until ctx ends. Each of these visitors has a guestbook of its own.
func (r *rig) crowd(ctx context.Context, n int, pace time.Duration) {
	client := visitors.NewClient(n)
	r.Cleanup(client.CloseIdleConnections)
	for i := range n {
		r.load.others.Go(func() {
			v := r.load.visitor()
			v.Client = client
			for ctx.Err() == nil {
				_ = v.Set(context.Background(), fmt.Sprint("crowd ", i), "x")
				_, _ = v.Get(context.Background(), fmt.Sprint("crowd ", i))
				select {
				case <-ctx.Done():
				case <-time.After(pace):
				}
			}
		})
	}
}

// countConnections counts the API's connections to the master and to the slave until ctx ends. If there are more than the constant "pool",
// countConnections reports a problem.
func (r *rig) countConnections(ctx context.Context) <-chan struct{} {
	r.Helper()
	clients := []redis.Conn{podtest.Dial(r, r.pods[0].Ports.Master), podtest.Dial(r, r.pods[0].Ports.Slave)}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		var most [2]int
		for ; ctx.Err() == nil; time.Sleep(pace) {
			for i, c := range clients {
				list, err := redis.String(c.Do("CLIENT", "LIST", "TYPE", "normal"))
				if err != nil {
					r.load.problem("CLIENT LIST: %v", err)
					return
				}
				most[i] = max(most[i], strings.Count(list, "\n")-1)
			}
		}
		if max(most[0], most[1]) > pool {
			r.load.problem("Redis has seen more connections than the pool may have")
		}
		r.addNote("at most %d connections to the master, %d to the slave; pool %d", most[0], most[1], pool)
	}()
	return ended
}

// slowClients starts 2,000 slow clients. 1,400 of them send one byte a second of a header or of a body. 600 never read the answer.
func slowClients(r *rig) {
	const headers, bodies, readers = 700, 700, 600
	const long = 300_000
	r.redis(r.masterPort, "SET", "long", ","+strings.Repeat("x", long))
	nginx, api := r.pods[0].Nginx.Usage().Memory, r.pods[0].API.Usage().Memory
	ctx, cancel := context.WithTimeout(context.Background(), max(scaled(12*time.Second), 6*time.Second))
	defer cancel()
	var clients sync.WaitGroup
	var open atomic.Int64
	be := func(n int, head string, drip bool) {
		for i := range n {
			clients.Go(func() {
				// The clients connect over four seconds, because the test is not about many new connections at once.
				select {
				case <-ctx.Done():
				case <-time.After(4 * time.Second * time.Duration(i) / time.Duration(n)):
				}
				for ctx.Err() == nil {
					open.Add(1)
					beSlow(ctx, addr(r.pods[0].Ports.Nginx), head, drip)
					open.Add(-1)
				}
			})
		}
	}
	be(headers, "GET /guestbook/entries HTTP/1.1\r\nHost: x\r\nX-Slow: ", true)
	// nginx must buffer each slow body until the body's last byte arrives.
	be(bodies, "POST /guestbook/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("a", long), true)
	be(readers, "GET /guestbook.php?cmd=get&key=long HTTP/1.1\r\nHost: x\r\n\r\n", false)

	var most int64
	var mostNginx, mostAPI int64
	for ctx.Err() == nil {
		most = max(most, open.Load())
		mostNginx, mostAPI = max(mostNginx, r.pods[0].Nginx.Usage().Memory), max(mostAPI, r.pods[0].API.Usage().Memory)
		time.Sleep(10 * pace)
	}
	clients.Wait()
	const allowed = 150 << 20
	if mostNginx-nginx > allowed || mostAPI-api > allowed {
		r.load.problem("nginx took %d MB more, the API %d MB", (mostNginx-nginx)>>20, (mostAPI-api)>>20)
	}
	before, meanwhile := r.load.p99(time.Time{}, r.started), r.load.p99(r.started, time.Now())
	if meanwhile > max(10*before, time.Second) {
		r.slow("99 %% of ordinary requests took %s, before %s", meanwhile, before)
	}
	r.addNote("%d at once; 99 %% of ordinary requests within %d ms, before %d ms; nginx %d → %d MB, API %d → %d MB",
		most, meanwhile.Milliseconds(), before.Milliseconds(), nginx>>20, mostNginx>>20, api>>20, mostAPI>>20)
}

// beSlow sends the beginning of an HTTP request. If "drip" is true, beSlow then sends one byte a second, until the server closes the
// connection. If "drip" is false, beSlow never reads the answer.
func beSlow(ctx context.Context, addr, head string, drip bool) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	_ = c.(*net.TCPConn).SetReadBuffer(4096)
	_, err = io.WriteString(c, head)
	if drip {
		go func() {
			_, _ = io.Copy(io.Discard, c)
			c.Close()
		}()
	}
	for err == nil {
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
		if drip {
			_, err = c.Write([]byte{'a'})
		}
	}
}

// p99 returns the duration that 99 % of the successful requests did not exceed. Only requests that ended between the two times count.
func (l *load) p99(from, to time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var took []time.Duration
	for _, q := range l.requests {
		if end := q.Start.Add(q.Took); end.After(from) && end.Before(to) && (q.Status == http.StatusOK || q.Status == http.StatusCreated) {
			took = append(took, q.Took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[len(took)*99/100]
}
