package docs

import (
	"fmt"
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
	{regexp.MustCompile(`^(?:An? )?\w+ (?:gives|says|tells|lets|knows|wants)\b`), "returns, reports whether, holds"},
	{regexp.MustCompile(`\b(?:is|are|was|were) told\b`), "the actor and a verb of Go or HTTP: nginx sends, the client learns"},
	{regexp.MustCompile(`\bpass(?:es|ed)? over\b`), "skips, ignores"},
	{regexp.MustCompile(`\b(?:to|can|could|may|might) be had\b`), "exists"},
	{regexp.MustCompile(start + `Gives\b`), "returns, prints, sets"},
	{regexp.MustCompile(`, for (?:it|they|he|she|that one|nobody|there) (?:is|are|was|were|has|had|would|may|must|can|could|does|did)\b`), "because"},
}

// A passage is one paragraph of a document, or one paragraph of a comment.
type passage struct {
	at   string
	text string
}

// No comment and no document contains a phrase that matches a pattern in the list "phrases".
func TestProse(t *testing.T) {
	read := 0
	for _, file := range sources(t) {
		for _, p := range passages(file, must.Read(t, must.Root(t), file)) {
			read++
			for _, phrase := range phrases {
				for _, found := range phrase.pattern.FindAllString(p.text, -1) {
					t.Errorf("%s: %.40q: write %s", p.at, found, phrase.instead)
				}
			}
		}
	}
	if read < 2000 {
		t.Errorf("only %d passages were read", read)
	}
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

var (
	// hash matches a comment that begins with #, and the fields "summary" and "description" in YAML.
	hash  = regexp.MustCompile(`(?:(?:^|[\s@])##? |^\s*"?(?:summary|description)"?: "?)(.*?)"?,?$`)
	slash = regexp.MustCompile(`(?:^|\s)(?://|/\*|\*) (.*?)(?: \*/.*)?$`)
	// markdown matches every nonblank line of a document.
	markdown = regexp.MustCompile(`^(.+)$`)
	// newPassage matches a line that begins a new passage, such as an item of a list.
	newPassage = regexp.MustCompile(`^(?:[|#]|[-*] |\d+\. |\w[\w, …-]*: )`)
)

// comments maps the extension of a file to a pattern for lines with a comment.
var comments = map[string]*regexp.Regexp{
	".yaml": hash, ".yml": hash, ".sh": hash, ".conf": hash, ".cfg": hash, "": hash,
	".js": slash, ".css": slash, ".c": slash,
	".go":   regexp.MustCompile(`(?:^|\s)// (.*)$`),
	".lua":  regexp.MustCompile(`(?:^|\s)-- (.*)$`),
	".json": regexp.MustCompile(`"(?:summary|description)": "(.*?)"`),
	".md":   markdown,
}

func passages(file, content string) (found []passage) {
	pattern := comments[filepath.Ext(file)]
	if pattern == nil || file == "LICENSE" {
		return nil
	}
	if pattern == markdown {
		// Blank lines replace each fenced code block, so that the line numbers stay right.
		content = fenced.ReplaceAllStringFunc(content, func(block string) string { return strings.Repeat("\n", strings.Count(block, "\n")) })
	}
	fresh := true
	for i, line := range strings.Split(content, "\n") {
		match := pattern.FindStringSubmatchIndex(line)
		if match == nil || strings.TrimSpace(line[match[2]:match[3]]) == "" {
			fresh = true
			continue
		}
		text, trailing := strings.TrimSpace(line[match[2]:match[3]]), strings.TrimSpace(line[:match[0]]) != ""
		indented := pattern != markdown && strings.HasPrefix(line[match[2]:], "  ")
		if fresh || trailing || indented || newPassage.MatchString(text) {
			found = append(found, passage{at: fmt.Sprintf("%s:%d", file, i+1)})
		}
		last := &found[len(found)-1]
		last.text = strings.TrimPrefix(last.text+" "+text, " ")
		fresh = trailing
	}
	return found
}
