package server

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"guestbook/api/internal/guestbook"
)

// Other tests provoke the other errors of the store by a real Redis.
func TestErrorsOfTheStore(t *testing.T) {
	s := &Server{Options: Options{Log: slog.New(slog.DiscardHandler)}}
	for _, c := range []struct {
		err    error
		status int
		words  string
	}{
		{guestbook.ErrTooLong, http.StatusRequestEntityTooLarge, "read it by pages"},
		{guestbook.ErrUnknown, http.StatusServiceUnavailable, "the outcome is unknown: Redis did not answer"},
		{guestbook.ErrUnconfirmed, http.StatusServiceUnavailable, "the outcome is unknown: the master has it"},
		{&guestbook.RefusedError{Reason: "its disk is full", Err: errors.New("inner")}, http.StatusServiceUnavailable, "its disk is full (nothing was stored)"},
		{errors.New("connection refused"), http.StatusServiceUnavailable, "nothing was stored"},
	} {
		w := httptest.NewRecorder()
		s.writeError(w, fmt.Errorf("master SET: %w: inner words", c.err))
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.words) || strings.Contains(w.Body.String(), "inner") {
			t.Errorf("%v: answers %d %s, want %d %q without the inner words", c.err, w.Code, w.Body, c.status, c.words)
		}
		if retry := w.Header().Get("Retry-After"); (retry != "") != (c.status == http.StatusServiceUnavailable) {
			t.Errorf("%v: status %d with Retry-After %q", c.err, w.Code, retry)
		}
	}
}
