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
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"golang.org/x/sync/semaphore"
	"golang.org/x/sync/singleflight"

	"guestbook/api/internal/store"
)

// Options are the settings and the dependencies of a Server.
type Options struct {
	Store          *store.Store
	Key            string        // Redis key of the only guestbook; empty: each request names a key
	AllowedKeys    []string      // Redis keys that requests may name; empty: all keys
	RequestTimeout time.Duration // longest time for all calls to the store by one request
	Version        string        // sent in every answer
	Log            *slog.Logger
	Metrics        *prometheus.Registry
}

// Server is the http.Handler of all requests.
type Server struct {
	http.Handler
	Options
	reads        singleflight.Group
	pendingBytes *semaphore.Weighted // bytes of large requests under way
	longReads    *semaphore.Weighted // reads of long guestbooks under way
	hub          *hub
	durations    *prometheus.HistogramVec
	reached      atomic.Bool // true once the Redis master has answered, which shows that the settings are right
}

// New returns a Server, and registers the Server's metrics in o.Metrics.
func New(o Options) *Server {
	s := &Server{
		Options:      o,
		pendingBytes: semaphore.NewWeighted(maxPendingBytes),
		longReads:    semaphore.NewWeighted(maxLongReads),
		hub:          newHub(o),
		durations:    newDurations(o.Metrics),
	}
	mux := http.NewServeMux()
	for pattern, handle := range s.routes() {
		mux.HandleFunc(pattern, handle)
		if method, path, ok := strings.Cut(pattern, " "); ok { // answers all other methods with 405
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { s.writeError(w, methodNotAllowed(w, method)) })
		}
	}
	version := []string{o.Version}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Guestbook-Version"] = version // shows during a rollout which version has answered
		if len(r.TransferEncoding) > 0 {
			// A request with "Transfer-Encoding: chunked" may also have had a Content-Length, which net/http has removed (RFC 9112, section
			// 6.1). A proxy in front of the API may have used the removed Content-Length as the length of the body. If the proxy and the
			// API disagree about the length, the API reads the rest of the body as the next request. Therefore the API closes the
			// connection after each chunked request. nginx itself never sends a chunked request.
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})
	return s
}

// routes maps each URL pattern to the pattern's handler. The file openapi.json describes all URLs of the API.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		// The next URLs run the commands of guestbook.php. Each version of the PHP guestbook's page uses one of the next four URLs.
		"/guestbook":      s.respond(s.phpCommand),
		"/guestbook/{$}":  s.respond(s.phpCommand),
		"/guestbook.php":  s.respond(s.phpCommand),
		"/guestbook.php/": s.respond(s.phpCommand),

		// The next URLs serve single entries, event streams and the description of the API.
		"/guestbook/entries":          s.respond(s.entries),
		"GET /guestbook/events":       s.respond(s.events),
		"GET /guestbook/openapi.json": constant(openAPI),

		// The next URLs are for Kubernetes and Prometheus. nginx does not pass requests for /healthz, /readyz and /metrics on to the API.
		"GET /healthz": constant([]byte(`{"status": "ok"}`)), // 200 as long as the process runs
		"GET /readyz":  s.readyz,
		"GET /metrics": promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP,

		"/": func(w http.ResponseWriter, _ *http.Request) {
			s.writeError(w, &requestError{http.StatusNotFound, "there is nothing at this address: the guestbook is at /guestbook/"})
		},
	}
}

// openAPI is the OpenAPI description of the URLs in the method "routes".
//
//go:embed openapi.json
var openAPI []byte

// constant returns a handler that answers every request with the same JSON body.
func constant(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) }
}
