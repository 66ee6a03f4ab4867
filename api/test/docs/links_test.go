package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

var (
	link    = regexp.MustCompile(`!?\[[^\]]*\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	fenced  = regexp.MustCompile("(?ms)^ *```.*?^ *```$")
)

// Every link in a document leads to an existing file or heading, and at least one link leads to each document.
func TestLinks(t *testing.T) {
	root, documents := must.Root(t), texts(t)
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

// anchors returns the anchors that GitHub makes for a document's headings.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(link.ReplaceAllString(match[1], ""))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

// If a file mentions a document, such as docs/http.md, the document must exist.
func TestNamedDocumentsAreThere(t *testing.T) {
	named := regexp.MustCompile(`\bdocs/[a-z/-]+\.md\b`)
	for _, file := range sources(t) {
		for _, document := range named.FindAllString(must.Read(t, must.Root(t), file), -1) {
			if _, err := os.Stat(filepath.Join(must.Root(t), document)); err != nil {
				t.Errorf("%s names %s, which is not there", file, document)
			}
		}
	}
}
