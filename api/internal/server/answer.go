package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// answer is what a request gets, if there is no error.
type answer struct {
	command string // for the metrics; "invalid" until it is known
	status  int    // 200 unless said
	body    []byte // JSON
}

// instrument turns a handler that returns its answer into one that writes it and measures how long it took.
func (s *Server) instrument(handle func(http.ResponseWriter, *http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		a, err := handle(w, r)
		status := max(a.status, http.StatusOK)
		if err != nil {
			status = s.writeError(w, err)
		} else {
			writeJSON(w, status, a.body)
		}
		s.observe(a.command, status, time.Since(start))
	}
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	if len(body) > 2048 { // what is shorter net/http counts itself; what is longer it would send in chunks
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
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

func (s *Server) observe(command string, status int, took time.Duration) {
	s.durations.WithLabelValues(command, strconv.Itoa(status)).Observe(took.Seconds())
}
