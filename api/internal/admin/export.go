package admin

import (
	"bufio"
	"cmp"
	"encoding/base64"
	"fmt"
	"os"
	"unicode/utf16"
	"unicode/utf8"

	"guestbook/api/internal/guestbook"
)

// export writes all entries to stdout, or to the file words[0].
func (c *command) export(words []string) error {
	if len(words) == 0 {
		return c.write(c.stdout)
	}
	file, err := os.Create(words[0] + ".part")
	if err != nil {
		return err
	}
	if err = cmp.Or(c.write(bufio.NewWriterSize(file, 64<<10)), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), words[0])
}

// write writes each entry as one line, and the number of entries as the last line. All lines of an export are ASCII, so that no shell,
// terminal or editor changes the export.
func (c *command) write(out *bufio.Writer) error {
	entries, buffer := 0, []byte(nil)
	err := c.each(guestbook.Start, func(entry guestbook.Entry) error {
		entries++
		buffer = appendJSON(append(buffer[:0], `{"text":"`...), entry.Text)
		if !utf8.ValidString(entry.Text) { // a JSON string can hold only valid UTF-8
			buffer = append(buffer, `","bytes":"`...)
			buffer = base64.StdEncoding.AppendEncode(buffer, []byte(entry.Text))
		}
		_, err := out.Write(append(buffer, "\"}\n"...))
		return err
	})
	if err == nil {
		_, err = fmt.Fprintf(out, "{\"entries\":%d}\n", entries)
	}
	if err = cmp.Or(err, out.Flush()); err == nil {
		fmt.Fprintf(c.stderr, "%d entries exported\n", entries)
	}
	return err
}

// appendJSON appends the text as a JSON string without the quotes. All characters outside ASCII are escaped.
func appendJSON(dst []byte, text string) []byte {
	for _, r := range text {
		if ' ' <= r && r <= '~' && r != '"' && r != '\\' {
			dst = append(dst, byte(r))
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) {
			dst = fmt.Appendf(dst, `\u%04x`, unit)
		}
	}
	return dst
}
