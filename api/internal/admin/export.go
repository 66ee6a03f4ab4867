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

// export writes every entry that is not blank to the file words[0], or to stdout if the command has no argument. The method "write" defines
// the format. The method "export" writes to a file with the suffix ".part", and renames this file only after the export is complete, so
// that an error leaves the file words[0] as it was. The method "export" returns each error of the method "write" and of the file system.
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

// write outputs an export: the line {"text":"…"} for each entry that is not blank, and the last line {"entries":N} with the number of
// entries. If a text is not valid UTF-8, its line also has the field "bytes", the text in base64. An export is pure ASCII, because a shell
// or an editor may change characters outside ASCII. The method "write" prints the number of entries to stderr at the end, and returns an
// error if the master does not answer, if the method "each" finds a rewritten guestbook, or if the output fails.
func (c *command) write(out *bufio.Writer) error {
	entries, buffer := 0, []byte(nil)
	err := c.each(func(entry guestbook.Entry) error {
		entries++
		buffer = appendJSON(append(buffer[:0], `{"text":"`...), entry.Text)
		if !utf8.ValidString(entry.Text) { // JSON cannot represent a text that is not valid UTF-8, so the line repeats such a text in base64
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

// appendJSON appends the text to dst as a JSON string without the quotes, and returns the extended slice. The function appendJSON escapes
// quotes, backslashes, control characters and all characters outside ASCII as \u and four hexadecimal digits, in UTF-16. A byte that is not
// valid UTF-8 becomes \ufffd.
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
