package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

// answer is what a request gets, if there is no error.
type answer struct {
	command string // for the metrics; "invalid" until it is known
	status  int    // 200 unless said
	body    []byte // JSON
}

// requestError is the client's fault.
type requestError struct {
	status  int
	message string // what is wrong and what to do
}

func (e *requestError) Error() string { return e.message }

// explanations are what the client is told of an error of the store: its words, and what to do.
var explanations = []struct {
	err    error
	status int
	advice string
}{
	{guestbook.ErrWrongType, http.StatusConflict, ": use another key"},
	{guestbook.ErrForbidden, http.StatusForbidden, ": use another key"},
	{guestbook.ErrNoEntry, http.StatusBadRequest, ": use an id, or the before, of an earlier answer"},
	{guestbook.ErrReused, http.StatusUnprocessableEntity, ": use a new one for a new text"},
	{guestbook.ErrFull, http.StatusInsufficientStorage, ": use another key, or ask for more room"},
	{guestbook.ErrUnknown, http.StatusServiceUnavailable, ", as Redis did not answer in time: a repeat with the same Idempotency-Key is safe, and so are a get and a set"},
}

// explain maps an error to a status and to what the client is told.
func explain(err error) (status int, message string) {
	if request := (*requestError)(nil); errors.As(err, &request) {
		return request.status, request.message
	}
	if refused := (*guestbook.RefusedError)(nil); errors.As(err, &refused) {
		return http.StatusServiceUnavailable, refused.Reason + " (nothing was stored)"
	}
	for _, e := range explanations {
		if errors.Is(err, e.err) {
			return e.status, e.err.Error() + e.advice
		}
	}
	return http.StatusServiceUnavailable, "Redis cannot be reached, nothing was stored: try again in a moment"
}

// answered turns a handler that returns its answer into one that writes and measures it.
func (s *Server) answered(handle func(http.ResponseWriter, *http.Request) (answer, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		a, err := handle(w, r)
		status := max(a.status, http.StatusOK)
		if err != nil {
			status = s.refuse(w, err)
		} else {
			writeJSON(w, status, a.body)
		}
		s.observe(a.command, status, time.Since(start))
	}
}

// refuse answers with an error, and gives its status.
func (s *Server) refuse(w http.ResponseWriter, err error) int {
	status, message := explain(err)
	s.Log.Debug("request failed", "status", status, "error", err)
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, append(appendJSONString([]byte(`{"error": `), message), '}'))
	return status
}

// storeContext limits what a request does with the store. It outlives a client that goes away: redigo closes
// a connection whose command is given up.
func (s *Server) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.RequestTimeout)
}

// readName is what many ask for at the same time: by which command, of which book, and how many entries.
type readName struct {
	command, key string
	limit        int64
}

// sharedRead is the answer to all of them, which nobody may change.
type sharedRead struct {
	body []byte
	err  error
}

// shared lets requests for the same thing share one read of the store, which starts after they have come, and one
// encoded answer.
func (s *Server) shared(name readName, read func(context.Context) ([]byte, error)) ([]byte, error) {
	all := s.reads.Do(name, new(sharedRead), time.Now().Add(s.RequestTimeout), func(ctx context.Context, all []*sharedRead) {
		all[0].body, all[0].err = read(ctx)
	})
	return all[0].body, all[0].err
}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	w.Header().Set("Content-Type", "application/json")
	if len(body) > 2048 { // what is shorter net/http counts itself; what is longer it would send in chunks
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; there is nobody to tell
}

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
