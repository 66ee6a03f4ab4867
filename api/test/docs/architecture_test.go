// Package docs tests README.md, docs/ and the other documents: their commands, links, length and wording.
package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

var (
	item   = regexp.MustCompile(`(?m)^(?:\*|\d+\.) .*(?:\n  .*)*`)
	quoted = regexp.MustCompile("`([^`]+)`")
)

// Every file that docs/architecture.md lists exists, and contains the names that are listed beside it.
func TestArchitectureNamesWhatIsThere(t *testing.T) {
	document := texts(t)["docs/architecture.md"]
	for title, least := range map[string]int{"Where things are": 15, "The way of an entry": 10, "Where a behaviour is": 70} {
		_, section, _ := strings.Cut(document, "\n## "+title+"\n")
		section, _, _ = strings.Cut(section, "\n## ")
		names := 0
		for _, entry := range item.FindAllString(section, -1) {
			question, answer, isQuestion := strings.Cut(entry, "? ")
			if !isQuestion {
				answer = question
			}
			last := ""
			for _, name := range quoted.FindAllStringSubmatch(answer, -1) {
				names++
				if _, err := os.Stat(filepath.Join(must.Root(t), name[1])); err == nil {
					last = name[1]
				} else if last == "" || !has(t, last, name[1]) {
					t.Errorf("%s: %q has no %s", title, last, name[1])
				}
			}
			if last == "" {
				t.Errorf("%s: no file is named: %s", title, entry)
			}
		}
		if names < least {
			t.Errorf("%s: only %d things are named", title, names)
		}
	}
}

// has reports whether the file or folder "path" contains "name". A Go file must declare the name.
func has(t *testing.T, path, name string) bool {
	t.Helper()
	path = filepath.Join(must.Root(t), path)
	if info, err := os.Stat(path); err != nil || info.IsDir() {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	pattern := regexp.QuoteMeta(name)
	if filepath.Ext(path) == ".go" {
		pattern = `(?m)^(func (\([^)]*\) )?|const |type |var |\t(\w+, )*)` + pattern + `\b`
	}
	return regexp.MustCompile(pattern).MatchString(must.Read(t, path))
}
