package browser

import (
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

func sources(t *testing.T) string { return filepath.Join(must.Root(t), "nginx", "page") }

// The test runs the JavaScript tests in nginx/page/*.test.js. Each JavaScript test runs in a page of its own.
func TestModules(t *testing.T) {
	t.Parallel()
	files := must.Get(filepath.Glob(filepath.Join(sources(t), "*.test.js")))(t)
	if len(files) < 5 {
		t.Fatalf("only %d files of tests", len(files))
	}
	url := modules(t)
	for _, file := range files {
		module := `import("/` + filepath.Base(file) + `")`
		p := load(t, url, visitor{hurried: true})
		var names []string
		must.Hold(t, "tests in "+file, waitLimit, func() bool {
			if names = get[[]string](p, module+`.then((tests) => Object.keys(tests.default), () => [])`); len(names) == 0 {
				p.reload() // Chromium aborts the import of a module if a network interface appears or disappears
			}
			return len(names) > 0
		})
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".test.js")+"/"+name, func(t *testing.T) {
				p := load(t, url, visitor{hurried: true})
				if wrong := get[string](p, module+`.then((tests) => tests.default[`+inJS(name)+`]()).then(() => "", (error) => error.stack)`); wrong != "" {
					t.Error(wrong)
				}
			})
		}
	}
}

// modules serves the page's JavaScript modules, and a document that loads none of them.
func modules(t *testing.T) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/", http.FileServer(http.Dir(sources(t))))
	mux.Handle("/{$}", html(http.StatusOK, `<!doctype html><link rel="icon" href="data:,"><textarea id="text"></textarea><p id="news"></p>`))
	return serve(t, "http", "127.0.0.1", mux)
}

var (
	imports = regexp.MustCompile(`from "\./(\w+)\.js"`)
	asks    = regexp.MustCompile(`\bserver\.(read|post|follow)\(|\bfetch\(`)
	paints  = regexp.MustCompile(`\bdocument\.|\bbyId\(`)
)

// Each module of the page has at most 250 lines. Modules that change the document send no requests. The imports of the modules form no
// cycle.
func TestModulesAreSmallAndKnowOnlyThoseBelowThem(t *testing.T) {
	below := map[string][]string{}
	for _, file := range must.Get(filepath.Glob(filepath.Join(sources(t), "*.js")))(t) {
		name := strings.TrimSuffix(filepath.Base(file), ".js")
		if strings.HasSuffix(name, ".test") {
			continue
		}
		text := must.Read(t, file)
		if n := strings.Count(text, "\n"); n > 250 {
			t.Errorf("%s has %d lines", name, n)
		}
		if asks.MatchString(text) && paints.MatchString(text) {
			t.Errorf("%s both asks the server and paints", name)
		}
		below[name] = nil
		for _, found := range imports.FindAllStringSubmatch(text, -1) {
			below[name] = append(below[name], found[1])
		}
	}
	// In each round, the loop removes the modules that import no remaining module. If modules remain after the loop, their imports
	// form a cycle.
	for before := 0; before != len(below); {
		before = len(below)
		for name, imported := range below {
			if !slices.ContainsFunc(imported, func(other string) bool { _, ok := below[other]; return ok }) {
				delete(below, name)
			}
		}
	}
	if len(below) > 0 {
		t.Errorf("these modules are below themselves: %q", below)
	}
}
