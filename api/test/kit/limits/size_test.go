package limits

import (
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// The following constants limit the lines of code. Blank lines and comments count only in test code.
const (
	maxAPILines      = 2400 // lines of Go in api/, without tests and tools
	maxToolsLines    = 900  // lines of Go in api/tools/
	maxLuaLines      = 40
	maxFileLines     = 200    // lines of one Go or Lua file of the API
	maxTestLines     = 17_000 // lines of Go in tests and in api/test/, with blank lines and comments
	maxTestFileLines = 300
)

func TestTheCodeIsSmall(t *testing.T) {
	root := os.DirFS(must.Root(t))
	var api, tools, lua, tests int
	must.OK(t, fs.WalkDir(root, "api", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || path.Ext(name) != ".go" && path.Ext(name) != ".lua" {
			return err
		}
		text, err := fs.ReadFile(root, name)
		lines, most, sum := codeLines(string(text)), maxFileLines, &api
		switch {
		case strings.HasSuffix(name, "_test.go"), strings.HasPrefix(name, "api/test/"):
			lines, most, sum = strings.Count(string(text), "\n"), maxTestFileLines, &tests
		case path.Ext(name) == ".lua":
			sum = &lua
		case strings.HasPrefix(name, "api/tools/"):
			most, sum = maxToolsLines, &tools
		}
		*sum += lines
		if lines > most {
			t.Errorf("%s has %d lines: make two files of it, at most %d lines each", name, lines, most)
		}
		return err
	}))
	for _, c := range []struct {
		what        string
		lines, most int
	}{{"Go in api/ without tests and tools", api, maxAPILines}, {"Go in api/tools/", tools, maxToolsLines}, {"Lua", lua, maxLuaLines}, {"tests", tests, maxTestLines}} {
		t.Logf("%s: %d lines of %d", c.what, c.lines, c.most)
		if c.lines > c.most || c.lines == 0 {
			t.Errorf("%s: %d lines, of which there may be %d: delete some, or decide on a larger number", c.what, c.lines, c.most)
		}
	}
}

// codeLines returns the number of lines of Go or Lua that are neither blank nor only a comment.
func codeLines(text string) (n int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "//") && !strings.HasPrefix(line, "--") {
			n++
		}
	}
	return n
}
