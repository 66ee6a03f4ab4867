package docs

import (
	"regexp"
	"strings"
	"testing"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

// If one line of a code block fails, no later line deletes or overwrites anything. A reader may paste the whole block into a terminal, and
// the terminal does not stop at a failed line.
func TestNothingIsOverwrittenAfterAFailure(t *testing.T) {
	played := 0
	for file := range texts(t) {
		for _, b := range must.Get(commands.Read(must.Root(t), file))(t) {
			plays, faults, err := commands.Fail(t.Context(), b)
			must.OK(t, err)
			played += plays
			for _, fault := range faults {
				t.Error(fault)
			}
		}
	}
	if played < 100 {
		t.Errorf("only %d commands failed", played)
	}
}

// The kubectl commands in the documents change only objects of the guestbook.
func TestNothingOfOthersIsChanged(t *testing.T) {
	inline, n := regexp.MustCompile("`(kubectl [^`]+)`"), 0
	for file, text := range texts(t) {
		blocks := must.Get(commands.Read(must.Root(t), file))(t)
		for _, match := range inline.FindAllStringSubmatch(text, -1) {
			blocks = append(blocks, commands.Block{File: file, Text: strings.NewReplacer("…", "x", "\n", " ").Replace(match[1]) + "\n"})
		}
		for _, b := range blocks {
			for _, c := range must.Get(commands.Calls(t.Context(), b))(t) {
				n++
				if vague := c.Vague(); vague != "" {
					t.Errorf("%s%s: %s", b, c, vague)
				}
			}
		}
	}
	if n < 120 {
		t.Errorf("only %d commands were found", n)
	}
}
