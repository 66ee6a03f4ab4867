package server

import (
	"context"
	"encoding/json/jsontext"
	"net/http"
	"runtime"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// answer is what a handler returns beside its error.
type answer struct {
	command string // labels the metrics; "invalid" until the command is known
	status  int    // zero is 200
	body    []byte // JSON, read by several requests at once
	release func() // is called after body was written; may be nil
}

// handler answers a request. It uses the store until the context ends, which is not the request's own.
type handler func(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error)

// respond returns a handler for net/http, which calls handle, writes what handle returns, and measures the time.
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
		s.observe(a.command, status, time.Since(start))
	}
}

// storeContext returns the context of what one request does with the store. It outlives a client that goes away, because
// redigo closes a connection whose command is cancelled.
func (o Options) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), o.RequestTimeout)
}

// reserve calls handle when the request's bytes fit below maxPendingBytes. A small request does not wait behind large ones.
func (s *Server) reserve(ctx context.Context, handle handler, w http.ResponseWriter, r *http.Request) (answer, error) {
	size := int64(len(r.URL.RawQuery)) + r.ContentLength
	if r.ContentLength < 0 || size > maxBodyBytes {
		size = maxBodyBytes // no more is read
	}
	if size > smallRequestBytes {
		if err := acquire(ctx, s.pendingBytes, size); err != nil {
			return answer{command: "invalid"}, err
		}
		defer s.pendingBytes.Release(size)
	}
	return handle(ctx, w, r)
}

// acquire takes n from the semaphore. It waits until the context ends.
func acquire(ctx context.Context, from *semaphore.Weighted, n int64) error {
	if from.Acquire(ctx, n) != nil {
		return &requestError{http.StatusServiceUnavailable, "too much is being read and written at once, nothing was stored: try again in a moment"}
	}
	return nil
}

// share lets callers with the same name share one read and its answer, which none of them may change. The read starts after
// each of them has called, so that no answer is older than its question. It ends by the first caller's deadline. A caller that
// has used up a tenth of its time already, such as one whose body came slowly, reads alone, so that no caller's deadline is
// missed by more than that.
func (s *Server) share(ctx context.Context, name string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < s.RequestTimeout*9/10 {
		return read(ctx)
	}
	answer, err, _ := s.reads.Do(name, func() (any, error) {
		runtime.Gosched()    // goroutines that are about to call share take part
		s.reads.Forget(name) // goroutines that call share from here on start another read
		return read(ctx)
	})
	body, _ := answer.([]byte)
	return body, err
}

// contentType is the header of all answers. It is never changed.
var contentType = []string{"application/json"}

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

// newDurations returns the histogram of all requests.
func newDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guestbook_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"command", "status"})
}

// newLifetimes returns the histogram of all event streams, each of which lasts as long as its page is open.
func newLifetimes() prometheus.Histogram {
	return prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "guestbook_event_stream_duration_seconds", Help: "Time from the beginning of an event stream to its end.",
		Buckets: []float64{1, 10, 60, 600, 3600, 6 * 3600},
	})
}

func (s *Server) observe(command string, status int, took time.Duration) {
	s.durations.WithLabelValues(command, strconv.Itoa(status)).Observe(took.Seconds())
}

// addSeries adds, at 0, each series that the alerts of k8s/monitoring read. Prometheus sees no increase in a counter that
// appears with its first request, so the first refused post of a pod would fire no alert.
func addSeries(durations *prometheus.HistogramVec) {
	for command, statuses := range map[string][]int{
		"get":     {http.StatusOK},
		"entries": {http.StatusOK},
		"set":     {http.StatusOK, http.StatusServiceUnavailable, http.StatusInsufficientStorage},
		"post":    {http.StatusCreated, http.StatusServiceUnavailable, http.StatusInsufficientStorage},
	} {
		for _, status := range statuses {
			durations.WithLabelValues(command, strconv.Itoa(status))
		}
	}
}
