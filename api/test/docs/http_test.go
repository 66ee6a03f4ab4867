package docs

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// docs/http.md and openapi.json name the same paths, parameters and HTTP statuses.
func TestHTTP(t *testing.T) {
	type operation struct {
		Parameters []struct {
			Name string
			Ref  string `json:"$ref"`
		}
		Responses map[string]any
	}
	var description struct {
		Paths      map[string]map[string]json.RawMessage
		Components struct {
			Parameters map[string]struct{ Name string }
			PathItems  map[string]map[string]json.RawMessage
		}
	}
	must.OK(t, json.Unmarshal([]byte(must.Read(t, must.Root(t), "api/internal/server/openapi.json")), &description))
	document := texts(t)["docs/http.md"]
	described := map[string]bool{}
	for path, methods := range description.Paths {
		if name, _, _ := strings.Cut(path, "{"); !strings.Contains(document, strings.TrimSuffix(name, "/")) {
			t.Errorf("docs/http.md does not name %s", path)
		}
		if ref := methods["$ref"]; ref != nil { // the reference is a text like "#/components/pathItems/…"
			methods = description.Components.PathItems[strings.Trim(filepath.Base(string(ref)), `"`)]
		}
		for method, raw := range methods {
			if method == "parameters" {
				continue
			}
			var o operation
			must.OK(t, json.Unmarshal(raw, &o))
			for status := range o.Responses {
				described[status] = true
			}
			for _, p := range o.Parameters {
				if p.Ref != "" {
					p.Name = description.Components.Parameters[filepath.Base(p.Ref)].Name
				}
				if !regexp.MustCompile(`\b` + regexp.QuoteMeta(p.Name) + `\b`).MatchString(document) {
					t.Errorf("docs/http.md does not name the parameter %s of %s %s", p.Name, method, path)
				}
			}
		}
	}
	tables := strings.Join(regexp.MustCompile(`(?m)^\|.*$`).FindAllString(document, -1), "\n")
	tables = regexp.MustCompile(`\d+ (KB|KiB|MiB)`).ReplaceAllString(tables, "")
	named := map[string]bool{}
	for _, status := range regexp.MustCompile(`\b[2-5]\d\d\b`).FindAllString(tables, -1) {
		named[status] = true
	}
	delete(named, "500") // in docs/http.md, 500 is a number of entries, not a status
	// Every path may return 405 or 431, so openapi.json does not list these statuses.
	for _, status := range []string{"405", "431"} {
		described[status] = true
	}
	if a, b := slices.Sorted(maps.Keys(named)), slices.Sorted(maps.Keys(described)); !slices.Equal(a, b) {
		t.Errorf("docs/http.md has the statuses %v, openapi.json %v", a, b)
	}
}
