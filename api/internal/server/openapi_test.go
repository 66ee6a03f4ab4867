package server

import (
	"encoding/json"
	"log/slog"
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
	var routed, described []string
	urls := strings.NewReplacer("/{$}", "/", ".php/", ".php/{extra}")
	for pattern := range s.routes() {
		if method, url, ok := strings.Cut(pattern, " "); ok {
			routed = append(routed, url+" "+strings.ToLower(method))
		} else if url := urls.Replace(pattern); url != "/" { // the pattern "/" matches all URLs that no other pattern matches
			routed = append(routed, url+" get", url+" post")
		}
	}
	for url, item := range description.Paths {
		if ref, ok := item["$ref"].(string); ok {
			item = description.Components["pathItems"][path.Base(ref)]
		}
		delete(item, "parameters")
		for method := range item {
			described = append(described, url+" "+method)
		}
	}
	slices.Sort(routed)
	if slices.Sort(described); !slices.Equal(described, routed) {
		t.Errorf("described are %q, routed are %q", described, routed)
	}
}
