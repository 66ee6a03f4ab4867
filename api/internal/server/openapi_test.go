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

// object returns a JSON value as a map. The map is nil if the value is not an object.
func object(node any) map[string]any {
	o, _ := node.(map[string]any)
	return o
}

// resolved returns a JSON value in which each $ref is replaced by the value that the $ref names. Fields beside a $ref override fields of
// the value that the $ref names.
func resolved(t *testing.T, document, node any) any {
	t.Helper()
	switch node := node.(type) {
	case []any:
		for i := range node {
			node[i] = resolved(t, document, node[i])
		}
	case map[string]any:
		all := map[string]any{}
		if ref, ok := node["$ref"].(string); ok {
			named := document
			for _, name := range strings.Split(ref, "/")[1:] {
				if named = object(named)[name]; named == nil {
					t.Fatalf("%s names nothing", ref)
				}
			}
			maps.Copy(all, resolved(t, document, named).(map[string]any))
		}
		for name, child := range node {
			if name != "$ref" {
				all[name] = resolved(t, document, child)
			}
		}
		return all
	}
	return node
}

// The file openapi.json and the routes of the server must contain the same URLs.
func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var description any
	if err := json.Unmarshal(openAPI, &description); err != nil {
		t.Fatal(err)
	}
	paths := resolved(t, description, description).(map[string]any)["paths"].(map[string]any)
	s := New(Options{RequestTimeout: time.Second, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	var routed []string
	for pattern := range s.routes() {
		method, path, ok := strings.Cut(pattern, " ")
		if !ok {
			method, path = "", pattern
		}
		switch path {
		case "/":
			continue // this pattern matches all other URLs
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
			if object(paths[path])[m] == nil {
				t.Errorf("%s %s is not described", m, path)
			}
		}
		for m := range object(paths[path]) {
			if m != "parameters" && !slices.Contains(methods, m) {
				t.Errorf("%s %s is described and not answered", m, path)
			}
		}
	}
	described := slices.Sorted(maps.Keys(paths))
	if slices.Sort(routed); !slices.Equal(described, routed) {
		t.Errorf("described are %v, routed are %v", described, routed)
	}
}
