//go:build faults

package faults

import (
	"fmt"
	"net"
	"strings"
	"sync"

	"guestbook/api/test/kit/must"
)

// cuttable relays the connections to the three Redis and the sentinels, and can cut one Redis off from the rest.
type cuttable struct {
	connections
	port int
	net  string

	off     int // number of the cut-off Redis (1, 2 or 3), or 0
	changed *sync.Cond
}

// relay starts a TCP relay in front of each Redis and each sentinel, and returns the addresses of the relays.
func (c *cuttable) relay(r *rig) (addresses []string) {
	c.changed = sync.NewCond(&c.mu)
	r.Cleanup(func() {
		c.close()
		c.changed.Broadcast()
	})
	for node := 1; node <= 3; node++ {
		addresses = append(addresses, fmt.Sprintf("%s.%d", c.net, 20+node))
		for _, port := range []int{c.port, c.port + 1} {
			listener := must.Get(net.Listen("tcp", fmt.Sprintf("%s.%d:%d", c.net, 20+node, port)))(r)
			accept(r, listener, func(from net.Conn) { c.forward(from, node, fmt.Sprintf("%s.%d:%d", c.net, node, port)) })
		}
	}
	return addresses
}

// wait blocks while the process at the address "source" is cut off from Redis number "node", and returns false at the end of the test.
func (c *cuttable) wait(source string, node int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for !c.closed && c.blocked(source, node) {
		c.changed.Wait()
	}
	return !c.closed
}

// blocked reports whether the process at an address is cut off from a Redis. The first proxy and the test always reach each Redis.
func (c *cuttable) blocked(source string, node int) bool {
	last, inside := strings.CutPrefix(source, c.net+".")
	if c.off == 0 || !inside || last == "11" {
		return false
	}
	return (node == c.off) != (last == fmt.Sprint(c.off))
}

func (c *cuttable) forward(from net.Conn, node int, addr string) {
	source, _, _ := net.SplitHostPort(from.RemoteAddr().String())
	if c.wait(source, node) {
		c.join(from, addr, func() bool { return c.wait(source, node) })
	}
	from.Close()
}

// cutOff cuts off Redis i until the method "heal" is called.
func (c *cuttable) cutOff(i int) { c.set(i + 1) }
func (c *cuttable) heal()        { c.set(0) }

func (c *cuttable) set(off int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.off = off
	c.changed.Broadcast()
}
