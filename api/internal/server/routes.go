// Package server answers the guestbook's HTTP requests.
package server

import (
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"

	"guestbook/api/internal/coalesce"
	"guestbook/api/internal/guestbook"
)

// Store is where guestbooks are kept. Its methods end at the context's deadline.
type Store interface {
	Get(ctx context.Context, key string, limit int) (string, error) // "" where there is no such key
	Set(ctx context.Context, key, value string) error
	Append(ctx context.Context, key, text, idempotencyKey string) (guestbook.Entry, error)
	Page(ctx context.Context, key string, before, seen int64, limit int) (entries []guestbook.Entry, more bool, err error)
	Since(ctx context.Context, key string, mark guestbook.Mark, upto int64) ([]guestbook.Entry, guestbook.Mark, error)
	End(ctx context.Context, key string) (guestbook.Mark, error)
	Ping(ctx context.Context, key string) (master, slave error)
}

// Options are what the server depends on.
type Options struct {
	Store          Store
	Key            string        // of the one book that is served, whatever a request names; "": the one that it names
	AllowedKeys    []string      // that requests may name; none: all
	RequestTimeout time.Duration // for all that a request does with the store
	Version        string        // told in every answer
	Log            *slog.Logger
	Metrics        *prometheus.Registry
}

// Server is the handler of all requests.
type Server struct {
	http.Handler
	Options
	reads     coalesce.Group[readName, *sharedRead]
	messages  *semaphore.Weighted // bytes of requests under way
	longReads *semaphore.Weighted // long guestbooks being answered
	hub       *hub
	durations *prometheus.HistogramVec
	lifetimes prometheus.Histogram // of event streams
	reached   atomic.Bool          // the master has been reached once, so the settings are right
}

// New makes the server.
func New(o Options) *Server {
	s := &Server{
		Options:   o,
		messages:  semaphore.NewWeighted(maxMessages),
		longReads: semaphore.NewWeighted(maxLongReads),
		hub:       newHub(o),
		durations: newDurations(),
		lifetimes: newLifetimes(),
	}
	o.Metrics.MustRegister(s.durations, s.lifetimes)
	addSeries(s.durations)
	mux := http.NewServeMux()
	for pattern, handler := range s.routes() {
		mux.HandleFunc(pattern, handler)
		if method, path, ok := strings.Cut(pattern, " "); ok { // every other method
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { s.writeError(w, methodNotAllowed(w, method)) })
		}
	}
	s.Handler = everywhere(o.Version, mux)
	return s
}

// routes is every address that is answered. openapi.json describes them.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		// guestbook.php's commands, at the addresses of every version of the page.
		"/guestbook":      s.instrument(s.phpCommand),
		"/guestbook/{$}":  s.instrument(s.phpCommand),
		"/guestbook.php":  s.instrument(s.phpCommand),
		"/guestbook.php/": s.instrument(s.phpCommand),

		// One entry at a time: nothing lost, nothing twice.
		"/guestbook/entries":          s.instrument(s.entries),
		"GET /guestbook/events":       s.events,
		"GET /guestbook/openapi.json": constant(openAPI),

		// For Kubernetes and Prometheus; nginx does not pass these on.
		"GET /healthz": constant([]byte(`{"status": "ok"}`)), // the process runs
		"GET /readyz":  s.readyz,
		"GET /metrics": promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP,

		"/": func(w http.ResponseWriter, _ *http.Request) {
			s.writeError(w, &requestError{http.StatusNotFound, "there is nothing at this address; the guestbook is at /guestbook/"})
		},
	}
}

//go:embed openapi.json
var openAPI []byte

func constant(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) }
}

// everywhere does what each request needs. It puts the version into the answer, so that one can watch a rollout. And it ends
// the connection after a request whose body came in chunks: such a request may have had a length as well, by which a proxy in
// front may have told where it ends, and net/http does not say so (RFC 9112, 6.1). What follows on the connection could be
// half a body. nginx sends no chunks.
func everywhere(version string, next http.Handler) http.Handler {
	value := []string{version}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Guestbook-Version"] = value
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
