// Package server answers the guestbook's HTTP requests.
package server

import (
	"cmp"
	"context"
	_ "embed"
	"log/slog"
	"net/http"
	"strconv"
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

// Options are the settings and the dependencies of a Server.
type Options struct {
	Store          *store.Store
	Key            string        // Redis key of the only guestbook; empty: each request names a key
	AllowedKeys    []string      // the Redis keys that requests may name; empty: all keys
	RequestTimeout time.Duration // bounds the total time of all calls to the store by one request
	Version        string        // sent in every answer
	Log            *slog.Logger
	Metrics        *prometheus.Registry
}

// Server is the http.Handler of all requests.
type Server struct {
	http.Handler
	Options
	reads        singleflight.Group
	reading      chan struct{}       // holds an element while a shared read runs
	pendingBytes *semaphore.Weighted // limits the total length of the concurrent requests longer than smallRequestBytes
	longReads    *semaphore.Weighted // limits the concurrent reads of long guestbooks and entries
	hub          *hub
	durations    *prometheus.HistogramVec
	reached      atomic.Bool // true once the Redis master has answered
}

// New returns a Server, and registers the Server's metrics in o.Metrics. New panics if o.Metrics already has the metrics of a Server. New
// starts no goroutine, and a Server need not be closed. Drain ends the Server's event streams, and the caller closes o.Store.
func New(o Options) *Server {
	s := &Server{
		Options:      o,
		reading:      make(chan struct{}, 1),
		pendingBytes: semaphore.NewWeighted(maxPendingBytes),
		longReads:    semaphore.NewWeighted(maxLongReads),
		hub:          newHub(o),
		durations:    newDurations(o.Metrics),
	}
	mux := http.NewServeMux()
	for pattern, handle := range s.routes() {
		mux.HandleFunc(pattern, handle)
		if method, path, ok := strings.Cut(pattern, " "); ok { // the pattern without its method matches the requests with other methods
			mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { s.writeError(w, methodNotAllowed(w, method)) })
		}
	}
	version := []string{o.Version}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header()["X-Guestbook-Version"] = version // during a rollout, pods of two versions answer
		if len(r.TransferEncoding) > 0 {
			// The API closes the connection after each chunked request, so that an attacker cannot smuggle in a second request. If a
			// chunked request also has a Content-Length, a proxy in front of the API may disagree with net/http about the request's length
			// (RFC 9112, section 6.1).
			w.Header().Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})
	return s
}

// routes maps each URL pattern to its handler. If a pattern has a method, New answers requests with other methods with the status 405.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		// Each version of the PHP guestbook's page sends its commands to one of these four URLs.
		"/guestbook":      s.respond(s.phpCommand),
		"/guestbook/{$}":  s.respond(s.phpCommand),
		"/guestbook.php":  s.respond(s.phpCommand),
		"/guestbook.php/": s.respond(s.phpCommand),

		// These URLs serve single entries, event streams and the description of the API.
		"/guestbook/entries":          s.respond(s.entries),
		"GET /guestbook/events":       s.respond(s.events),
		"GET /guestbook/openapi.json": constant(openAPI),

		// Kubernetes and Prometheus request these URLs directly from the API; nginx refuses them.
		"GET /healthz": constant([]byte(`{"status": "ok"}`)), // 200 as long as the process runs
		"GET /readyz":  s.readyz,
		"GET /metrics": promhttp.HandlerFor(s.Metrics, promhttp.HandlerOpts{}).ServeHTTP,

		"/": func(w http.ResponseWriter, _ *http.Request) {
			s.writeError(w, &requestError{http.StatusNotFound, "there is nothing at this address: the guestbook is at /guestbook/"})
		},
	}
}

// openAPI is the OpenAPI description of the API.
//
//go:embed openapi.json
var openAPI []byte

// constant returns an http.HandlerFunc that answers each request with the status 200 and the same JSON body.
func constant(body []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, body) }
}

// maxPendingBytes is the greatest total length of the queries and bodies of all requests under way. A request of up to smallRequestBytes
// does not count toward maxPendingBytes.
const maxPendingBytes, smallRequestBytes = 8 << 20, 16 << 10

// respond returns an http.HandlerFunc that calls the handler with a context of storeContext, writes the answer or the error as JSON, and
// calls the answer's function "release". A long request first waits for memory, see "reserve". The status of an error is the result of
// statusOf. If the answer has no body and no error, the handler has taken over the connection, and the http.HandlerFunc writes nothing. The
// metric of durations gets the time of each request, with the status 200 for a connection that was taken over.
func (s *Server) respond(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		ctx, cancel := s.storeContext()
		defer cancel()
		a, err := s.reserve(ctx, handle, w, r)
		if a.release != nil {
			defer a.release()
		}
		status := max(a.status, http.StatusOK)
		if err != nil {
			status = s.writeError(w, err)
		} else if a.body != nil {
			writeJSON(w, status, a.body)
		}
		s.durations.WithLabelValues(cmp.Or(a.command, "invalid"), strconv.Itoa(status)).Observe(time.Since(start).Seconds())
	}
}

// reserve limits the memory for long requests, and returns the results of the function "handle". If a request is longer than
// smallRequestBytes, "reserve" first waits until the API has room for the request within maxPendingBytes, and returns an error with the
// status 503 if the context ends first.
func (s *Server) reserve(ctx context.Context, handle handler, w http.ResponseWriter, r *http.Request) (answer, error) {
	size := int64(len(r.URL.RawQuery)) + r.ContentLength
	if r.ContentLength < 0 || size > maxBodyBytes {
		size = maxBodyBytes // readBody reads at most maxBodyBytes
	}
	if size > smallRequestBytes {
		if err := acquire(ctx, s.pendingBytes, size); err != nil {
			return answer{}, err
		}
		defer s.pendingBytes.Release(size)
	}
	return handle(ctx, w, r)
}

// newDurations registers the histogram of the durations of requests in "metrics", and returns it. newDurations panics if "metrics" already
// contains this histogram. The histogram starts with a count of 0 for the commands and statuses whose increase the alerts in k8s/monitoring
// compute, because Prometheus sees no increase in a series that begins with a count of 1.
func newDurations(metrics prometheus.Registerer) *prometheus.HistogramVec {
	durations := promauto.With(metrics).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guestbook_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"command", "status"})
	for _, labels := range []string{"get 200", "entries 200", "set 200", "set 503", "set 507", "post 201", "post 503", "post 507"} {
		durations.WithLabelValues(strings.Fields(labels)...)
	}
	return durations
}
