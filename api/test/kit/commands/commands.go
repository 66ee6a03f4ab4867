// Package commands reads shell commands and their expected output from the Markdown documents. The type Shell runs
// the commands as a reader of the documents would.
//
// The tests run each code block that begins with ```sh in a shell of its own. A code block that begins with ```text holds the expected
// output of the code block before it. The words after ```sh choose how the tests treat the code block:
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
	"errors"
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

func (b Block) String() string { return fmt.Sprintf("%s:%d: %s", b.File, b.Line, b.Text) }

// Documents returns the paths of the repository's Markdown documents, with README.md first.
func Documents(root string) ([]string, error) {
	top, err := fs.Glob(os.DirFS(root), "*.md")
	docs, err2 := fs.Glob(os.DirFS(root), "docs/*.md")
	others := slices.DeleteFunc(append(top, docs...), func(name string) bool { return name == "README.md" })
	return append([]string{"README.md"}, others...), errors.Join(err, err2)
}

var (
	fence = regexp.MustCompile("(?m)^ *```")
	// shellBlock matches a code block that begins with ```sh, and the code block after it if that begins with ```text.
	shellBlock = regexp.MustCompile("(?ms)^( *)```sh\\b([^\n]*)\n(.*?)^ *```$(?:\\s+```text\n(.*?)^ *```$)?")
)

// Read returns the code blocks of a document that begin with ```sh, in their order.
func Read(root, file string) (blocks []Block, err error) {
	content, err := os.ReadFile(filepath.Join(root, file))
	if err == nil && len(fence.FindAll(content, -1))%2 != 0 {
		err = fmt.Errorf("%s: a fence is not closed", file)
	}
	line, text := 1, string(content)
	for _, match := range shellBlock.FindAllStringSubmatch(text, -1) {
		before, after, _ := strings.Cut(text, match[0])
		line += strings.Count(before, "\n")
		outdent := func(code string) string { return strings.ReplaceAll("\n"+code, "\n"+match[1], "\n")[1:] }
		blocks = append(blocks, Block{file, line, strings.Fields(match[2]), outdent(match[3]), outdent(match[4])})
		line, text = line+strings.Count(match[0], "\n"), after
	}
	return blocks, err
}

// aside matches the parts of a document that may differ from a command's real output: "…", the random end of a pod's name, percentages such
// as 5%, and ages such as 3m. asideOrFigure matches these parts and all numbers, for code blocks with the word "figures".
var (
	aside         = regexp.MustCompile(`…|-[a-z]*[0-9][0-9a-z]{5,9}-[0-9a-z]{5}\b|\d+%|\b(?:\d+[smhd])+\b`)
	asideOrFigure = regexp.MustCompile(aside.String() + `|\d+`)
)

// promised returns a regular expression for the output that the document shows. The expression allows any spaces between words, and ignores
// differences in the parts that the variable "aside" matches, such as ages. A line "…" stands for any number of lines.
func (b Block) promised() string {
	except := aside
	if b.Is("figures") {
		except = asideOrFigure
	}
	const anything, percentage = "\x00", "\x01" // placeholders that regexp.QuoteMeta does not change
	patterns := strings.NewReplacer(anything, `[^\n]*?`, percentage, `\d+%`)
	promise := `\A\s*`
	for line := range strings.Lines(strings.TrimSpace(b.Output)) {
		words := strings.Fields(line)
		if slices.Equal(words, []string{"…"}) {
			promise += `(?s:.*?)`
			continue
		}
		for i, word := range words {
			word = except.ReplaceAllStringFunc(word, func(part string) string {
				if strings.HasSuffix(part, "%") {
					return percentage
				}
				return anything
			})
			words[i] = patterns.Replace(regexp.QuoteMeta(word))
		}
		promise += strings.Join(words, `[ \t]+`) + `[ \t\r]*(?:\n\s*|\z)`
	}
	return promise
}
