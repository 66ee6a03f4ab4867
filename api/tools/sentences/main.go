// Command sentences prints random sentences of the repository's comments and documents, each after the name of the file. An engineer who
// has not read the code should understand each sentence at once. Start the command "sentences" in the repository's root.
//
//	sentences -seed 7 -n 40
package main

import (
	"cmp"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

var (
	// comment maps the extension of a file's name to a pattern for lines with a comment. The pattern's first group is the code before the
	// comment, and the second group is the comment's text.
	comment = map[string]*regexp.Regexp{
		".go": slashes, ".js": slashes, ".css": regexp.MustCompile(`^(\s*|.*/\*) *([A-Z][^{:]*?)(?:\*/.*)?$`),
		// The pattern for documents does not match headings, tables and pictures.
		".md": regexp.MustCompile(`^( *\* | *\d+\. | {0,3})([^#| ].*)`),
	}
	slashes   = regexp.MustCompile(`^(.*\s|)(?://|/\*|<!--) (.*)`)
	other     = regexp.MustCompile(`^(.*\s|)# (.*)`) // for nginx, YAML, shell and Dockerfiles
	generated = regexp.MustCompile(`^\.(git|build|data)|node_modules|^all-in-one|^nginx/html|^docs/results|known/|redis-ha-scripts|\.(json|sum|png|svg|txt)$`)
	fence     = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
	end       = regexp.MustCompile(`[.!?]["')*]*\s+|\n\n+`)
	quoted    = regexp.MustCompile("`[^`]*`[:;,.]?")
)

func main() {
	seed, n := flag.Uint64("seed", 1, "draws the same sentences each time"), flag.Int("n", 40, "how many")
	flag.Parse()
	var drawn []string
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || generated.MatchString(path) {
			return err
		}
		text, err := os.ReadFile(path)
		for s := range strings.SplitSeq(end.ReplaceAllString(prose(path, string(text)), "$0\x00"), "\x00") {
			if s = strings.Join(strings.Fields(s), " "); len(strings.Fields(quoted.ReplaceAllString(s, ""))) > 2 {
				drawn = append(drawn, path+": "+s)
			}
		}
		return err
	})
	if err != nil {
		log.Fatal("sentences: ", err)
	}
	rand.New(rand.NewPCG(*seed, 0)).Shuffle(len(drawn), func(i, j int) { drawn[i], drawn[j] = drawn[j], drawn[i] })
	fmt.Println(strings.Join(drawn[:min(*n, len(drawn))], "\n"))
}

// prose returns the comments of a file, separated by blank lines, or the text of a document without its code blocks. For a comment beside
// code, the text includes the whole line.
func prose(path, text string) string {
	pattern := cmp.Or(comment[filepath.Ext(path)], other)
	var b strings.Builder
	for line := range strings.Lines(fence.ReplaceAllString(text, "")) {
		match := pattern.FindStringSubmatch(strings.TrimRight(line, "\n"))
		switch {
		case match == nil:
			b.WriteString("\n\n")
		case strings.TrimSpace(match[1]) != "" && filepath.Ext(path) != ".md": // print the whole line, because a comment beside code is unclear without the code
			b.WriteString("\n\n" + line)
		default:
			b.WriteString(match[2] + "\n")
		}
	}
	return b.String()
}
