package keeper

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

// load appends the entries of stdin, a chunk at a time. Each chunk is known by all that came before it, so that a repeat
// finds what is there already.
func (k *keeper) load([]string) (err error) {
	before, added, known := sha256.New(), 0, 0
	flush := func(raw []byte) error {
		for len(raw) > 0 {
			ctx, cancel := within()
			n, was, err := k.store.Import(ctx, k.key, string(before.Sum(nil)), string(raw))
			cancel()
			if err != nil {
				return err
			}
			before.Write(raw[:n])
			if entries := bytes.Count(raw[:n], []byte(",")); was {
				known += entries
			} else {
				added += entries
			}
			raw = raw[n:]
		}
		return nil
	}
	raw := []byte(nil)
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
			raw = append(raw, guestbook.Encode(entry)...)
		}
		if len(raw) >= chunk || ended || err != nil { // what comes before a wrong line is good
			err = errors.Join(err, flush(raw))
			raw = raw[:0]
		}
	}
	fmt.Fprintf(k.out, "%d entries appended, %d were there already\n", added, known)
	if err == nil {
		ctx, cancel := within()
		defer cancel()
		_, _, err = k.store.Import(ctx, k.key, "", "")
	}
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
