package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"guestbook/api/internal/guestbook"
)

// probeTimeout is the longest time that /readyz waits for Redis. Kubernetes waits 1 s for the answer to a probe by default.
const probeTimeout = 500 * time.Millisecond

// readyz answers 200 if this pod should get requests, and 503 after Drain, or until the Redis master has answered readyz once. An error
// reply such as NOAUTH or LOADING does not count as an answer, but a refusal of only writes does. The body contains the state of the Redis
// master and slave, for which readyz waits at most probeTimeout. A pod that has reached Redis once stays ready when Redis fails. If a
// failure of the master made all pods unready, visitors could not even read the entries that a slave still returns.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	// readyz asks Redis for the key that most requests use.
	key := cmp.Or(slices.Concat([]string{s.Key}, s.AllowedKeys, []string{guestbook.DefaultKey})...)
	master, slave := s.Store.Ping(ctx, key)
	if master == nil || guestbook.RefusesWrites(master) {
		s.reached.Store(true)
	}
	status, draining := http.StatusOK, s.hub.drained.Load()
	if draining || !s.reached.Load() {
		status = http.StatusServiceUnavailable
	}
	up := errors.New("up") // readyz reports "up" for a Redis without an error
	writeJSON(w, status, fmt.Appendf(nil, `{"ready":%t,"draining":%t,"master":%s,"slave":%s}`, status == http.StatusOK, draining, appendJSONString(nil, cmp.Or(master, up).Error()), appendJSONString(nil, cmp.Or(slave, up).Error())))
}
