package server

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// probeTimeout is how long a probe waits for Redis: less than the second that Kubernetes gives it by default.
const probeTimeout = 500 * time.Millisecond

// readiness is what decides whether this process should get requests. Redis being away later does not: all
// frontends would lose it at once, and with them the page and the reads that a slave can still answer.
type readiness struct {
	reached atomic.Bool // the master has been reached once, so the settings are right
	drain   sync.Once
	drained chan struct{} // closed when the drain begins
}

// Drain makes /readyz tell that no more requests should come, and ends the event streams, so that their viewers
// move on. Requests are answered as before.
func (s *Server) Drain() { s.readiness.drain.Do(func() { close(s.readiness.drained) }) }

func (s *Server) draining() bool {
	select {
	case <-s.readiness.drained:
		return true
	default:
		return false
	}
}

// healthz says that the process runs.
func (s *Server) healthz(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, []byte(`{"status": "ok"}`))
}

// readyz says whether requests should come here, and how master and slave are now.
func (s *Server) readyz(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), probeTimeout)
	defer cancel()
	master, slave := s.Store.Ping(ctx)
	if master == nil {
		s.readiness.reached.Store(true)
	}
	draining := s.draining()
	ready := s.readiness.reached.Load() && !draining
	body, err := json.Marshal(struct {
		Ready    bool   `json:"ready"`
		Draining bool   `json:"draining"`
		Master   string `json:"master"`
		Slave    string `json:"slave"`
	}{ready, draining, describe(master), describe(slave)})
	if err != nil {
		writeError(w, http.StatusInternalServerError, err.Error())
		return
	}
	status := http.StatusOK
	if !ready {
		status = http.StatusServiceUnavailable
	}
	writeJSON(w, status, body)
}

func describe(err error) string {
	if err != nil {
		return err.Error()
	}
	return "up"
}
