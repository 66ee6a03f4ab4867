package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"guestbook/api/internal/guestbook"
)

// probeTimeout bounds a probe's wait for Redis. Kubernetes waits for a probe for a second by default.
const probeTimeout = 500 * time.Millisecond

// Drain makes /readyz answer 503 and ends the event streams, so that new requests and the viewers go to another pod. The server
// answers other requests as before.
func (s *Server) Drain() { s.hub.drain() }

// readyz reports whether this pod should get requests, and the state of master and slave. A pod that has reached Redis once stays
// ready without it. Otherwise all pods would become unready together, and with them the page and the reads that a slave still answers.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	key := cmp.Or(slices.Concat([]string{s.Key}, s.AllowedKeys, []string{guestbook.DefaultKey})...) // the key that most requests name
	master, slave := s.Store.Ping(ctx, key)
	if master == nil || guestbook.RefusesWrites(master) {
		s.reached.Store(true)
	}
	draining := s.hub.drained.Load()
	ready := s.reached.Load() && !draining
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, fmt.Appendf(nil, `{"ready":%t,"draining":%t,"master":%s,"slave":%s}`, ready, draining, describe(master), describe(slave)))
}

// describe returns an error as JSON, or "up" for none.
func describe(err error) []byte {
	if err != nil {
		return appendJSONString(nil, err.Error())
	}
	return []byte(`"up"`)
}
