package browser

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"guestbook/api/test/kit/localpod"
)

// sources returns the path of the folder with the page's modules.
func sources(t *testing.T) string {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, "nginx", "page")
}

// The test runs the JavaScript tests in nginx/page/*.test.js. Each JavaScript test runs in a page of its own.
func TestModules(t *testing.T) {
	t.Parallel()
	folder := sources(t)
	files, err := filepath.Glob(filepath.Join(folder, "*.test.js"))
	if err != nil || len(files) < 5 {
		t.Fatalf("only %d files of tests: %v", len(files), err)
	}
	url := modules(t)
	for _, file := range files {
		module := `import("/` + filepath.Base(file) + `")`
		p := visit(t, url, visitor{hurried: true})
		var names []string
		p.awaitNil(file, func() error {
			if names = get[[]string](p, module+`.then((tests) => Object.keys(tests.default), () => [])`); len(names) > 0 {
				return nil
			}
			p.reload() // the import fails if Chromium's network has changed
			return errors.New("it has no tests")
		})
		for _, name := range names {
			t.Run(strings.TrimSuffix(filepath.Base(file), ".test.js")+"/"+name, func(t *testing.T) {
				p := visit(t, url, visitor{hurried: true})
				if wrong := get[string](p, module+`.then((tests) => tests.default[`+inJS(name)+`]()).then(() => "", (error) => error.stack)`); wrong != "" {
					t.Error(wrong)
				}
			})
		}
	}
}

// modules serves the page's JavaScript modules, and a nearly empty document that loads no module.
func modules(t *testing.T) (url string) {
	t.Helper()
	files := http.FileServer(http.Dir(sources(t)))
	return serve(t, "http", "127.0.0.1", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, ".js") {
			files.ServeHTTP(w, r)
			return
		}
		w.Header().Set("Content-Type", "text/html")
		_, _ = w.Write([]byte(`<!doctype html><link rel="icon" href="data:,"><textarea id="text"></textarea><p id="news"></p>`))
	}))
}

var (
	imports = regexp.MustCompile(`from "\./(\w+)\.js"`)
	asks    = regexp.MustCompile(`\bserver\.(read|post|follow)\(|\bfetch\(`)
	paints  = regexp.MustCompile(`\bdocument\.|\bbyId\(`)
)

// A module of the page has at most 250 lines, and does not both send requests and change the document.
func TestModulesAreSmallAndKnowOnlyThoseBelowThem(t *testing.T) {
	folder := sources(t)
	files, err := filepath.Glob(filepath.Join(folder, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	below := map[string][]string{}
	for _, file := range files {
		if strings.HasSuffix(file, ".test.js") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".js")
		if n := strings.Count(string(text), "\n"); n > 250 {
			t.Errorf("%s has %d lines", name, n)
		}
		if asks.Match(text) && paints.Match(text) {
			t.Errorf("%s both asks the server and paints", name)
		}
		for _, found := range imports.FindAllStringSubmatch(string(text), -1) {
			below[name] = append(below[name], found[1])
		}
	}
	var reaches func(from, to string, depth int) bool
	reaches = func(from, to string, depth int) bool {
		for _, next := range below[from] {
			if next == to || depth < len(below) && reaches(next, to, depth+1) {
				return true
			}
		}
		return false
	}
	for name := range below {
		if reaches(name, name, 0) {
			t.Errorf("%s is below itself", name)
		}
	}
}
