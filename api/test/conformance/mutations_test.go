//go:build long

package main

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"golang.org/x/sync/errgroup"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// A mutation breaks one behaviour of a guestbook. In the field "rows", the first string names the test case that must fail, and each
// further string is a pattern for test cases that may fail.
type mutation struct {
	name     string
	rows     []string
	request  func(*http.Request)
	response func(*http.Response) error
}

// A change rewrites the responses to requests whose URL matches the pattern "url". In the status line, the headers and the body, "to"
// replaces each match of the pattern "from". In an event stream, each match lies within one event.
type change struct{ url, from, to string }

var mutations = []mutation{
	{name: "a space less", rows: []string{"php/bytes of get", "php/bytes of *", "php/Kubernetes*"}, response: change{"guestbook.php", `": `, `":`}.in},
	{name: "a charset more", rows: []string{"php/content type of get", "php/content type of set"}, response: change{"guestbook.php", "Content-Type: .*json", "$0; charset=utf-8"}.in},
	{name: "ASCII only", rows: []string{"php/bytes of ordinary text"}, response: change{"guestbook.php", "é", `\u00e9`}.in},
	{name: "quotes not escaped", rows: []string{"php/get of a quote is JSON"}, response: change{"guestbook.php", `\\"`, `"`}.in},
	{name: "cached", rows: []string{"php/no cache keeps an answer"}, response: change{"guestbook.php", "no-store", "max-age=60"}.in},
	{name: "+ is kept", rows: []string{"php/set with a plus"}, request: queried(`\+`, "%2B")},
	{name: "; drops the pair", rows: []string{"php/set with a semicolon"}, request: queried(`&?[^&]*;[^&]*`, "")},
	{name: "a bad escape drops the pair", rows: []string{"php/set with a bad escape", "php/set with a * percent sign"}, request: queried(`&[^&]*%([^0-9A-F]|$)[^&]*`, "")},
	{name: "%26 separates", rows: []string{"php/set with an escaped ampersand", "php/bytes of ordinary text"}, request: queried("%26", "&")},
	{name: "the last duplicate is lost", rows: []string{"php/set with duplicates takes the last"}, request: queried("&value=a&value=b", "&value=a")},
	{name: "cmd in capitals writes", rows: []string{"php/cmd SET reads"}, request: queried("cmd=SET", "cmd=set")},
	{name: "200 for an error", rows: []string{"php/set without value", "php/* without *", "php/* empty key", "php/* with a list as *", "php/no *", "php/a body that is no form"}, response: change{"guestbook.php", "^HTTP/1.1 400", "HTTP/1.1 200"}.in},
	{name: "errors in HTML", rows: []string{"php/get without key", "php/* without *", "php/* empty key", "php/* with a list as *", "php/no *", "php/a body that is no form"}, response: change{"guestbook.php", `{"error": "(cmd|key|value).*}`, "<b>Warning</b>"}.in},
	{name: "a refused set writes", rows: []string{"php/set without value", "limits/a form body*"}, request: queried("^cmd=set&key=[^&]*$", "${0}&value=written"),
		response: change{"written$", "(?s).*", "HTTP/1.1 400 Bad Request\n\n" + `{"error": "value is missing"}`}.in},
	{name: "keys are ignored", rows: []string{"php/a key names a book"}, request: queried("-other", "")},
	{name: "bodies are not read", rows: []string{"php/set by POST", "php/* by POST*", "php/the query wins over the body", "limits/a form body*", "limits/get of 1 MB", "origin/set by POST*"}, request: func(r *http.Request) {
		if strings.Contains(r.URL.Path, ".php") {
			r.Body, r.ContentLength = http.NoBody, 0
		}
	}},
	{name: "8 KB of request line", rows: []string{"limits/a set of 8,200 bytes by GET", "limits/a set of 200 KB by GET", "limits/an address*"}, response: change{"a{1000}", "(?s).+", "HTTP/1.1 414 URI Too Long\n\n"}.in},
	{name: "a long entry is acknowledged", rows: []string{"limits/an entry of 4,097 bytes"}, response: change{"entries", "(?s).*at most 4096.*", "HTTP/1.1 201 Created\n\n" + `{"id": 1, "text": "b"}`}.in},
	{name: "Sec-Fetch-Site is not read", rows: []string{"origin/set from another site", "origin/set from a sibling site", "origin/an entry from another site"}, request: without("Sec-Fetch-Site")},
	{name: "Origin is not read", rows: []string{"origin/set from another origin", "origin/set by POST*", "origin/an entry from another origin"}, request: without("Origin")},
	{name: "the page may not write", rows: []string{"origin/set from the page", "origin/an entry from the page", "origin/set by a prerender"}, request: func(r *http.Request) {
		r.Header.Set("Sec-Fetch-Site", strings.Replace(r.Header.Get("Sec-Fetch-Site"), "same-origin", "cross-site", 1))
	}},
	{name: "the environment is told", rows: []string{"origin//env tells nothing"}, response: change{"/env$", "(?s).+", "HTTP/1.1 200 OK\n\n{}"}.in},
	{name: "an entry twice", rows: []string{"entries/those before them", "entries/an entry of an old page is one", "entries/the newest two", "entries/blank*"}, response: change{"entries", `\[({"id": 0,[^}]*})`, "[$1, $1"}.in},
	{name: "200 for a post", rows: []string{"entries/an entry by a form", "entries/*", "limits/an *", "origin/an entry from the page", "live/an entry arrives", "live/entries arrive*", "concurrent/*"}, response: change{"entries", "^HTTP/1.1 201", "HTTP/1.1 200"}.in},
	{name: "a comma stays encoded", rows: []string{"entries/an entry by a form"}, response: change{"entries", "there, 100", "there%2C 100"}.in},
	{name: "Idempotency-Key is not read", rows: []string{"entries/a repeat is answered as the first", "entries/a repeat*", "entries/the same key*", "entries/*Idempotency-Key*", "limits/an Idempotency-Key of 256 bytes", "concurrent/one post*"}, request: without("Idempotency-Key")},
	{name: "limit is not read", rows: []string{"entries/the newest two", "entries/limit*", "entries/a page with what was seen"}, request: queried("&limit=[^&]*", "")},
	{name: "a stream without ids", rows: []string{"live/an entry arrives", "live/*stream*", "live/entries*", "live/Last*"}, response: change{"events", `id: \d+\n`, ""}.in},
	{name: "an event twice", rows: []string{"live/entries arrive once each, in order", "live/*"}, response: change{"events", "(?s)^event.*", "${0}${0}"}.in},
	{name: "resets are lost", rows: []string{"live/a set is a reset"}, response: change{"events", "(?s)^event: reset.*", ""}.in},
	{name: "after is not read", rows: []string{"live/a stream from the beginning", "live/a stream after an id", "live/after is no number"}, request: queried("&after=[^&]*", "")},
	{name: "one of 100 posts is acknowledged and lost", rows: []string{"concurrent/500 posts at once", "concurrent/one post*", "entries/*"}, request: func() func(*http.Request) {
		var posts atomic.Int64
		return func(r *http.Request) {
			if r.Method == "POST" && strings.Contains(r.URL.Path, "entries") && posts.Add(1)%100 == 0 {
				r.Method, r.URL.RawQuery, r.Body, r.ContentLength = "GET", "lost", http.NoBody, 0
			}
		}
	}(), response: change{`\?lost`, "(?s).+", "HTTP/1.1 201 Created\n\n" + `{"id": 1000000, "text": "lost"}`}.in},
}

