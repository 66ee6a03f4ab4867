package server

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// The description and the routes must name the same addresses.
func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var description struct {
		Paths map[string]map[string]json.RawMessage
	}
	if err := json.Unmarshal(openAPI, &description); err != nil {
		t.Fatal(err)
	}
	s := New(Options{RequestTimeout: time.Second, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	var routed []string
	for pattern := range s.routes() {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "", pattern
		}
		switch path {
		case "/":
			continue // whatever is not described
		case "/guestbook/{$}":
			path = "/guestbook/"
		case "/guestbook.php/":
			path = "/guestbook.php/{extra}"
		}
		routed = append(routed, path)
		methods := []string{"get", "post"}
		if method != "" {
			methods = []string{strings.ToLower(method)}
		}
		for _, m := range methods {
			if description.Paths[path][m] == nil {
				t.Errorf("%s %s is not described", m, path)
			}
		}
		for m := range description.Paths[path] {
			if m != "parameters" && !slices.Contains(methods, m) {
				t.Errorf("%s %s is described and not answered", m, path)
			}
		}
	}
	described := slices.Sorted(maps.Keys(description.Paths))
	if slices.Sort(routed); !slices.Equal(described, routed) {
		t.Errorf("described are %v, routed are %v", described, routed)
	}
}
