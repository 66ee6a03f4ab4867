// Package commands reads the commands that the documents show, and the output that they promise, and runs them as a reader
// would.
//
// A command is in a fence ```sh, each a shell of its own; a fence ```text right after it is its output. Words after "sh" say
// how tests treat it:
//
//	cluster     make e2e runs it, on a cluster. Without this word, or one of the next three, make test runs it
//	e2e         another test of make e2e runs it, in a state that it needs
//	release     another test of make test runs it, in a folder with the files of a release
//	by-hand     no test runs it, because tests lack its needs or its time
//	background  it runs until the document's end, as in a second terminal
//	repeat      it is typed again until its output is right
//	fails       its exit code is not 0
//	figures     its numbers may differ
package commands

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Block is one fence of commands.
type Block struct {
	File   string // below the repository
	Line   int
	Words  []string // those after "sh"
	Text   string
	Output string // as the document promises it; "" promises nothing
}

// Is reports whether the fence has a word.
func (b Block) Is(word string) bool { return slices.Contains(b.Words, word) }

// promised returns the pattern with which the block's output must begin.
func (b Block) promised() string {
	if b.Is("figures") {
		return promises(b.Output, asideOrFigure)
	}
	return promises(b.Output, aside)
}

func (b Block) String() string { return fmt.Sprintf("%s:%d: %s", b.File, b.Line, b.Text) }

// Documents lists the documents of the repository, README.md first.
func Documents(root string) ([]string, error) {
	files := []string{"README.md"}
	for _, pattern := range []string{"*.md", "docs/*.md"} {
		found, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range found {
			name, err := filepath.Rel(root, file)
			if err != nil {
				return nil, err
			}
			if !slices.Contains(files, name) {
				files = append(files, name)
			}
		}
	}
	return files, nil
}

// Read returns the commands of a document, in their order.
func Read(root, file string) (blocks []Block, err error) {
	content, err := os.ReadFile(filepath.Join(root, file))
	if err != nil {
		return nil, err
	}
	var words, lines []string // of the fence that is open
	var indent string
	follows := false // there were only blank lines since a fence of commands
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

// aside matches the changing parts of an output: "…", the suffix of a Deployment's pod, percentages, and ages. asideOrFigure
// also matches all numbers.
var (
	aside         = regexp.MustCompile(`…|-[a-z]*[0-9][0-9a-z]{5,9}-[0-9a-z]{5}\b|\d+%|\b(?:\d+[smhd])+\b`)
	asideOrFigure = regexp.MustCompile(aside.String() + `|\d+`)
)

// promises returns the pattern of an output: the words of each line with any space between them, and any text for what except
// matches. "…" alone on a line stands for any number of lines.
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
