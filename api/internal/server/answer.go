package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"guestbook/api/internal/guestbook"
)

// answer is what a request gets, if there is no error.
type answer struct {
	command string   // for the metrics; "" until it is known
	status  int      // 200 unless said
	body    []byte   // JSON
	length  []string // Content-Length, where it is known already
}

// requestError is the client's fault.
type requestError struct {
	status  int
	message string // what is wrong and what to do
}

func (e *requestError) Error() string { return e.message }

// explain maps an error to a status and to what the client is told.
func explain(err error) (status int, message string) {
	if request := (*requestError)(nil); errors.As(err, &request) {
		return request.status, request.message
	}
	switch {
	case errors.Is(err, guestbook.ErrWrongType):
		return http.StatusConflict, guestbook.ErrWrongType.Error() + ": use another key"
	case errors.Is(err, guestbook.ErrForbidden):
		return http.StatusForbidden, guestbook.ErrForbidden.Error() + ": use another key"
	case errors.Is(err, guestbook.ErrNoEntry):
		return http.StatusBadRequest, guestbook.ErrNoEntry.Error() + ": use an id, or the before, of an earlier answer"
	case errors.Is(err, guestbook.ErrReused):
		return http.StatusUnprocessableEntity, guestbook.ErrReused.Error() + ": use a new one for a new text"
	case errors.Is(err, guestbook.ErrFull):
		return http.StatusInsufficientStorage, guestbook.ErrFull.Error()
	case errors.Is(err, guestbook.ErrUnknown):
		return http.StatusServiceUnavailable, "Redis did not answer in time, the outcome is unknown: a repeat with the same Idempotency-Key is safe, and so are a get and a set"
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
			var message string
			status, message = explain(err)
			s.Log.Debug("request failed", "command", a.command, "status", status, "error", err)
			writeError(w, status, message)
		} else {
			write(w, status, a.body, a.length)
		}
		s.observe(a.command, status, time.Since(start))
	}
}

// storeContext limits what a request does with the store. It outlives a client that goes away: redigo closes
// a connection whose command is given up.
func (s *Server) storeContext(r *http.Request) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(r.Context()), s.RequestTimeout)
}

func writeError(w http.ResponseWriter, status int, message string) {
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, append(appendJSONString([]byte(`{"error": `), message), '}'))
}

var contentTypeJSON = []string{"application/json"}

func writeJSON(w http.ResponseWriter, status int, body []byte) {
	write(w, status, body, []string{strconv.Itoa(len(body))})
}

func write(w http.ResponseWriter, status int, body []byte, length []string) {
	if length == nil {
		length = []string{strconv.Itoa(len(body))}
	}
	header := w.Header()
	header["Content-Type"] = contentTypeJSON
	header["Content-Length"] = length
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may have gone; there is nobody to tell
}
