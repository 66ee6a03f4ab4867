package docs

import (
	"strings"
	"testing"
	"unicode"
)

// A reader has an evening: README is two screens, and all documents, with their commands, have at most 9,000 words. A word is what
// stands between blanks and has a letter or a digit, so neither a table's lines nor && is one. docs/results/ is not counted,
// because nobody reads it from beginning to end: it has what commands printed.
func TestDocumentsAreShort(t *testing.T) {
	const mostLines, mostWords = 110, 9000
	if lines := strings.Count(texts(t)["README.md"], "\n"); lines > mostLines {
		t.Errorf("README.md has %d lines, at most %d are allowed", lines, mostLines)
	}
	total := 0
	for file, text := range texts(t) {
		n := 0
		for _, word := range strings.Fields(text) {
			if strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
				n++
			}
		}
		t.Logf("%s: %d words", file, n)
		total += n
	}
	if total > mostWords || total < mostWords/2 {
		t.Errorf("the documents have %d words, at most %d are allowed", total, mostWords)
	}
}
