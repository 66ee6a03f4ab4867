package browser

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"guestbook/api/test/kit/must"
)

// Each line of testdata/lures.html is a page or an address by which another site tries to write to the guestbook. In lures.html, SET
// stands for a URL that overwrites the guestbook, and REDIRECT stands for a URL that leads to SET by two redirects.
func TestPagesOfOtherSitesCannotWrite(t *testing.T) {
	b := newBook(t)
	const before = ",first"
	b.do("SET", key, before)
	for _, c := range []struct{ name, scheme, here, there string }{
		{"another port", "http", "127.0.0.1", "127.0.0.1"},
		{"another name", "http", "127.0.0.1", "localhost"},
		{"another site over https", "https", "gb.example", "other.example"},
		{"a sibling over https", "https", "gb.site.example", "other.site.example"},
		{"another site over plain http", "http", "gb.example", "other.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			front := newProxyAt(t, b, c.scheme, c.here)
			set := front.URL + "/guestbook/?cmd=set&key=messages&value=,pwned"
			mux := http.NewServeMux()
			mux.Handle("/redirect", http.RedirectHandler("/again", http.StatusFound))
			mux.Handle("/again", http.RedirectHandler(set, http.StatusTemporaryRedirect))
			other := serve(t, c.scheme, c.there, mux)
			addresses := strings.NewReplacer("SET", set, "REDIRECT", other+"/redirect", "BOOK", front.URL+"/guestbook")
			p := newPage(t, visitor{})
			p.expect("")
			for i, line := range strings.Split(strings.TrimSpace(must.Read(t, "testdata", "lures.html")), "\n") {
				name, lure, _ := strings.Cut(strings.TrimPrefix(line, "<!-- "), " --> ")
				if c.scheme == "http" && c.here == "gb.example" && strings.Contains(lure, "speculationrules") {
					continue // Chromium follows speculation rules only over HTTPS or on localhost
				}
				t.Run(name, func(t *testing.T) {
					p, address := p.in(t), addresses.Replace(lure)
					if strings.HasPrefix(lure, "<") {
						path := fmt.Sprint("/lure/", i)
						mux.Handle(path, html(http.StatusOK, "<!doctype html><title>elsewhere</title><script>"+must.Read(t, "testdata", "lures.js")+"</script>"+address))
						address = other + path
					}
					front.take()
					must.Await(t, "the book to be asked", waitLimit, func() error {
						ctx, cancel := context.WithTimeout(p.ctx, waitLimit)
						defer cancel()
						_ = chromedp.Do(ctx, chromedp.Navigate(address))
						return awaitRefusal(t, front)
					})
					if got := b.raw(); got != before {
						t.Errorf("Redis holds %q", got)
						b.do("SET", key, before)
					}
				})
			}

			// The page of the PHP guestbook writes by a GET request to guestbook.php.
			p.navigate(front.URL)
			p.eval(`fetch("guestbook.php?cmd=set&key=messages&value=,own")`)
			if got := b.raw(); got != ",own" {
				t.Errorf("Redis holds %q", got)
			}
			b.do("SET", key, before)
		})
	}
}

// awaitRefusal waits up to a second for an answer of the guestbook, and fails the test unless the answer is a refusal.
func awaitRefusal(t *testing.T, front *proxy) error {
	t.Helper()
	for until := time.Now().Add(time.Second); time.Now().Before(until); time.Sleep(20 * time.Millisecond) {
		answers := front.take()
		for _, answer := range answers {
			if !strings.Contains(answer, " 403 ") && !strings.HasPrefix(answer, "OPTIONS 405 ") {
				t.Errorf("%s is not refused", answer)
			}
		}
		if len(answers) > 0 {
			return nil
		}
	}
	return errors.New("it is not")
}
