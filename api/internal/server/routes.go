// Package server answers the guestbook's HTTP requests.
package server

import (
	_ "embed"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"guestbook/api/internal/store"
)

// Options are what the server depends on.
type Options struct {
	Store          *store.Store
	Key            string        // of the only guestbook; empty: each request names one
	AllowedKeys    []string      // that requests may name; empty: all
	RequestTimeout time.Duration // of all calls that one request makes to the store
	Version        string        // stands in every answer
	Log            *slog.Logger
	Metrics        *prometheus.Registry
}

// Server is the handler of all requests.
type Server struct {
	http.Handler
	Options
	reads        singleflight.Group
	pendingBytes *semaphore.Weighted // of long requests under way
	longReads    *semaphore.Weighted // under way
	hub          *hub
	durations    *prometheus.HistogramVec
	lifetimes    prometheus.Histogram // of event streams, each of which lasts as long as its page is open
	reached      atomic.Bool          // true once the master has answered, which shows that the settings are right
}

// New returns a server of the store. Its metrics are registered.
func New(o Options) *Server {
	s := &Server{
		Options:      o,
		pendingBytes: semaphore.NewWeighted(maxPendingBytes),
		longReads:    semaphore.NewWeighted(maxLongReads),
		hub:          newHub(o),
		durations:    newDurations(o.Metrics),
		lifetimes: promauto.With(o.Metrics).NewHistogram(prometheus.HistogramOpts{
			Name: "guestbook_event_stream_duration_seconds", Help: "Time from the beginning of an event stream to its end.",
			Buckets: []float64{1, 10, 60, 600, 3600, 6 * 3600},
		}),
	}
	mux := http.NewServeMux()
	for pattern, handle := range s.routes() {
		mux.HandleFunc(pattern, handle)
		if method, path, ok := strings.Cut(pattern, " "); ok { // all other methods
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { s.writeError(w, methodNotAllowed(w, method)) })
		}
	}
	version := []string{o.Version}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Guestbook-Version"] = version // so that a rollout can be watched
		if len(r.TransferEncoding) > 0 {
			// A request whose body came in chunks may have had a Content-Length as well, which net/http does not report (RFC 9112,
			// 6.1). If a proxy in front believed that length, the next bytes on the connection could be half a body. nginx sends no
			// chunks.
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})
	return s
}

// routes returns the handler of each address. openapi.json describes them.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		// guestbook.php's commands, at the addresses of every version of the page.
		"/guestbook":      s.respond(s.phpCommand),
		"/guestbook/{$}":  s.respond(s.phpCommand),
		"/guestbook.php":  s.respond(s.phpCommand),
		"/guestbook.php/": s.respond(s.phpCommand),

		// These serve single entries.
		"/guestbook/entries":          s.respond(s.entries),
		"GET /guestbook/events":       s.events,
		"GET /guestbook/openapi.json": constant(openAPI),

		// These are for Kubernetes and Prometheus; nginx does not pass them on.
		"GET /healthz": constant([]byte(`{"status": "ok"}`)), // while the process runs
		"GET /readyz":  s.readyz,
		"GET /metrics": promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP,

		"/": func(w http.ResponseWriter, _ *http.Request) {
			s.writeError(w, &requestError{http.StatusNotFound, "there is nothing at this address: the guestbook is at /guestbook/"})
		},
	}
}

// openAPI describes routes.
//
//go:embed openapi.json
var openAPI []byte

// constant returns a handler that always answers the same.
func constant(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) }
}
