//go:build faults

package faults

import (
	"context"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// pool is how many connections one API may open to a Redis. maxClients includes connections of a slave, Prometheus and the test.
const pool, maxClients = 64, 64 + 10

var abuse = []fault{
	{name: "2,000 slow clients for 12 s", bound: "nothing fails, ordinary visitors hardly notice; nginx and the API take less than 150 MB more each",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: slowClients},
	{name: "10 × the connections of the pool", bound: "all are served; Redis sees no more connections than the pool may have",
		setup: setup{direct: true}, prepare: limitClients, keeps: 10 * pool, inject: func(r *rig) {
			ctx, cancel := context.WithTimeout(context.Background(), scaled(3*time.Second))
			defer cancel()
			r.crowd(ctx, 10*pool, 0)
			<-ctx.Done()
			r.checkConnections()
		}},
	{name: "master killed, back after 3 s; 200 more visitors", bound: "reads go on; Redis sees no more connections than the pool may have",
		setup:   setup{direct: true, masterArgs: []string{"--maxclients", fmt.Sprint(maxClients)}},
		prepare: limitClients, keeps: keptByNginx, writes: unavailable, inject: func(r *rig) {
			r.crowd(r.load.reading, 200, 200*time.Millisecond)
			time.Sleep(scaled(time.Second))
			podtest.Kill(r, r.pods[0].Master)
			time.Sleep(scaled(3 * time.Second))
			podtest.Start(r, r.pods[0].Master)
			r.ended = time.Now()
			time.Sleep(time.Second)
			r.checkConnections()
		}},
}

// crowd starts n simulated visitors that use the guestbook until ctx ends. Each visitor sends `set` and `get` for a guestbook of its own.
func (r *rig) crowd(ctx context.Context, n int, pace time.Duration) {
	client := visitors.NewClient(n)
	r.Cleanup(client.CloseIdleConnections)
	for i := range n {
		r.load.others.Go(func() {
			v := r.load.visitor()
			v.Client = client
			for key := fmt.Sprint("crowd ", i); pause(ctx, pace); {
				_ = v.Set(context.Background(), key, "x")
				_, _ = v.Get(context.Background(), key)
			}
		})
	}
}

// limitClients makes the master and the slave refuse connections beyond the constant "maxClients".
func limitClients(r *rig) {
	for _, port := range []int{r.pods[0].Ports.Master, r.pods[0].Ports.Slave} {
		r.redis(port, "CONFIG", "SET", "maxclients", maxClients)
	}
}

// checkConnections reports a problem if the master or the slave has refused a connection.
func (r *rig) checkConnections() {
	r.Helper()
	for _, port := range []int{r.pods[0].Ports.Master, r.pods[0].Ports.Slave} {
		if n := r.info(port, "stats", "rejected_connections"); n > 0 {
			r.load.problem("Redis has refused %d connections, because the pool has more than it may have", n)
		}
	}
}

// slowClients starts 2,000 clients that send a header or a body at one byte a second, or never read the answer.
func slowClients(r *rig) {
	const long = 300_000
	r.redis(r.masterPort, "SET", "long", ","+strings.Repeat("x", long))
	nginx, api := r.pods[0].Nginx.Usage().Memory, r.pods[0].API.Usage().Memory
	ctx, cancel := context.WithTimeout(context.Background(), max(scaled(12*time.Second), 6*time.Second))
	defer cancel()
	heads := []string{
		"GET /guestbook/entries HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		// nginx must buffer each slow body until the body's last byte arrives.
		"POST /guestbook/entries HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + strings.Repeat("a", long),
		"GET /guestbook.php?cmd=get&key=long HTTP/1.1\r\nHost: x\r\n\r\n",
	}
	var clients sync.WaitGroup
	for i := range 2000 {
		clients.Go(func() {
			// The clients connect one by one within four seconds, because the test is not about many new connections at once.
			pause(ctx, time.Duration(i)*2*time.Millisecond)
			for ctx.Err() == nil {
				beSlow(ctx, addr(r.pods[0].Ports.Nginx), heads[i%3], i%3 < 2)
			}
		})
	}
	clients.Wait()

	nginxNow, apiNow := r.pods[0].Nginx.Usage().Peak, r.pods[0].API.Usage().Peak
	if max(nginxNow-nginx, apiNow-api) > 150<<20 {
		r.load.problem("nginx took %d MB more, the API %d MB", (nginxNow-nginx)>>20, (apiNow-api)>>20)
	}
	r.load.mu.Lock()
	var took []time.Duration
	for _, q := range r.load.requests {
		if q.Start.After(r.started) {
			took = append(took, q.Took)
		}
	}
	r.load.mu.Unlock()
	slices.Sort(took)
	p99 := took[len(took)*99/100]
	if p99 > time.Second {
		r.load.problem("99 %% of ordinary requests took %s", p99)
	}
	r.addNote("99 %% of ordinary requests within %d ms; nginx %d → %d MB, API %d → %d MB", p99.Milliseconds(), nginx>>20, nginxNow>>20, api>>20, apiNow>>20)
}

// beSlow connects to a server as a slow client, and sends "head", the beginning of an HTTP request. If the parameter "drip" is true, beSlow
// continues the request by one byte a second. If "drip" is false, beSlow never reads the answer of the server.
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
	for err == nil && pause(ctx, time.Second) {
		if drip {
			_, err = c.Write([]byte{'a'})
		}
	}
}
