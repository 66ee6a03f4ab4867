// Package server answers the guestbook's HTTP requests.
package server

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Store is where guestbooks are kept. Its methods end at the context's deadline.
type Store interface {
	Get(ctx context.Context, key string) ([]byte, error) // nil where there is no such key
	Set(ctx context.Context, key, value string) error
	Ping(ctx context.Context) (master, slave error)
}

// Options are what the server depends on.
type Options struct {
	Store          Store
	RequestTimeout time.Duration // for all that a request does with the store
	Log            *slog.Logger
	Metrics        *prometheus.Registry
}

// Server is the handler of all requests.
type Server struct {
	http.Handler
	Options
	readiness readiness
	durations *prometheus.HistogramVec
}

// New makes the server. Every route of the API is in this function.
func New(o Options) *Server {
	s := &Server{Options: o, durations: newDurations(o.Metrics)}
	mux := http.NewServeMux()
	s.Handler = secure(mux)

	// guestbook.php's commands, at the addresses of every version of the page.
	mux.HandleFunc("/guestbook", s.answered(s.command))
	mux.HandleFunc("/guestbook/{$}", s.answered(s.command))
	mux.HandleFunc("/guestbook.php", s.answered(s.command))
	mux.HandleFunc("/guestbook.php/", s.answered(s.command))

	// For Kubernetes and Prometheus; nginx does not pass these on.
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Metrics, promhttp.HandlerOpts{}))

	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeError(w, http.StatusNotFound, "there is nothing at this address; the guestbook is at /guestbook/")
	})
	return s
}

// secure sets the headers that every answer bears: none is kept by a cache, none is taken for another type.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Cache-Control"] = noStore
		w.Header()["X-Content-Type-Options"] = noSniff
		next.ServeHTTP(w, r)
	})
}

var noStore, noSniff = []string{"no-store"}, []string{"nosniff"}
