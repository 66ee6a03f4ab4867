package server

import (
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

func TestWatchersAreBounded(t *testing.T) {
	fs := newFeeds(Options{Metrics: prometheus.NewRegistry()})
	fs.watching = maxViewers
	if _, _, err := fs.join("messages", guestbook.Start); err == nil {
		t.Error("one more than the most may watch")
	}
	fs.watching = 0
	for i := range maxFeeds {
		fs.byKey[fmt.Sprint(i)] = &feed{}
	}
	if _, _, err := fs.join("messages", guestbook.Start); err == nil {
		t.Error("one more than the most books can be watched")
	}
	if _, _, err := fs.join("7", guestbook.Start); err != nil {
		t.Errorf("a book that is watched already: %v", err)
	}
}
