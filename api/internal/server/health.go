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

// probeTimeout is how long a probe waits for Redis: less than the second that Kubernetes gives it by default.
const probeTimeout = 500 * time.Millisecond

// Drain makes /readyz tell that no more requests should come, and ends the event streams, so that their viewers
// move on. Requests are answered as before.
func (s *Server) Drain() {
	s.hub.drain()
}

// readyz says whether requests should come here, and how master and slave are now. A Redis that is away does not make
// a process unready that has reached it once: all frontends would lose it at once, and with them the page and the reads
// that a slave can still answer.
func (s *Server) readyz(w http.ResponseWriter, _ *http.Request) {
	ctx, cancel := context.WithTimeout(context.Background(), probeTimeout)
	defer cancel()
	usual := cmp.Or(slices.Concat([]string{s.Key}, s.AllowedKeys, []string{guestbook.DefaultKey})...) // what is most likely asked for
	master, slave := s.Store.Ping(ctx, usual)
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

func describe(err error) []byte {
	if err != nil {
		return appendJSONString(nil, err.Error())
	}
	return []byte(`"up"`)
}
