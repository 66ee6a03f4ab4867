package main

import (
	"context"
	"errors"
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

	found map[string]string // by profile: why it is not there, or ""
	left  map[string]bool   // profiles that are left out
	notes []string
	saved []saved

	mu    sync.Mutex
	asked []request       // by the row under way
	holds *string         // the book's text; nil if unknown
	past  map[string]bool // earlier texts, which a slave may still show
	lag   time.Duration   // of the slaves, on average
	words int
}

// maxLag is how long a slave may take to show what was written.
const maxLag = 3 * time.Second

var profiles = []string{"php", "entries", "live", "concurrent", "limits", "origin"}

// ask finds the guestbook's profiles, and how to restore its books.
func (b *book) ask() error {
	php := "no address answers ?cmd=get with data:"
	for _, path := range []string{"/guestbook.php", "/guestbook/", "/guestbook"} {
		a, err := b.send(get("cmd=get&key=KEY").at(path))
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", b.base, err)
		}
		if a.status == http.StatusForbidden && strings.HasPrefix(b.key, "conformance-") {
			b.key = "messages"
			b.notes = append(b.notes, "A book of its own is refused, so this is of the book messages.")
			return b.ask()
		}
		if len(a.data()) > 0 {
			php, b.path = "", path
			break
		}
		php += fmt.Sprintf(" %s %d", path, a.status)
	}
	if b.found["php"] = php; php != "" {
		b.path = "/guestbook.php"
		b.found["concurrent"] = "it takes the profile php"
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
	if php != "" {
		return nil
	}
	for _, key := range []string{"", "Array", "KEY"} { // guestbook.php takes no key for the first, and a list of them for the second
		if err := b.save("cmd=get&key=" + key); err != nil {
			return err
		}
	}
	return nil
}

// A saved is a book's answer, and the set that restores it.
type saved struct {
	request, set request
	body         string
}

// save finds the set that restores the book that a query reads. guestbook.php's answer does not distinguish a backslash from
// an escape, so the right text is the one after whose set the answer is the same.
func (b *book) save(query string) error {
	first, err := b.send(get(query))
	for _, text := range first.data() {
		s := saved{get(query), setting(text, query), first.body}
		if text != "" {
			if _, err := b.send(s.set); err != nil {
				return err
			}
			err = expects("the same answer as before", func(a answer) bool { return a.body == first.body && !strings.Contains(text, "\uFFFD") })(b, s.request)
			b.notes = append(b.notes, fmt.Sprintf("The book that %s reads held %d bytes, which are put back.", query, len(text)))
		}
		if err == nil {
			b.saved = append(b.saved, s)
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("what the book holds could not be put back, so nothing was tried: with -key, name another: %w", err)
	}
	return nil
}

// restore restores the books that have changed.
func (b *book) restore() error {
	for _, s := range b.saved {
		a, err := b.send(s.request)
		if err == nil && a.body != s.body {
			a, err = b.send(s.set)
		}
		if err != nil || a.status != http.StatusOK {
			return errors.Join(fmt.Errorf("a book is not as it was (%s): this puts it back: %s", a, b.curl(s.set.in(b))), err)
		}
	}
	return nil
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
	err := stored(b, setting(text, "cmd=get&key=KEY"))
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

// unique returns a word that this program uses once.
func (b *book) unique() string {
	b.words++
	return fmt.Sprint(time.Now().UnixNano(), "-", b.words)
}

// old reports whether an answer shows an earlier state of the book, because a slave may lag.
func (b *book) old(a answer) bool {
	return slices.ContainsFunc(a.data(), func(text string) bool { return b.past[text] && (b.holds == nil || text != *b.holds) })
}

// A difference is the answer and the expectation.
type difference struct{ came, expected string }

func (d *difference) Error() string { return d.came + ", expected " + d.expected }
