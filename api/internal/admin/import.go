package admin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json/v2"
	"errors"
	"fmt"
	"strings"

	"guestbook/api/internal/guestbook"
)

const (
	// maxChunkEntries and chunkBytes limit a chunk, which an import appends with a single Redis command. A chunk ends after maxChunkEntries
	// entries, or once its texts have chunkBytes bytes or more.
	maxChunkEntries, chunkBytes = 1000, 256 << 10
	// maxTextBytes is the greatest allowed length of a text in an import. The PHP guestbook's page sends texts of up to 1 MiB.
	maxTextBytes = 1 << 20
	// maxLineBytes is the greatest allowed length of a line in an import. A line can be more than seven times as long as its text, because
	// a byte of invalid UTF-8 becomes \ufffd, and the line also repeats the text in base64.
	maxLineBytes = 8 << 20
)

// line is one line of an export: an entry, or the last line with the number of entries.
type line struct {
	Text    string `json:"text"`
	Bytes   []byte `json:"bytes"`   // the text's bytes, in base64; only present if the text is not valid UTF-8
	Entries *int   `json:"entries"` // number of the export's entries; nil except in the last line
}

type importing struct {
	*command
	before       [sha256.Size]byte // hash of all entries before the current chunk
	bytes        int64             // total length of the texts before the current chunk
	added, known int               // "added" counts entries that this import appends; "known" counts entries that an earlier import has appended
}

// load appends the entries in stdin to the guestbook, in chunks, and prints, even after an error, how many it appended and how many were
// there already. If an operator repeats an import with the same -name within a day, the same lines result in the same chunks with the same
// idempotency keys, so that no chunk is appended twice. The method "load" returns each error of the method "read", such as for an invalid
// line, a missing last line or a chunk that cannot be appended; earlier chunks stay in the guestbook. The method "load" also returns each
// error of the method "check", which notices lost entries of an earlier import only if the guestbook is shorter than the imported texts.
func (c *command) load([]string) error {
	i := &importing{command: c, before: sha256.Sum256([]byte(c.name))}
	err := i.read()
	if err == nil {
		err = i.check()
	} else {
		err = fmt.Errorf("%w; then import the same lines again within a day: none is appended twice", err)
	}
	fmt.Fprintf(c.stdout, "%d entries appended, %d were there already\n", i.added, i.known)
	return err
}

// read appends the entries of one or several exports in stdin. The method "read" returns an error, with the line's number, for a line that
// is invalid or longer than maxLineBytes, or if an export's last line has a wrong number of entries. The method "read" also returns an
// error if stdin fails, the last line is missing or a chunk cannot be appended; earlier chunks stay in the guestbook.
func (i *importing) read() error {
	lines := bufio.NewScanner(i.stdin)
	lines.Buffer(nil, maxLineBytes)
	var chunk []string
	number, size, entries, ended := 0, 0, 0, false
	for lines.Scan() {
		number++
		l, err := parse(lines.Bytes())
		switch {
		case err != nil:
			return fmt.Errorf("line %d %w", number, err)
		case l.Text != "":
			chunk, size = append(chunk, l.Text), size+len(l.Text)
			entries, ended = entries+1, false
		case l.Entries != nil && *l.Entries != entries:
			return fmt.Errorf("line %d ends an export of %d entries, but %d came: some lines are missing or too many", number, *l.Entries, entries)
		case l.Entries != nil:
			entries, ended = 0, true // this line ends one export, and another export may follow
		}
		if len(chunk) == maxChunkEntries || size >= chunkBytes {
			if err := i.append(chunk); err != nil {
				return err
			}
			chunk, size = chunk[:0], 0
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return fmt.Errorf("line %d is longer than %d bytes: take it out", number+1, maxLineBytes)
	case err != nil:
		return err
	case !ended:
		return fmt.Errorf(`the export is empty or cut short, because its last line is missing (kubectl exec needs -i); if %d entries are all, add {"entries":%[1]d}`, entries)
	}
	return i.append(chunk)
}

// append adds a chunk of entries to the guestbook, unless an earlier import has already added this chunk. If an earlier import has added
// only the chunk's first entries, the method "append" adds the other entries. The method "append" counts the entries in the fields "added"
// and "known", and returns the store's error if the guestbook cannot be written.
func (i *importing) append(chunk []string) error {
	for len(chunk) > 0 {
		n, key := len(chunk), fmt.Sprintf("import %x", i.before)
		known, err := i.appendOnce(key, chunk)
		for fewer := 1; errors.Is(err, guestbook.ErrReused) && fewer < len(chunk); fewer++ {
			n = fewer
			known, err = i.appendOnce(key, chunk[:n])
		}
		if errors.Is(err, guestbook.ErrReused) { // an earlier import has used this idempotency key for different entries
			n = len(chunk)
			known, err = i.appendOnce(fmt.Sprintf("%s %x", key, sha256.Sum256([]byte(strings.Join(chunk, "\x00")))), chunk)
		}
		switch {
		case err != nil:
			return err
		case known:
			i.known += n
		default:
			i.added += n
		}
		for _, text := range chunk[:n] {
			i.before, i.bytes = sha256.Sum256(append(i.before[:], text...)), i.bytes+int64(len(text))
		}
		chunk = chunk[n:]
	}
	return nil
}

// appendOnce appends the texts in one command, or returns known = true if the same texts were appended under the same idempotency key less
// than a day ago. If the idempotency key was used for other texts less than a day ago, appendOnce appends nothing and returns ErrReused. If
// the store fails, appendOnce returns the store's error. After ErrUnknown and ErrUnconfirmed, the guestbook may contain the texts.
func (i *importing) appendOnce(idempotencyKey string, texts []string) (known bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	_, known, err = i.store.Append(ctx, i.key, idempotencyKey, texts...)
	return known, err
}

// check returns an error if the guestbook is shorter than the texts of this import's lines, in bytes, because the guestbook has then lost
// entries that an earlier import appended. If other entries make up for the lost bytes, "check" does not notice the loss. The method
// "check" also returns each error of Store.End.
func (i *importing) check() error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	end, err := i.store.End(ctx, i.key)
	if err == nil && end.End < i.bytes {
		err = errors.New("the guestbook has lost entries that an earlier import appended: with another -name, all are appended again")
	}
	return err
}

// parse decodes one line of an export. For an empty line, parse returns an empty text and no error. The function "parse" returns an error
// if the line is UTF-16 or no JSON object of an export, if an entry's text is blank, or if the text is longer than maxTextBytes.
func parse(text []byte) (l line, err error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(text) == 0 {
		return l, nil
	}
	if text[0] >= 0xfe || bytes.Count(text[:min(2, len(text))], []byte{0}) == 1 {
		return l, errors.New("is UTF-16, as PowerShell's > writes it: convert the file with iconv -f UTF-16 -t UTF-8")
	}
	if err := json.Unmarshal(text, &l); err != nil {
		return l, fmt.Errorf(`is not {"text": "…"}: %w`, err)
	}
	if l.Bytes != nil {
		l.Text = string(l.Bytes)
	}
	switch {
	case l.Entries == nil && guestbook.IsBlank(l.Text):
		err = errors.New("has no text, or a blank one: take it out")
	case len(l.Text) > maxTextBytes:
		err = fmt.Errorf("has a text of %d bytes, and the most are %d: make several entries of it", len(l.Text), maxTextBytes)
	}
	return l, err
}
