// Package commands reads shell commands and their expected output from the Markdown documents. The type Shell runs
// the commands as a reader of the documents would.
//
// The tests run each code block that begins with ```sh in a shell of its own. If a code block that begins with ```text comes next, its text
// is the expected output. The words after ```sh choose how the tests treat the code block:
//
//	cluster:     `make e2e` runs the code on a cluster. Without the words "cluster", "e2e", "release" and "by-hand", `make test` runs the code.
//	e2e:         A separate test of `make e2e` runs the code, once the cluster is in the state that the code needs.
//	release:     A separate test of `make test` runs the code, in a folder with the files of a release.
//	by-hand:     No test runs the code, because the code takes too long or needs something that tests lack.
//	background:  The command runs until the end of the document, as in a second terminal.
//	repeat:      The test repeats the code until the output is as expected.
//	fails:       The code must fail: its exit code must not be 0.
//	figures:     The numbers in the actual output may differ from the numbers in the document.
package commands

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Block is a code block that begins with ```sh in a document.
type Block struct {
	File   string
	Line   int
	Words  []string // the words after ```sh
	Text   string
	Output string // the output that the document shows, or ""
}

// Is reports whether this word stands after ```sh.
func (b Block) Is(word string) bool { return slices.Contains(b.Words, word) }

func (b Block) promised() string {
	if b.Is("figures") {
		return promises(b.Output, asideOrFigure)
	}
	return promises(b.Output, aside)
}

func (b Block) String() string { return fmt.Sprintf("%s:%d: %s", b.File, b.Line, b.Text) }

// Documents returns the paths of the repository's Markdown documents, with README.md first.
func Documents(root string) ([]string, error) {
	files := []string{"README.md"}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := fs.Glob(os.DirFS(root), pattern)
		if err != nil {
			return nil, err
		}
		files = append(files, slices.DeleteFunc(found, func(name string) bool { return name == files[0] })...)
	}
	return files, nil
}

// Read returns the code blocks of a document that begin with ```sh, in their order.
func Read(root, file string) (blocks []Block, err error) {
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	var words, lines []string
	var indent string
	follows := false // true if only blank lines have followed the last code block with ```sh
	for i, line := range strings.Split(string(content), "\n") {
		info, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && words == nil:
			words, lines = append(strings.Fields(info), ""), nil
			indent, _, _ = strings.Cut(line, "```")
			if words[0] == "sh" {
				blocks = append(blocks, Block{File: file, Line: i + 1, Words: words[1 : len(words)-1]})
			}
		case isFence:
			text := strings.Join(lines, "\n") + "\n"
			if words[0] == "sh" {
				blocks[len(blocks)-1].Text = text
			} else if words[0] == "text" && follows {
				blocks[len(blocks)-1].Output = text
			}
			follows, words = words[0] == "sh", nil
		case words != nil:
			lines = append(lines, strings.TrimPrefix(line, indent))
		case strings.TrimSpace(line) != "":
			follows = false
		}
	}
	if words != nil {
		return nil, fmt.Errorf("%s: a fence is not closed", file)
	}
	return blocks, nil
}

// aside matches the parts of the output that may differ from the document: "…", the random end of a pod's name, percentages such as 5%, and
// ages such as 3m. asideOrFigure matches these parts and every number.
var (
	aside         = regexp.MustCompile(`…|-[a-z]*[0-9][0-9a-z]{5,9}-[0-9a-z]{5}\b|\d+%|\b(?:\d+[smhd])+\b`)
	asideOrFigure = regexp.MustCompile(aside.String() + `|\d+`)
)

// promises returns a regular expression for the output that a document shows. Any white space may separate words. The parts that match
// "except" may be any text. A line "…" stands for any number of lines.
func promises(output string, except *regexp.Regexp) string {
	pattern := `\A\s*`
	for line := range strings.Lines(strings.TrimSpace(output)) {
		words := strings.Fields(line)
		if slices.Equal(words, []string{"…"}) {
			pattern += `(?s:.*?)`
			continue
		}
		for i, word := range words {
			words[i] = ""
			rest := 0
			for _, at := range except.FindAllStringIndex(word, -1) {
				words[i] += regexp.QuoteMeta(word[rest:at[0]])
				if strings.HasSuffix(word[:at[1]], "%") {
					words[i] += `\d+%`
				} else {
					words[i] += `[^\n]*?`
				}
				rest = at[1]
			}
			words[i] += regexp.QuoteMeta(word[rest:])
		}
		pattern += strings.Join(words, `[ \t]+`) + `[ \t\r]*(?:\n\s*|\z)`
	}
	return pattern
}
