// Package docs holds the tests of what the documents say.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"guestbook/api/test/kit/localpod"
)

var quoted = regexp.MustCompile("`([^`]+)`")

// Each file that docs/architecture.md names is there, and has what the document says to look for.
func TestArchitectureNamesWhatIsThere(t *testing.T) {
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	document, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for line := range strings.Lines(string(document)) {
		cells := strings.Split(line, "|")
		if len(cells) == 4 { // a row of the first table: paths
			for _, path := range quoted.FindAllStringSubmatch(cells[1], -1) {
				if _, err := os.Stat(filepath.Join(root, path[1])); err != nil {
					t.Error(err)
				}
			}
		}
		if len(cells) != 5 || !strings.Contains(cells[2], "`") {
			continue // not a row of the second
		}
		file := quoted.FindStringSubmatch(cells[2])[1]
		has := contents(t, filepath.Join(root, file))
		for _, name := range quoted.FindAllStringSubmatch(cells[3], -1) {
			names++
			if !has(name[1]) {
				t.Errorf("%s has no %s", file, name[1])
			}
		}
	}
	if names < 20 {
		t.Errorf("the table names only %d things", names)
	}
}

// contents says of a name whether the file has it: a Go file declares it, any other has that text.
func contents(t *testing.T, file string) func(name string) bool {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if filepath.Ext(file) != ".go" {
		return func(name string) bool { return strings.Contains(string(text), name) }
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), file, text, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			found[n.Name.Name] = true
		case *ast.TypeSpec:
			found[n.Name.Name] = true
		case *ast.ValueSpec: // a variable or constant
			for _, name := range n.Names {
				found[name.Name] = true
			}
		}
		return true
	})
	return func(name string) bool { return found[name] }
}
