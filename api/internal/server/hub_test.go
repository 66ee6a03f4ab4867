package server

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

func TestWatchersAreBounded(t *testing.T) {
	h := newHub(Options{Metrics: prometheus.NewRegistry()})
	h.users = maxViewers
	if _, err := h.subscribe("messages", guestbook.Start); err == nil {
		t.Error("one more than the most may watch")
	}
	h.users = 0
	for i := range maxTopics {
		h.topics[fmt.Sprint(i)] = &topic{}
	}
	if _, err := h.subscribe("messages", guestbook.Start); err == nil {
		t.Error("one more than the most books can be watched")
	}
	if _, err := h.subscribe("7", guestbook.Start); err != nil {
		t.Errorf("a book that is watched already: %v", err)
	}
}