func queried(from, to string) func(*http.Request) {
	pattern := regexp.MustCompile(from)
	return func(r *http.Request) { r.URL.RawQuery = pattern.ReplaceAllString(r.URL.RawQuery, to) }
}

func without(header string) func(*http.Request) {
	return func(r *http.Request) { r.Header.Del(header) }
}

func (c change) in(r *http.Response) error {
	if !regexp.MustCompile(c.url).MatchString(r.Request.URL.RequestURI()) {
		return nil
	}
	from := regexp.MustCompile(c.from)
	stream := strings.HasPrefix(r.Header.Get("Content-Type"), "text/event-stream")
	body := r.Body
	r.ContentLength, r.TransferEncoding = -1, nil
	text, err := httputil.DumpResponse(r, !stream)
	if err != nil {
		return err
	}
	changed, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(from.ReplaceAll(text, []byte(c.to)))), r.Request)
	if err != nil {
		return err
	}
	if *r = *changed; stream {
		r.Body = changedEvents{body, from, c.to}
	}
	return nil
}

// changedEvents changes each event of an event stream, and assumes that each Read of the event stream returns one event.
type changedEvents struct {
	io.ReadCloser
	from *regexp.Regexp
	to   string
}

func (e changedEvents) Read(p []byte) (int, error) {
	n, err := e.ReadCloser.Read(p[:len(p)/2])
	return copy(p, e.from.ReplaceAll(p[:n], []byte(e.to))), err
}

