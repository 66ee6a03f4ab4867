//go:build faults

package faults

import (
	"fmt"
	"net"
	"strings"
	"sync"
)

// borders holds a lock for each Redis of k8s/ha/. A held lock delays data between the Redis, or its sentinel, and other processes.
type borders [3]sync.RWMutex

// relay starts a TCP relay in front of each Redis and each sentinel, and returns the addresses of the relays.
func (b *borders) relay(r *rig, network string, redisPort int) (addresses []string) {
	r.Helper()
	for node := range b {
		address := fmt.Sprintf("%s.%d", network, 21+node)
		addresses = append(addresses, address)
		for _, port := range []int{redisPort, redisPort + 1} {
			listen(r, fmt.Sprintf("%s:%d", address, port), func(from net.Conn) {
				source, _, _ := net.SplitHostPort(from.RemoteAddr().String())
				join(r.Context(), from, fmt.Sprintf("%s.%d:%d", network, node+1, port), b.between(network, source, node)...)
			})
		}
	}
	return addresses
}

// between returns the locks that can delay a connection from the address "source" to a Redis or its sentinel. No lock
// delays a connection from the first proxy or from the test.
func (b *borders) between(network, source string, node int) (crossed []*sync.RWMutex) {
	if !strings.HasPrefix(source, network+".") || source == network+".11" {
		return nil
	}
	for i := range b {
		if (source == fmt.Sprintf("%s.%d", network, i+1)) != (node == i) {
			crossed = append(crossed, &b[i])
		}
	}
	return crossed
}
