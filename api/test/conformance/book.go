package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// A book is the guestbook under test.
type book struct {
	ctx    context.Context
	base   *url.URL
	key    string
	path   string // where commands are answered
	client *http.Client

	found   map[string]string // by profile: why it is not there, or ""
	notes   []string
	restore []request // what puts all back as it was

	mu    sync.Mutex
	asked []request       // by the row under way
	holds *string         // what the book is seen to hold; nil if that is not known
	past  map[string]bool // what it has held, and a slave may still show
	lag   time.Duration   // of the slaves, on average
	words int
}

// patience is how long a slave may take to show what was written.
const patience = 3 * time.Second

var profiles = []string{"php", "entries", "live", "concurrent", "limits", "origin"}

// ask finds out what the guestbook speaks, and how to put back what the book holds.
func (b *book) ask() error {
	b.found["php"] = "no address answers ?cmd=get with data:"
	for _, path := range []string{"/guestbook", "/guestbook/", "/guestbook.php"} {
		a, err := b.send(get("cmd=get&key=KEY").at(path))
		switch {
		case err != nil:
			return fmt.Errorf("%s does not answer: %w", b.base, err)
		case a.status == http.StatusForbidden:
			return fmt.Errorf("the key %q is refused (%s): with -key, name one that may be used; it is put back at the end", b.key, a)
		case len(a.data()) > 0:
			b.found["php"], b.path = "", path
		default:
			b.found["php"] += fmt.Sprintf(" %s %d", path, a.status)
		}
	}
	if b.path == "" {
		b.path = "/guestbook.php"
	}
	if a, err := b.send(page("")); err != nil || a.json.Entries == nil {
		b.found["entries"] = fmt.Sprintf("/guestbook/entries answers %d", a.status)
	}
	if a, err := b.send(events("")); err != nil || !strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		b.found["live"] = fmt.Sprintf("/guestbook/events answers %d and no stream", a.status)
	}
	if a, err := b.send(get("cmd=get&key=KEY-other")); err != nil || a.status == http.StatusForbidden {
		b.found["keys"] = "other keys are refused"
	}
	if b.found["php"] != "" {
		return nil
	}
	for _, query := range []string{"cmd=get&key=", "cmd=get&key=KEY"} { // guestbook.php has a book under the empty key
		if err := b.save(get(query)); err != nil {
			return err
		}
	}
	return nil
}

// save finds a set that puts back what a book holds. An answer of guestbook.php does not tell a backslash from an escape: the
// right text is the one that makes the book answer the same again.
func (b *book) save(read request) error {
	first, err := b.send(read)
	texts := first.data()
	for i, text := range texts {
		put := setting(text, read.query)
		if text != "" {
			if _, err := b.send(put); err != nil {
				return err
			}
			err = expects("the same answer as before", func(a answer) bool { return a.body == first.body && !strings.Contains(text, "\uFFFD") })(b, read)
		}
		if err == nil {
			if b.restore = append(b.restore, put); text != "" {
				b.notes = append(b.notes, fmt.Sprintf("The book %q held %d bytes, which were put back.", read.in(b).query, len(text)))
			}
			return nil
		}
		if i == len(texts)-1 {
			return fmt.Errorf("what the book holds could not be put back, so that nothing was tried: with -key, name another: %w", err)
		}
	}
	return err
}

// has reports whether the rows of a profile are tried.
func (b *book) has(profile string) bool { return b.found[profile] == "" }

// setting returns the set of a text for the book that a query reads. It needs no more of a server than it must.
func setting(text, read string) request {
	command := strings.Replace(read, "get", "set", 1) + "&value=" + strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	if len(command) > 6000 {
		return post(command)
	}
	return get(command)
}

// put makes the book hold a text, and waits until a slave shows it.
func (b *book) put(text string) error {
	if b.holds != nil && *b.holds == text {
		return nil
	}
	a, err := b.send(setting(text, "cmd=get&key=KEY"))
	if err == nil && !strings.Contains(a.body, "Updated") {
		err = &difference{a.String(), "200 for the set that prepares this"}
	}
	if err == nil {
		err = b.await(text)
	}
	return err
}

// await waits until the book shows a text.
func (b *book) await(text string) error {
	start := time.Now()
	err := expects("a book that holds "+abbreviated(text), func(a answer) bool {
		return slices.Contains(a.data(), text) || slices.Contains(a.data(), strings.ToValidUTF8(text, "\uFFFD"))
	})(b, get("cmd=get&key=KEY"))
	if err == nil {
		b.lag = (3*b.lag + time.Since(start)) / 4
		b.past[text], b.holds = true, &text
	}
	return err
}

// old reports whether an answer shows an earlier state of the book, as a slave may.
func (b *book) old(a answer) bool {
	return slices.ContainsFunc(a.data(), func(text string) bool { return b.past[text] })
}

// A difference is what came and what was expected instead.
type difference struct{ came, expected string }

func (d *difference) Error() string { return d.came + ", expected " + d.expected }
