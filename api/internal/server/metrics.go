package server

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func newDurations(metrics prometheus.Registerer) *prometheus.HistogramVec {
	durations := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "guestbook_http_request_duration_seconds",
		Help:    "Time from a request's header to the end of its answer.",
		Buckets: []float64{.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5},
	}, []string{"command", "status"})
	metrics.MustRegister(durations)
	return durations
}

// observe counts a request whose command is "" when it was none.
func (s *Server) observe(command string, status int, took time.Duration) {
	if command == "" {
		command = "invalid"
	}
	label := label{command, status}
	observer, ok := s.observers.Load(label)
	if !ok {
		observer, _ = s.observers.LoadOrStore(label, s.durations.WithLabelValues(command, strconv.Itoa(status)))
	}
	observer.(prometheus.Observer).Observe(took.Seconds())
}

type label struct {
	command string
	status  int
}
