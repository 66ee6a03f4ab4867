package server

import (
	"encoding/json"
	"log/slog"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/test/kit/must"
)

// The file openapi.json must describe exactly the URLs for which the server has routes. Each "$ref" in openapi.json must name a value that
// exists.
func TestOpenAPIDescribesEveryRoute(t *testing.T) {
	var description struct {
		Paths      map[string]map[string]any
		Components map[string]map[string]map[string]any
	}
	must.OK(t, json.Unmarshal(openAPI, &description))
	for _, ref := range regexp.MustCompile(`"\$ref": "([^"]*)"`).FindAllSubmatch(openAPI, -1) {
		folder, name := path.Split(string(ref[1]))
		if kind, ok := strings.CutPrefix(folder, "#/components/"); !ok || description.Components[strings.TrimSuffix(kind, "/")][name] == nil {
			t.Errorf("%s names nothing", ref[1])
		}
	}
	s := New(Options{RequestTimeout: time.Second, Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry()})
	var routed []string
	for pattern := range s.routes() {
		method, url, ok := strings.Cut(pattern, " ")
		if !ok {
			method, url = "", pattern
		}
		switch url {
		case "/":
			continue // the pattern "/" matches all URLs that no other pattern matches
		case "/guestbook/{$}":
			url = "/guestbook/"
		case "/guestbook.php/":
			url = "/guestbook.php/{extra}"
		}
		routed = append(routed, url)
		answered := []string{"get", "post"}
		if method != "" {
			answered = []string{strings.ToLower(method)}
		}
		methods := maps.Clone(description.Paths[url])
		if ref, ok := methods["$ref"].(string); ok {
			maps.Copy(methods, description.Components["pathItems"][path.Base(ref)])
		}
		delete(methods, "$ref")
		delete(methods, "parameters")
		if described := slices.Sorted(maps.Keys(methods)); !slices.Equal(described, answered) {
			t.Errorf("%s is described with %q and answers %q", url, described, answered)
		}
	}
	described := slices.Sorted(maps.Keys(description.Paths))
	if slices.Sort(routed); !slices.Equal(described, routed) {
		t.Errorf("described are %v, routed are %v", described, routed)
	}
}
