package server

import (
	"cmp"
	"context"
	"encoding/json/jsontext"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/semaphore"
)

// answer is a handler's result.
type answer struct {
	command string // labels the metrics; empty: "invalid"
	status  int    // zero: 200
	body    []byte // JSON, which several requests read at once
	release func() // called after body was written; may be nil
}

// handler answers a request. It uses the store until the context ends, which is not the request's context.
type handler func(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error)

// respond returns a handler for net/http, which calls handle, writes its answer or its error, and measures the time.
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
		} else {
			writeJSON(w, status, a.body)
		}
		s.observe(cmp.Or(a.command, "invalid"), status, time.Since(start))
	}
}

// storeContext returns the context of all calls that one request makes to the store. It outlives a client that goes away, because
// redigo closes a connection whose command is cancelled.
func (o Options) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), o.RequestTimeout)
}

// reserve calls handle once the request's bytes fit into maxPendingBytes. A small request does not wait behind large ones.
func (s *Server) reserve(ctx context.Context, handle handler, w http.ResponseWriter, r *http.Request) (answer, error) {
	size := int64(len(r.URL.RawQuery)) + r.ContentLength
	if r.ContentLength < 0 || size > maxBodyBytes {
		size = maxBodyBytes // no more is read
	}
	if size > smallRequestBytes {
		if err := acquire(ctx, s.pendingBytes, size); err != nil {
			return answer{}, err
		}
		defer s.pendingBytes.Release(size)
	}
	return handle(ctx, w, r)
}

// acquire takes n from the semaphore. It blocks until the semaphore has n, and returns an error if the context ends first.
func acquire(ctx context.Context, from *semaphore.Weighted, n int64) error {
	if from.Acquire(ctx, n) != nil {
		return &requestError{http.StatusServiceUnavailable, "too much is being read and written at once, nothing was stored: try again in a moment"}
	}
	return nil
}

// share returns the answer of read. Concurrent callers with the same name share one read and its answer, which they must not change.
// The read starts after each of them has called, so that no answer is older than the call, and ends by the first caller's deadline.
// A caller that has used up a tenth of its time already reads alone, so that no caller misses its deadline by more than a tenth.
func (s *Server) share(ctx context.Context, name string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < s.RequestTimeout*9/10 {
		return read(ctx)
	}
	shared, err, _ := s.reads.Do(name, func() (any, error) {
		runtime.Gosched()    // goroutines that are about to call share take part
		s.reads.Forget(name) // goroutines that call share from here on start another read
		return read(ctx)
	})
	body, _ := shared.([]byte)
	return body, err
}

// contentType is a header of all answers. Nothing changes it.
var contentType = []string{"application/json"}

// writeJSON answers a request with the body.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	// nginx writes its own date.
	header["Content-Type"], header["Date"] = contentType, nil
	if len(body) > 2048 { // net/http counts shorter bodies itself, and sends longer ones in chunks
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails if the client has gone
}

// appendJSONString appends s as a JSON string. It changes only what JSON forbids, so that ordinary text keeps the bytes that
// guestbook.php wrote: it escapes quotes, backslashes and control characters, and each byte that is not UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its error reports a byte that is not UTF-8
	return dst
}

// newDurations returns the histogram of all requests. It contains each series that the alerts of k8s/monitoring read, with the
// count 0. Otherwise the first refused post of a pod would fire no alert, because Prometheus sees no increase in a counter that
// appears with its first request.
func newDurations(metrics prometheus.Registerer) *prometheus.HistogramVec {
	durations := promauto.With(metrics).NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guestbook_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"command", "status"})
	for command, statuses := range map[string]string{"get": "200", "entries": "200", "set": "200 503 507", "post": "201 503 507"} {
		for status := range strings.FieldsSeq(statuses) {
			durations.WithLabelValues(command, status)
		}
	}
	return durations
}

// observe counts an answered request.
func (s *Server) observe(command string, status int, took time.Duration) {
	s.durations.WithLabelValues(command, strconv.Itoa(status)).Observe(took.Seconds())
}
