package docs

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// A phrase is a pattern of unclear wording, and advice on what to write instead.
type phrase struct {
	pattern *regexp.Regexp
	instead string
}

const start = `(?:^|[.!?:)] |[*-] )`

var phrases = []phrase{
	{regexp.MustCompile(`(?i)\bwhom?ever\b|\bwhosoever\b`), "name the actor: a client, a caller, nginx"},
	{regexp.MustCompile(`(?i)\bthat which\b|\bthose (?:that|who|which)\b|\b(?:the|that) ones? there\b`), "repeat the noun"},
	{regexp.MustCompile(start + `(?:The )?(?:One|That one|The ones?) (?:that|who|which|whose)\b`), "repeat the noun"},
	{regexp.MustCompile(start + `(?:What|Whatever|Who|Whom|Whose|Where|Wherever|Whether|Which)\b(?:[^.?!]|[.?!]\S)*(?:[.!:;] |[.!:;]?$)`), "begin with the thing that acts; if, unless or when for a condition"},
	{regexp.MustCompile(`^(?:what|whom?) .*`), "begin with a noun or a verb"},
	{regexp.MustCompile(`, too(?:[.,;:)]|$)`), "also, before the verb"},
	{regexp.MustCompile(`(?i)\blikewise\b`), "repeat what is alike"},
	{regexp.MustCompile(`\b(?:says?|tells?) (?:of \w+ )?whether\b`), "reports whether"},
	{regexp.MustCompile(`\btells? (?:how|what|which|who|why|the whole)\b`), "describes, returns"},
	{regexp.MustCompile(`\b(?:is|are|was|were) told\b`), "the actor and a verb of Go or HTTP: nginx sends, the client learns"},
	{regexp.MustCompile(`\bpass(?:es|ed)? over\b`), "skips, ignores"},
	{regexp.MustCompile(`\b(?:to|can|could|may|might) be had\b`), "exists"},
	{regexp.MustCompile(start + `Gives\b`), "returns, prints, sets"},
	{regexp.MustCompile(`, for (?:it|they|he|she|that one|nobody|there) (?:is|are|was|were|has|had|would|may|must|can|could|does|did)\b`), "because"},
}

// docVerbs matches unclear verbs, such as "gives". A doc comment must not have such a verb after the name.
var docVerbs = regexp.MustCompile(`^(?:gives|says|tells|lets|has|is told|are told|knows|wants|passes over)\b`)

// A passage is one paragraph of a document, or one paragraph of a comment.
type passage struct {
	at   string
	text string
}

// No comment and no document contains one of the unclear phrases.
func TestProse(t *testing.T) {
	read := 0
	for _, file := range sources(t) {
		passages, faults := judge(file, must.Read(t, must.Root(t), file))
		read += passages
		for _, fault := range faults {
			t.Error(fault)
		}
	}
	if read < 2000 {
		t.Errorf("only %d passages were read", read)
	}
}

// The check of prose finds each kind of unclear phrase, and accepts clear sentences.
func TestProseIsJudged(t *testing.T) {
	for _, c := range []struct {
		file, content string
		faults        int
	}{
		{"a.md", "Whoever asks joins the next\nexchange. What is written stays; those\nthat read it see it, too.", 4},
		{"a.md", "## What it costs\n\nWhat makes `index.html`? What does it cost? A caller joins the next exchange.\n\n```\n# Whoever\n```", 0},
		{"a.md", "| Fault | What must hold |\n|---|---|\n| none | likewise |", 1},
		{"a.sh", "#!/bin/sh\n# Where there is none,\n# it is told so.\necho '# no comment: whoever'", 2},
		{"a.yaml", "a: # what is kept\n  # One that ends is restarted.\n  description: Gives a list, for it is short", 4},
		{"a.js", "/* tells whether it is\n * to be had */\nf() // passes over the rest", 3},
		{"a.go", "// Package a is short.\npackage a\n\n// F returns.\nfunc F() {}\n\n// A T is a type.\ntype T int", 0},
		{"a.go", "// All of a.\npackage a\n\n// Returns.\nfunc F() {}\n\n// T gives one.\ntype T int", 3},
		{"a.go", "package a\n\n// The tests run.\nfunc TestF() {}\n\n// All of them.\nconst (\n\t// What A is.\n\tA = 1\n)", 2},
	} {
		_, faults := judge(c.file, c.content)
		if len(faults) != c.faults {
			t.Errorf("%q has %d faults instead of %d: %s", c.content, len(faults), c.faults, strings.Join(faults, "; "))
		}
	}
}

// judge returns the number of passages in a file, and a message for each unclear phrase.
func judge(file, content string) (read int, faults []string) {
	passages, faults := proseOf(file, content)
	for _, p := range passages {
		for _, phrase := range phrases {
			for _, found := range phrase.pattern.FindAllString(p.text, -1) {
				faults = append(faults, fmt.Sprintf("%s: %.40q: write %s", p.at, found, phrase.instead))
			}
		}
	}
	return len(passages), faults
}

// sources returns the paths of all files in the repository, except generated files.
func sources(t *testing.T) (files []string) {
	t.Helper()
	made := regexp.MustCompile(`^(all-in-one|docs/results|nginx/html|nginx/csp\.conf|k8s/ha/redis-ha-scripts\.yaml)$`)
	must.OK(t, fs.WalkDir(os.DirFS(must.Root(t)), ".", func(name string, entry fs.DirEntry, err error) error {
		switch hidden := strings.HasPrefix(name, ".") && !slices.Contains([]string{".", ".ci", ".github"}, name); {
		case err != nil:
			return err
		case entry.IsDir() && (hidden || made.MatchString(name)):
			return fs.SkipDir
		case !entry.IsDir() && !made.MatchString(name):
			files = append(files, name)
		}
		return nil
	}))
	return files
}

