package docs

import (
	"regexp"
	"strings"
	"testing"
)

// README.md fits on two screens, and one can read all documents in an evening. The limit of words does not apply to docs/results/ and
// CHANGELOG.md, because nobody reads these files from beginning to end.
func TestDocumentsAreShort(t *testing.T) {
	const mostLines, mostWords = 110, 9000
	if lines := strings.Count(texts(t)["README.md"], "\n"); lines > mostLines {
		t.Errorf("README.md has %d lines, at most %d are allowed", lines, mostLines)
	}
	word := regexp.MustCompile(`\S*[\p{L}\p{Nd}]\S*`)
	total := 0
	for file, text := range texts(t) {
		if file == "CHANGELOG.md" {
			continue
		}
		n := len(word.FindAllString(text, -1))
		t.Logf("%s: %d words", file, n)
		total += n
	}
	if total > mostWords || total < mostWords/2 {
		t.Errorf("the documents have %d words, at most %d are allowed", total, mostWords)
	}
}
