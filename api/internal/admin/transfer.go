package admin

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"guestbook/api/internal/guestbook"
)

// chunk is how many bytes of a guestbook are imported together.
const chunk = 256 << 10

// line is an entry outside of the guestbook. Bytes is there where they are not valid UTF-8, and Text would lose some.
type line struct {
	Text  string `json:"text"`
	Bytes []byte `json:"bytes,omitempty"` // base64
}

func (k *keeper) export(words []string) error {
	if len(words) == 0 {
		return k.write(k.out)
	}
	file, err := os.Create(words[0] + ".part")
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(file, 64<<10)
	err = k.write(out)
	if err = cmp.Or(err, out.Flush(), file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(file.Name(), words[0])
}

func (k *keeper) write(out io.Writer) error {
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	return k.each(func(entry guestbook.Entry) error {
		l := line{Text: entry.Text}
		if !utf8.ValidString(entry.Text) {
			l.Bytes = []byte(entry.Text)
		}
		return encoder.Encode(l)
	})
}

// load appends the entries of stdin, a chunk at a time. A chunk's idempotency key stands for all entries up to its end, so that
// a repeat adds nothing that is there already.
func (k *keeper) load([]string) (err error) {
	sum, added, known := sha256.New(), 0, 0
	var texts []string
	size := 0
	flush := func() error {
		if len(texts) == 0 {
			return nil
		}
		ctx, cancel := within()
		defer cancel()
		was, err := k.store.AppendAll(ctx, k.key, texts, fmt.Sprintf("import %x", sum.Sum(nil)))
		switch {
		case err != nil:
			return err
		case was:
			known += len(texts)
		default:
			added += len(texts)
		}
		texts, size = nil, 0
		return nil
	}
	for number, ended := 1, false; err == nil && !ended; number++ {
		text, readErr := k.in.ReadBytes('\n')
		ended = errors.Is(readErr, io.EOF)
		entry, err2 := parse(text)
		switch {
		case readErr != nil && !ended:
			err = readErr
		case err2 != nil:
			err = fmt.Errorf("line %d: %w", number, err2)
		case entry != "":
			texts, size = append(texts, entry), size+len(entry)
			fmt.Fprintf(sum, "%q", entry)
		}
		if size >= chunk || ended || err != nil { // what comes before a wrong line is good
			err = errors.Join(err, flush())
		}
	}
	fmt.Fprintf(k.out, "%d entries appended, %d were there already\n", added, known)
	return err
}

// parse reads an entry's text; "" of an empty line.
func parse(text []byte) (string, error) {
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return "", nil
	}
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return "", fmt.Errorf(`it is not {"text": "…"}: %w`, err)
	}
	if l.Bytes != nil {
		l.Text = string(l.Bytes)
	}
	if guestbook.IsBlank(l.Text) {
		return "", errors.New("the text is missing or blank")
	}
	return l.Text, nil
}
