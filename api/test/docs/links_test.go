package docs

import (
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

// Each link leads to a file, and its anchor to a heading. Each document has a link that leads to it.
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

// anchors returns the anchors of the headings, as GitHub makes them.
func anchors(text string) (names []string) {
	for _, match := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		name := strings.ToLower(link.ReplaceAllString(match[1], ""))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}
