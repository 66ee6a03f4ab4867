package server

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

func TestWatchersAreBounded(t *testing.T) {
	h := newHub(Options{Metrics: prometheus.NewRegistry()})
	// If "subscribe" accepts the viewer, it returns ErrNotSupported, because a ResponseRecorder has no connection to take over.
	within := func(key string) bool {
		_, _, err := h.subscribe(key, guestbook.Start, httptest.NewRecorder())
		return errors.Is(err, http.ErrNotSupported)
	}
	h.viewers = maxViewers
	if within("messages") {
		t.Error("one more than the most may watch")
	}
	h.viewers = 0
	for i := range maxTopics {
		h.topics[fmt.Sprint(i)] = &topic{}
	}
	if within("messages") {
		t.Error("one more than the most books can be watched")
	}
	if !within("7") {
		t.Error("a book that is watched already cannot be watched")
	}
}
