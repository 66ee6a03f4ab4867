package server

import (
	"errors"
	"fmt"
	"net/http"

	"guestbook/api/internal/guestbook"
)

type requestError struct {
	status  int
	message string // describes the problem and what the client can do
}

func (e *requestError) Error() string { return e.message }

// storeErrors maps each error of the store to an HTTP status and to advice for the client. In the answer's body, the advice follows the
// error's text.
var storeErrors = []struct {
	err    error
	status int
	advice string
}{
	{guestbook.ErrWrongType, http.StatusConflict, ": use another key"},
	{guestbook.ErrForbidden, http.StatusForbidden, ": use another key"},
	{guestbook.ErrNoEntry, http.StatusBadRequest, ": use an id, or the before, of an earlier answer"},
	{guestbook.ErrReused, http.StatusUnprocessableEntity, ": use a new one for a new text"},
	{guestbook.ErrTooLong, http.StatusRequestEntityTooLarge, fmt.Sprintf(", as it has more than %d bytes: read it by pages, at /guestbook/entries", maxGetBytes)},
	{guestbook.ErrFull, http.StatusInsufficientStorage, ": ask the operator for more room"},
	{guestbook.ErrUnconfirmed, http.StatusServiceUnavailable, ": the master has it, but too few slaves have confirmed that they have it as well. A repeat with the same Idempotency-Key is safe, and so is a set"},
	{guestbook.ErrUnknown, http.StatusServiceUnavailable, ": Redis did not answer in time, or not in words that are understood. A repeat with the same Idempotency-Key is safe, and so are a get and a set"},
}

// statusOf returns the HTTP status and the message that a client gets for an error of a handler. A requestError contains both. The status
// is 503 for a RefusedError and for each error that storeErrors does not contain.
func statusOf(err error) (status int, message string) {
	if request, ok := errors.AsType[*requestError](err); ok {
		return request.status, request.message
	}
	if refused, ok := errors.AsType[*guestbook.RefusedError](err); ok {
		return http.StatusServiceUnavailable, refused.Reason + refused.Outcome
	}
	for _, e := range storeErrors {
		if errors.Is(err, e.err) {
			return e.status, e.err.Error() + e.advice
		}
	}
	return http.StatusServiceUnavailable, "Redis cannot be reached, nothing was stored: try again in a moment"
}

// writeError sends the message of statusOf as JSON, such as {"error": "…"}, and returns the HTTP status. An answer with the status 503 asks
// the client to retry after a second. If LOG_LEVEL is debug, the log gets the error in ASCII, because other characters of a request could
// disturb the terminal that shows the log.
func (s *Server) writeError(w http.ResponseWriter, err error) int {
	status, message := statusOf(err)
	s.Log.Debug("request failed", "status", status, "error", fmt.Sprintf("%+q", err))
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	writeJSON(w, status, append(appendJSONString([]byte(`{"error": `), message), '}'))
	return status
}
