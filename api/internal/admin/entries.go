package admin

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"guestbook/api/internal/guestbook"
)

// entries lists all entries, or the newest ones.
func (c *command) entries([]string) error {
	first := guestbook.Start
	if c.last > 0 {
		var newest []int64
		err := c.each(first, func(entry guestbook.Entry) error {
			if len(newest) == 2*c.last {
				newest = append(newest[:0], newest[c.last:]...)
			}
			newest = append(newest, entry.ID)
			return nil
		})
		if err != nil || len(newest) == 0 {
			return err
		}
		first.End = newest[max(0, len(newest)-c.last)]
	}
	return c.each(first, c.print)
}

// print writes an entry as a line. It escapes characters that move a terminal's cursor or turn its text around. An apostrophe
// goes before a text that a spreadsheet would take for a formula or for a quoted cell.
func (c *command) print(entry guestbook.Entry) error {
	line := strconv.AppendInt(nil, entry.ID, 10)
	line = append(line, '\t')
	if first, _ := utf8.DecodeRuneInString(strings.TrimLeft(entry.Text, " ")); strings.ContainsRune(`=+-@"＝＋－＠`, first) {
		line = append(line, '\'')
	}
	for _, r := range entry.Text {
		if strconv.IsPrint(r) {
			line = utf8.AppendRune(line, r)
		} else {
			quoted := strconv.QuoteRune(r)
			line = append(line, quoted[1:len(quoted)-1]...)
		}
	}
	_, err := c.stdout.Write(append(line, '\n'))
	return err
}