// lagging returns a function that simulates a lagging slave: after each write, the first "get" still returns the previous text.
func lagging(stale *int) func(*http.Response) error {
	var before []byte
	written := false
	return func(r *http.Response) error {
		query := r.Request.URL.RawQuery
		writes := r.Request.Method == http.MethodPost || strings.Contains(query, "cmd=set")
		if written = written || writes; writes || r.StatusCode != http.StatusOK || !strings.Contains(query, "cmd=get") {
			return nil
		}
		body, err := io.ReadAll(r.Body)
		if written && before != nil {
			body, written = before, false
			*stale++
		}
		before = body
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Del("Content-Length")
		return err
	}
}

// proxy returns a reverse proxy that applies the mutation to the requests and responses of the guestbook.
func (m mutation) proxy(guestbook *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.RawQuery = r.In.URL.RawQuery // ReverseProxy would remove a query that net/url cannot parse
			r.Out.URL.Scheme, r.Out.URL.Host = guestbook.Scheme, guestbook.Host
			if m.request != nil {
				m.request(r.Out)
			}
		},
		ModifyResponse: m.response,
	}
}

// The conformance program fails for each mutation, but not for the original guestbook, and not for a guestbook with a lagging slave.
func TestMutations(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	podtest.Await(t, pod.Slave, pod.Synced)
	guestbook := must.Get(url.Parse(pod.URL()))(t)
	var trying errgroup.Group
	trying.SetLimit(8)
	stale := 0
	for _, m := range append(mutations, mutation{name: "none"}, mutation{name: "a slave that lags", response: lagging(&stale)}) {
		trying.Go(func() error {
			server := httptest.NewServer(m.proxy(guestbook))
			defer server.Close()
			args := []string{"-url", server.URL, "-profiles", "php,entries,limits,origin"}
			for _, profile := range []string{"live", "concurrent"} {
				if strings.Contains(strings.Join(m.rows, " "), profile+"/") {
					args[3] += "," + profile
				}
			}
			_, said, failed := try(t, args...)
			if len(m.rows) > 0 && !slices.Contains(failed, m.rows[0]) {
				t.Errorf("%s: %s passes", m.name, m.rows[0])
			}
			for _, row := range failed {
				if !slices.ContainsFunc(m.rows, func(pattern string) bool {
					ok, _ := path.Match(strings.ReplaceAll(pattern, "/", "|"), strings.ReplaceAll(row, "/", "|"))
					return ok
				}) {
					t.Errorf("%s: %s fails\n%s", m.name, row, said)
				}
			}
			return nil
		})
	}
	if _ = trying.Wait(); stale < 50 {
		t.Errorf("the slave that lags has given %d stale answers", stale)
	}
}
