package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

type book struct {
	ctx  context.Context
	base *url.URL
	key  string
	path string // the path that answers commands, such as /guestbook.php

	found map[string]string // why the server does not support a profile; "" if it does
	left  map[string]bool   // profiles that the option -skip names, or that the option -profiles omits
	Notes []string          // remarks in the report, such as the size of a restored guestbook
	saved []request         // requests that restore the guestbooks

	mu    sync.Mutex
	asked []request
	holds *string         // the guestbook's text, or nil if the program does not know it
	past  map[string]bool // the guestbook's previous texts, which a lagging slave may still show
	lag   time.Duration
}

// maxLag is the longest time that the program waits until a slave shows a write.
const maxLag = 3 * time.Second

var profiles = []string{"php", "entries", "live", "concurrent", "limits", "origin"}

// ask determines which profiles (groups of checks) the server supports, and copies the guestbooks that the checks may change.
func (b *book) ask() error {
	php := "no address answers ?cmd=get with data:"
	for _, path := range []string{"/guestbook.php", "/guestbook/", "/guestbook"} {
		a, err := b.send(read.at(path))
		if err != nil {
			return fmt.Errorf("%s does not answer: %w", b.base, err)
		}
		if a.status == http.StatusForbidden && strings.HasPrefix(b.key, "conformance-") {
			b.key = "messages"
			b.Notes = append(b.Notes, "A book of its own is refused, so this is of the book messages.")
			return b.ask()
		}
		if len(a.data()) > 0 {
			php, b.path = "", path
			break
		}
		php += fmt.Sprintf(" %s %d", path, a.status)
	}
	if b.found["php"] = php; php != "" {
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
	for _, key := range []string{"", "Array", "KEY"} { // guestbook.php uses the key "" if a request names no key, and "Array" if a request names a list of keys
		if err := b.save("cmd=get&key=" + key); err != nil {
			return err
		}
	}
	return nil
}

// save adds to b.saved a "set" request that restores the guestbook's present text. A \ in the JSON may be an escape or part of the text,
// because guestbook.php does not escape \. If the JSON may stand for several texts, "save" sets one after the other, until a GET returns the
// same JSON as before.
func (b *book) save(query string) error {
	first, err := b.send(get(query))
	for _, text := range first.data() {
		set := setting(text, query)
		if text != "" {
			if _, err := b.send(set); err != nil {
				return err
			}
			err = expects("the same answer as before", func(a answer) bool { return a.body == first.body && !strings.Contains(text, "\uFFFD") })(b, get(query))
			b.Notes = append(b.Notes, fmt.Sprintf("The book that %s reads held %d bytes, which are put back.", query, len(text)))
		}
		if err == nil {
			b.saved = append(b.saved, set)
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("what the book holds could not be put back, so nothing was tried: with -key, name another: %w", err)
	}
	return nil
}

// restore sets each guestbook back to its text before the tests. The error has a curl command for each guestbook that could not be
// restored.
func (b *book) restore() (err error) {
	for _, set := range b.saved {
		if a, failure := b.send(set); failure != nil || a.status != http.StatusOK {
			err = errors.Join(err, fmt.Errorf("a book is not as it was (%s): this puts it back: %s", a, b.curl(set.in(b))), failure)
		}
	}
	return err
}

func (b *book) has(profile string) bool { return b.found[profile] == "" }

// setting returns the request that sets the text of a guestbook. setting returns a GET if the text fits into a URL, because guestbook.php
// ignores the body of a POST.
func setting(text, read string) request {
	command := strings.Replace(read, "get", "set", 1) + "&value=" + strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
	if len(command) > 6000 {
		return post(command)
	}
	return get(command)
}

func (b *book) await(text string) error {
	start := time.Now()
	replaced := inJSON(text)
	err := expects("a book that holds "+abbreviated(text), func(a answer) bool {
		return slices.Contains(a.data(), text) || slices.Contains(a.data(), replaced)
	})(b, read)
	if err == nil {
		b.lag = (3*b.lag + time.Since(start)) / 4
		b.past[text], b.past[replaced], b.holds = true, true, &text
	}
	return err
}

// unique returns a random word without capitals, so that the word never contains the placeholder KEY.
func unique() string { return strings.ToLower(rand.Text()) }

// old reports whether an answer may show an earlier text of the guestbook, as the answer of a lagging slave does.
func (b *book) old(a answer) bool {
	return slices.ContainsFunc(a.data(), func(text string) bool {
		return b.holds == nil || b.past[text] && text != *b.holds && text != inJSON(*b.holds)
	})
}

// inJSON replaces invalid UTF-8 in a text by U+FFFD, because JSON cannot hold invalid UTF-8.
func inJSON(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

type difference struct{ came, expected string }

func (d *difference) Error() string { return d.came + ", expected " + d.expected }
