package limits

import (
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// The following constants limit the lines of code. Raise a limit only deliberately. Blank lines and comments count only in tests.
const (
	maxAPILines      = 2400 // lines of Go in api/, without tests and tools
	maxToolsLines    = 900  // lines of Go in api/tools/
	maxLuaLines      = 40
	maxFileLines     = 200    // lines of one Go or Lua file of the API
	maxTestLines     = 20_269 // lines of Go in tests and in api/test/, with blank lines and comments
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
		lines := 0
		switch {
		case strings.HasSuffix(name, "_test.go"), strings.HasPrefix(name, "api/test/"):
			lines = strings.Count(string(text), "\n")
			tests += lines
			if lines > maxTestFileLines {
				t.Errorf("%s has %d lines: make two files of it, at most %d lines each", name, lines, maxTestFileLines)
			}
			return err
		case path.Ext(name) == ".lua":
			lines = luaLines(string(text))
			lua += lines
		case strings.HasPrefix(name, "api/tools/"):
			lines = goLines(text)
			tools += lines
		default:
			lines = goLines(text)
			api += lines
		}
		if lines > maxFileLines && !strings.HasPrefix(name, "api/tools/") {
			t.Errorf("%s has %d lines: make two files of it, at most %d lines each", name, lines, maxFileLines)
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

// goLines returns the number of lines that contain code.
func goLines(text []byte) int {
	files := token.NewFileSet()
	file := files.AddFile("", -1, len(text))
	var s scanner.Scanner
	s.Init(file, text, nil, 0) // without a flag, the scanner skips comments
	lines := map[int]bool{}
	for {
		pos, tok, literal := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		if tok == token.SEMICOLON && literal == "\n" {
			continue // the scanner has inserted this semicolon
		}
		for line := range strings.Count(literal, "\n") + 1 { // a raw string may have several lines
			lines[file.Line(pos)+line] = true
		}
	}
}

func luaLines(text string) (n int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "--") {
			n++
		}
	}
	return n
}

func TestLinesAreCounted(t *testing.T) {
	const text = "// Package x.\npackage x\n\n/* a\n\nb */\nvar a = `b\n\n// c\n` // d\n\nfunc f() { // e\n\treturn\n}\n"
	if n := goLines([]byte(text)); n != 8 {
		t.Errorf("%d lines, want 8", n)
	}
	if n := luaLines("-- a\nlocal b = 1 -- c\n\n  -- d\n  return b\n"); n != 2 {
		t.Errorf("%d lines of Lua, want 2", n)
	}
}
