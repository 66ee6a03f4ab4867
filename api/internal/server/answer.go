package server

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/semaphore"
)

type answer struct {
	command string // label "command" of the request's metrics; if empty, the label is "invalid"
	status  int    // HTTP status; zero: 200
	body    []byte // JSON; nil if the handler has taken over the connection; never changed, because several requests can share the slice
	release func() // called after the body was written; may be nil
}

// handler answers one request. The argument ctx is the context of all calls to the store.
type handler func(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error)

// respond returns an http.HandlerFunc that calls the handler, writes the answer or the error as JSON, and adds the time to the metric of
// durations. The status of an error is the result of statusOf. If the answer has no body and no error, the http.HandlerFunc writes nothing.
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

// storeContext returns a context for calls to the store. The context ends after RequestTimeout, or when the caller calls the returned
// function. The context does not end when the client disconnects, because redigo would then close the Redis connection that runs the
// client's command.
func (o Options) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), o.RequestTimeout)
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

// acquire blocks until n units of the semaphore are free, and takes them. If the context ends before the units are free, acquire returns an
// error with the status 503, and takes no units.
func acquire(ctx context.Context, from *semaphore.Weighted, n int64) error {
	if from.Acquire(ctx, n) != nil {
		return &requestError{http.StatusServiceUnavailable, "too much is being read and written at once, nothing was stored: try again in a moment"}
	}
	return nil
}

// contentType must not be changed, because all answers share this slice.
var contentType = []string{"application/json"}

// writeJSON sends an answer with the HTTP status and with the body, which must be JSON.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	// The API sends no header "Date", because nginx adds this header to every answer.
	header["Content-Type"], header["Date"] = contentType, nil
	header.Set("Content-Length", strconv.Itoa(len(body))) // without Content-Length, net/http would send a body of more than 2048 bytes in chunks
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails if the client has disconnected
}

// appendJSONString appends s as a JSON string, in which only quotes, backslashes and control characters are escaped. In the JSON string,
// U+FFFD replaces each byte that is not valid UTF-8.
func appendJSONString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // an error only means that s is not valid UTF-8
	return dst
}

// newDurations returns the histogram of the durations of requests. newDurations panics if "metrics" already contains this histogram. The
// histogram starts with a count of 0 for each command and status that the alerts in k8s/monitoring use, because Prometheus sees no increase
// in a series that begins with a count of 1.
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
