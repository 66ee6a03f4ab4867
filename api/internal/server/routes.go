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
	"golang.org/x/sync/singleflight"

	"guestbook/api/internal/guestbook"
)

// Store keeps guestbooks. Its methods return by the context's deadline.
type Store interface {
	Get(ctx context.Context, key string, limit int) (string, error) // "" if there is no such key
	Set(ctx context.Context, key, value string) error
	Append(ctx context.Context, key, text, idempotencyKey string) (guestbook.Entry, error)
	Page(ctx context.Context, key string, before, seen int64, limit int) (entries []guestbook.Entry, older int64, err error)
	Since(ctx context.Context, key string, position guestbook.Position, upto int64) ([]guestbook.Entry, guestbook.Position, error)
	End(ctx context.Context, key string) (guestbook.Position, error)
	Ping(ctx context.Context, key string) (master, slave error)
}

// Options are what the server depends on.
type Options struct {
	Store          Store
	Key            string        // of the only guestbook; "": each request names one
	AllowedKeys    []string      // that requests may name; empty: all
	RequestTimeout time.Duration // of all that one request does with the store
	Version        string        // is named in every answer
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
	lifetimes    prometheus.Histogram // of event streams
	reached      atomic.Bool          // is true once the master has answered, so that the settings are right
}

// New returns a server.
func New(o Options) *Server {
	s := &Server{
		Options:      o,
		pendingBytes: semaphore.NewWeighted(maxPendingBytes),
		longReads:    semaphore.NewWeighted(maxLongReads),
		hub:          newHub(o),
		durations:    newDurations(),
		lifetimes:    newLifetimes(),
	}
	o.Metrics.MustRegister(s.durations, s.lifetimes)
	addSeries(s.durations)
	mux := http.NewServeMux()
	for pattern, handler := range s.routes() {
		mux.HandleFunc(pattern, handler)
		if method, path, ok := strings.Cut(pattern, " "); ok { // all other methods
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { s.writeError(w, methodNotAllowed(w, method)) })
		}
	}
	s.Handler = nameVersion(o.Version, closeAfterChunks(mux))
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

		// These serve single entries: none is lost, none is stored twice.
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

//go:embed openapi.json
var openAPI []byte

func constant(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) }
}

// nameVersion puts the version into each answer, so that a rollout can be watched.
func nameVersion(version string, next http.Handler) http.Handler {
	value := []string{version}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Guestbook-Version"] = value
		next.ServeHTTP(w, r)
	})
}

// closeAfterChunks closes the connection after a request whose body came in chunks. Such a request may have had a
// Content-Length as well, which net/http does not report (RFC 9112, 6.1). If a proxy in front believed that length, the next
// bytes on the connection could be half a body. nginx sends no chunks.
func closeAfterChunks(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(r.TransferEncoding) > 0 {
			w.Header().Set("Connection", "close")
		}
		next.ServeHTTP(w, r)
	})
}
