package browser

import (
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

func sources(t *testing.T) string { return filepath.Join(must.Root(t), "nginx", "page") }

// The test runs the JavaScript tests in nginx/page/*.test.js. Each JavaScript test runs in a page of its own.
func TestModules(t *testing.T) {
	t.Parallel()
	files := must.Get(filepath.Glob(filepath.Join(sources(t), "*.test.js")))(t)
	url := modules(t)
	for _, file := range files {
		module := `import("/` + filepath.Base(file) + `")`
		p := load(t, url, visitor{hurried: true})
		for _, name := range get[[]string](p, module+`.then((tests) => Object.keys(tests.default))`) {
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
