package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"
)

// answer is what a request gets, if there is no error.
type answer struct {
	command string // for the metrics; "invalid" until it is known
	status  int    // 200 unless said
	body    []byte // JSON
	written func() // is called when the answer is, if there is something to do then
}

// handler answers a request, by the deadline.
type handler func(w http.ResponseWriter, r *http.Request, deadline time.Time) (answer, error)

// instrument turns a handler that returns its answer into one that writes it and measures how long it took.
func (s *Server) instrument(handle handler) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		a, err := s.withRoom(handle, w, r, start.Add(s.RequestTimeout))
		if a.written != nil {
			defer a.written()
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

// withRoom handles a request once there is room for what it brings. A small one need not wait behind large ones.
func (s *Server) withRoom(handle handler, w http.ResponseWriter, r *http.Request, deadline time.Time) (answer, error) {
	size := int64(len(r.URL.RawQuery)) + r.ContentLength
	if r.ContentLength < 0 || size > maxBody {
		size = maxBody // no more is read
	}
	if size > maxSmall {
		if err := acquire(s.messages, size, deadline); err != nil {
			return answer{command: "invalid"}, err
		}
		defer s.messages.Release(size)
	}
	return handle(w, r, deadline)
}

// acquire waits until there is room for n, at most until the deadline.
func acquire(room *semaphore.Weighted, n int64, deadline time.Time) error {
	if room.TryAcquire(n) {
		return nil
	}
	ctx, cancel := storeContext(deadline)
	defer cancel()
	if room.Acquire(ctx, n) != nil {
		return &requestError{http.StatusServiceUnavailable, "too much is being read and written at once, nothing was stored: try again in a moment"}
	}
	return nil
}

// contentType is the header of all answers, which nobody may change.
var contentType = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	// nginx writes its own date.
	header["Content-Type"], header["Date"] = contentType, nil
	if len(body) > 2048 { // what is shorter net/http counts itself; what is longer it would send in chunks
		header.Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; there is nobody to tell
}

// newDurations is the histogram of all requests.
func newDurations() *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guestbook_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"command", "status"})
}

// newLifetimes is the histogram of all event streams, which last for as long as a page is open.
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