// comments maps the extension of a file to a pattern for lines with a comment.
var comments = map[string]*regexp.Regexp{
	".js":   regexp.MustCompile(`(?:^|\s)(?://|/\*|\*) (.*?)(?: \*/)?$`),
	".css":  regexp.MustCompile(`(?:^|\s)(?:/\*|\*) (.*?)(?: \*/.*)?$`),
	".c":    regexp.MustCompile(`(?:^|\s)(?://|/\*|\*) (.*?)(?: \*/)?$`),
	".lua":  regexp.MustCompile(`(?:^|\s)-- (.*)$`),
	".md":   regexp.MustCompile(`^(.+)$`),
	".json": regexp.MustCompile(`"(?:summary|description)": "(.*?)"`),
}

// hash matches a comment that begins with #, and the fields "summary" and "description" in YAML.
var hash = regexp.MustCompile(`(?:(?:^|[\s@])##? |^\s*"?(?:summary|description)"?: "?)(.*?)"?,?$`)

// proseOf returns the passages of a file, and messages about its doc comments.
func proseOf(file, content string) (passages []passage, faults []string) {
	ending := filepath.Ext(file)
	if ending == ".go" {
		return goProse(file, content)
	}
	sign, known := comments[ending]
	switch {
	case known:
	case slices.Contains([]string{".yaml", ".yml", ".sh", ".conf", ".cfg", ""}, ending) && !strings.HasPrefix(content, "MIT") && file != "LICENSE":
		sign = hash
	default:
		return nil, nil
	}
	if ending == ".md" {
		// Blank lines replace each fenced code block, so that the line numbers stay right.
		content = fenced.ReplaceAllStringFunc(content, func(block string) string { return strings.Repeat("\n", strings.Count(block, "\n")) })
	}
	return collect(file, strings.Split(content, "\n"), 1, sign), nil
}

// newPassage matches a line that begins a new passage, such as an item of a list.
var newPassage = regexp.MustCompile(`^(?:[|#]|[-*] |\d+\. |\w[\w, …-]*: )`)

// collect returns the passages in these lines of a file. The first line has the line number "first".
func collect(file string, lines []string, first int, sign *regexp.Regexp) (passages []passage) {
	fresh := true
	for i, line := range lines {
		match := sign.FindStringSubmatchIndex(line)
		if match == nil || strings.TrimSpace(line[match[2]:match[3]]) == "" {
			fresh = true
			continue
		}
		text, trailing := strings.TrimSpace(line[match[2]:match[3]]), strings.TrimSpace(line[:match[0]]) != ""
		indented := sign != comments[".md"] && strings.HasPrefix(line[match[2]:], "  ")
		if fresh || trailing || indented || newPassage.MatchString(text) {
			passages = append(passages, passage{at: fmt.Sprintf("%s:%d", file, first+i)})
		}
		last := &passages[len(passages)-1]
		last.text = strings.TrimPrefix(last.text+" "+text, " ")
		fresh = trailing
	}
	return passages
}

// slashes matches a line of a Go comment, but not a directive such as //go:build.
var slashes = regexp.MustCompile(`^(?://|/\*)\s(.*)$`)

// goProse returns the comments of a Go file as passages, and messages about its doc comments.
func goProse(file, content string) (passages []passage, faults []string) {
	set := token.NewFileSet()
	parsed, err := parser.ParseFile(set, file, content, parser.ParseComments)
	if err != nil {
		return nil, []string{err.Error()}
	}
	for _, group := range parsed.Comments {
		var lines []string
		for _, comment := range group.List {
			lines = append(lines, strings.Split(comment.Text, "\n")...)
		}
		passages = append(passages, collect(file, lines, set.Position(group.Pos()).Line, slashes)...)
	}
	check := func(doc *ast.CommentGroup, name string) {
		if doc == nil || strings.TrimSpace(doc.Text()) == "" {
			return
		}
		at := fmt.Sprintf("%s:%d", file, set.Position(doc.Pos()).Line)
		rest, found := strings.CutPrefix(strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(doc.Text(), "A "), "An "), "The "), name)
		if !found || regexp.MustCompile(`^\w`).MatchString(rest) {
			faults = append(faults, at+": write a doc comment that begins with "+name)
		} else if verb := docVerbs.FindString(strings.TrimSpace(rest)); verb != "" {
			faults = append(faults, fmt.Sprintf("%s: %q: write returns, reports whether, holds, or what it does", at, name+" "+verb))
		}
	}
	name := strings.TrimSuffix(parsed.Name.Name, "_test")
	if parsed.Doc != nil && name != "main" && !strings.HasPrefix(parsed.Doc.Text(), "Package "+name+" ") {
		faults = append(faults, fmt.Sprintf("%s:%d: write Package %s …", file, set.Position(parsed.Doc.Pos()).Line, name))
	}
	for _, declaration := range parsed.Decls {
		switch d := declaration.(type) {
		case *ast.FuncDecl:
			// A test's comment describes the tested behaviour, and need not begin with the test's name.
			if !regexp.MustCompile(`^(Test|Fuzz|Benchmark|Example)($|[A-Z])`).MatchString(d.Name.Name) {
				check(d.Doc, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Lparen.IsValid() {
				d.Doc = nil // a comment above a group of declarations need not begin with a name
			}
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.TypeSpec:
					check(cmp.Or(s.Doc, d.Doc), s.Name.Name)
				case *ast.ValueSpec:
					if len(s.Names) == 1 {
						check(cmp.Or(s.Doc, d.Doc), s.Names[0].Name)
					}
				}
			}
		}
	}
	return passages, faults
}
