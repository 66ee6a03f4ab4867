package admin

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"guestbook/api/internal/guestbook"
)

// entries prints a line for each entry that is not blank, oldest first. The method "entries" returns an error if the master does not
// answer, if the method "each" finds a rewritten guestbook, or if the output fails.
func (c *command) entries([]string) error { return c.each(c.print) }

// formula matches the beginning of a formula that a spreadsheet would run. A formula may begin at the start of a text, or after a comma or
// semicolon, because a spreadsheet may split the text into cells there.
var formula = regexp.MustCompile(`(^|[,;])( *(?:[=@＝＋－＠]|[+\-][^)]))`)

// print outputs an entry as one line: the id, a tab and the text. The method "print" escapes backslashes, and each character that is not
// printable, because it could move a terminal's cursor or reverse the text. A newline becomes \n. The method "print" also escapes double
// quotes, because a spreadsheet would read everything between two quotes as one cell, even several lines. The method "print" puts an
// apostrophe before a formula, so that no spreadsheet runs the formula. The method "print" returns an error if the output fails.
func (c *command) print(entry guestbook.Entry) error {
	// "formula" also matches the separator after a lone sign, so only a second pass finds a formula after that separator.
	text := strconv.Quote(formula.ReplaceAllString(formula.ReplaceAllString(entry.Text, "$1'$2"), "$1'$2"))
	_, err := fmt.Fprintf(c.stdout, "%d\t%s\n", entry.ID, text[1:len(text)-1])
	return err
}

// hide overwrites the text of an entry with spaces, and prints the number of overwritten bytes. The argument words[0] is the id of the
// entry to hide. The method "hide" returns an error that wraps errUsage if words[0] is not a number or is negative, ErrNoEntry if no entry
// has this id, or another error of the store.
func (c *command) hide(words []string) error {
	id, err := strconv.ParseInt(words[0], 10, 64)
	if err != nil || id < 0 {
		return fmt.Errorf("%q is no id: %w", words[0], errUsage)
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	blanked, err := c.store.Hide(ctx, c.key, id)
	switch {
	case err != nil:
		return fmt.Errorf("%d: %w", id, err)
	case blanked == 0:
		fmt.Fprintf(c.stdout, "entry %d was hidden already\n", id)
	default:
		fmt.Fprintf(c.stdout, "entry %d is hidden: %d bytes\n", id, blanked)
	}
	return nil
}

// each calls the function "do" for every entry that is not blank, oldest first. The method "each" ignores entries that clients append after
// the method has started. The method "each" stops at the first error of "do" or of the store, and returns this error. The method "each" also
// returns an error if it finds that a client has rewritten the guestbook meanwhile: the guestbook has become shorter, or its bytes
// just before the next entry (Position.Preceding) have changed.
func (c *command) each(do func(guestbook.Entry) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	end, err := c.store.End(ctx, c.key)
	for at := guestbook.Start; err == nil && at.End < end.End; {
		var entries []guestbook.Entry
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		entries, at, err = c.store.After(ctx, c.key, at, end.End, guestbook.AnyLength)
		cancel()
		if errors.Is(err, guestbook.ErrNoEntry) {
			return errors.New("the guestbook was written anew meanwhile: start again")
		}
		for _, entry := range entries {
			if err == nil && entry.ID <= end.ID {
				err = do(entry)
			}
		}
	}
	return err
}
