package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	link    = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
)

// Every link in a document points to an existing file or heading, and at least one link points to every document.
func TestLinks(t *testing.T) {
	root, documents := repository(t), texts(t)
	linked := map[string]bool{"README.md": true}
	for file, text := range documents {
		for _, match := range link.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			path, anchor, _ := strings.Cut(match[1], "#")
			if strings.Contains(path, "://") || strings.HasPrefix(path, "mailto:") {
				continue
			}
			to := file
			if path != "" {
				to = filepath.Join(filepath.Dir(file), path)
			}
			if _, err := os.Stat(filepath.Join(root, to)); err != nil {
				t.Errorf("%s links to %s, which is not there", file, match[1])
			}
			if anchor != "" && !slices.Contains(anchors(documents[to]), anchor) {
				t.Errorf("%s links to %s, a heading that %s has not", file, match[1], to)
			}
			if to != file {
				linked[to] = true
			}
		}
	}
	for file := range documents {
		if !linked[file] {
			t.Errorf("no document links to %s", file)
		}
	}
}

// anchors returns the anchor that GitHub makes for each heading of a document.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(link.ReplaceAllString(match[1], ""))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// Every document named in a comment, a script or a message exists.
func TestNamedDocumentsAreThere(t *testing.T) {
	named, n := regexp.MustCompile(`\bdocs/[a-z/-]+\.md\b`), 0
	for _, folder := range []string{"api", "nginx", "k8s", "redis-slave", "Makefile", ".ci"} {
		err := filepath.WalkDir(filepath.Join(repository(t), folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			text, err := os.ReadFile(path)
			for _, document := range named.FindAllString(string(text), -1) {
				n++
				if _, err := os.Stat(filepath.Join(repository(t), document)); err != nil {
					t.Errorf("%s names %s, which is not there", path, document)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n < 10 {
		t.Errorf("only %d names of documents were found", n)
	}
}
