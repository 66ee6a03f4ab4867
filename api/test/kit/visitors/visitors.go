// Package visitors implements test clients that post entries, repeat unanswered posts, read pages, and watch the event stream.
package visitors

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
	"guestbook/api/test/kit/history"
)

// Visitor is a client of the guestbook at the URL Base, such as http://127.0.0.1:8000.
type Visitor struct {
	Base   string
	Client *http.Client
	// Repeated is how many posts the visitor has sent again.
	Repeated int
	// Done, if not nil, is called after every request except event streams.
	Done func(Request)
}

// Request describes a finished request.
type Request struct {
	What   string // "post", "set", "get", "page", or "page as new as one seen"
	Start  time.Time
	Took   time.Duration
	Status int
	Err    error // not nil if no answer, or only a part of the answer, arrived.
	// History is the request as a history.Write or a history.Read. History is nil for a failed read.
	History any
}

// Outcome returns the outcome of a write that ended with this status and body, or with this error.
func Outcome(status int, body string, err error) history.Outcome {
	switch {
	case err != nil:
		return history.Unknown
	case status < 300:
		return history.Stored
	case status < 500, status == http.StatusInsufficientStorage, strings.Contains(body, "nothing was stored"):
		return history.Refused
	}
	return history.Unknown
}

// NewClient returns an HTTP client that keeps up to this many idle connections open.
func NewClient(connections int) *http.Client {
	return &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
}

// Post posts an entry. Post repeats the request with the same Idempotency-Key until the server stores or refuses the entry, or ctx ends.
func (v *Visitor) Post(ctx context.Context, text string) (id int64, err error) {
	key := rand.Text()
	for {
		status, body, err := v.do(ctx, "post", http.MethodPost, "/guestbook/entries", url.Values{"text": {text}}, key)
		if err == nil && status == http.StatusCreated {
			var entry guestbook.Entry
			return entry.ID, json.Unmarshal([]byte(body), &entry)
		}
		if err == nil && status < 500 {
			return 0, fmt.Errorf("refused: %d %s", status, body)
		}
		v.Repeated++
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("last answer %d %s: %w", status, body, errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// PostOnce posts an entry once, without an Idempotency-Key, over a connection of its own: a server may close an idle connection just when
// such a post arrives, and no client repeats the post. ok reports whether the server has acknowledged the post.
func (v *Visitor) PostOnce(ctx context.Context, text string) (id int64, ok bool) {
	alone := *v
	alone.Client = &http.Client{Timeout: v.Client.Timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	status, body, err := alone.do(ctx, "post", http.MethodPost, "/guestbook/entries", url.Values{"text": {text}}, "")
	var entry guestbook.Entry
	ok = err == nil && status == http.StatusCreated && json.Unmarshal([]byte(body), &entry) == nil
	return entry.ID, ok
}

// Set overwrites a whole guestbook, as the page of the PHP guestbook does. If key is "", the request has no parameter key.
func (v *Visitor) Set(ctx context.Context, key, value string) error {
	answer, err := v.php(ctx, "set", key, url.Values{"value": {value}})
	if err == nil && answer.Message == nil {
		err = errors.New("the answer to set has no message")
	}
	return err
}

// Get returns a whole guestbook, as the page of the PHP guestbook reads it. If key is "", the request has no parameter key.
func (v *Visitor) Get(ctx context.Context, key string) (string, error) {
	answer, err := v.php(ctx, "get", key, url.Values{})
	if err == nil && answer.Data == nil {
		err = errors.New("the answer to get has no data")
	}
	return *cmp.Or(answer.Data, new(string)), err
}

func (v *Visitor) php(ctx context.Context, cmd, key string, query url.Values) (answer struct{ Message, Data *string }, err error) {
	query.Set("cmd", cmd)
	if key != "" {
		query.Set("key", key)
	}
	err = v.get(ctx, cmd, "/guestbook.php?"+query.Encode(), &answer)
	return answer, err
}

// Page returns the newest page of the guestbook. Unless seen is -1, the page must be at least as new as the entry with the id seen.
func (v *Visitor) Page(ctx context.Context, seen int64) ([]guestbook.Entry, error) {
	path, what := "/guestbook/entries", "page"
	if seen >= 0 {
		what = "page as new as one seen"
		path += "?seen=" + strconv.FormatInt(seen, 10)
	}
	var answer struct{ Entries []guestbook.Entry }
	err := v.get(ctx, what, path, &answer)
	return answer.Entries, err
}

// get sends a GET and decodes the JSON response into answer. If the status is not 200, the error begins with the status.
func (v *Visitor) get(ctx context.Context, what, path string, answer any) error {
	status, body, err := v.do(ctx, what, http.MethodGet, path, nil, "")
	switch {
	case err != nil:
		return err
	case status != http.StatusOK:
		return fmt.Errorf("%d %s: %.200s", status, http.StatusText(status), body)
	}
	if err = json.Unmarshal([]byte(body), answer); err != nil {
		err = fmt.Errorf("%w: %.200s", err, body)
	}
	return err
}

func (v *Visitor) do(ctx context.Context, what, method, path string, form url.Values, idempotencyKey string) (int, string, error) {
	start := time.Now()
	status, body, err := v.exchange(ctx, method, path, form, idempotencyKey)
	if write := (*net.OpError)(nil); method == http.MethodGet && errors.As(err, &write) && write.Op == "write" {
		// The server closed the idle connection before the request arrived. A client may then repeat a GET (RFC 9112, 9.3.1), but net/http
		// repeats only a request that fits into its buffer of 4 KB.
		status, body, err = v.exchange(ctx, method, path, form, idempotencyKey)
	}
	if v.Done != nil {
		done := Request{What: what, Start: start, Took: time.Since(start), Status: status, Err: err}
		done.History = v.history(what, path, form.Get("text"), idempotencyKey, Outcome(status, body, err), body)
		v.Done(done)
	}
	return status, body, err
}

// history returns a request and its answer as a history.Write or a history.Read. history returns nil for a failed read.
func (v *Visitor) history(what, path, text, idempotencyKey string, outcome history.Outcome, body string) any {
	_, query, _ := strings.Cut(path, "?")
	params := php.ParseQuery(query)
	key, _ := params.Get("key")
	var answer struct {
		ID      int64
		Entries []guestbook.Entry
		Data    string
	}
	_ = json.Unmarshal([]byte(body), &answer) // an error response has none of these fields
	switch {
	case what == "post":
		return history.Write{Book: guestbook.DefaultKey, Text: text, Key: idempotencyKey, Outcome: outcome, ID: answer.ID}
	case what == "set":
		value, _ := params.Get("value")
		return history.Write{Book: key.Text, Set: true, Text: value.Text, Outcome: outcome}
	case outcome != history.Stored:
		return nil
	case what == "get":
		return history.Read{Book: key.Text, Seen: -1, Whole: &answer.Data}
	}
	read := history.Read{Book: guestbook.DefaultKey, Seen: -1, Entries: answer.Entries}
	if seen, ok := params.Get("seen"); ok {
		read.Seen, _ = strconv.ParseInt(seen.Text, 10, 64) // no error, because Page has written a number
	}
	return read
}

func (v *Visitor) exchange(ctx context.Context, method, path string, form url.Values, idempotencyKey string) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, method, v.Base+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, "", err
	}
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", idempotencyKey)
	}
	response, err := v.Client.Do(r)
	if err != nil {
		return 0, "", errors.Unwrap(err) // Unwrap removes the URL, which differs each time
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return response.StatusCode, string(body), err
}

// Watch calls the function seen with each entry of the event stream after an id (-1: with every entry), until seen returns false or ctx
// ends. If the connection breaks, Watch reconnects and goes on after the last entry, as a browser does. Watch fails at a reset event.
func (v *Visitor) Watch(ctx context.Context, after int64, seen func(id int64, text string) bool) error {
	for ctx.Err() == nil {
		last, done, err := v.watchOnce(ctx, after, seen)
		if done || errors.Is(err, errReset) {
			return err
		}
		after = last
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return ctx.Err()
}

var errReset = errors.New("the book was rewritten")

func (v *Visitor) watchOnce(ctx context.Context, last int64, seen func(id int64, text string) bool) (_ int64, done bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/guestbook/events?after=%d", v.Base, last), nil)
	if err != nil {
		return last, true, err
	}
	streaming := http.Client{Transport: v.Client.Transport} // no timeout, because an event stream does not end
	response, err := streaming.Do(r)
	if err != nil {
		return last, false, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return last, false, fmt.Errorf("answered %s", response.Status)
	}
	lines := bufio.NewReaderSize(response.Body, 512)
	event := "" // the name of the current event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return last, false, err
		}
		if line == "event: reset\n" {
			return last, false, errReset
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(line, "data: ")
		if !ok || event != "entry\n" {
			continue
		}
		var entry guestbook.Entry
		if err := json.Unmarshal([]byte(data), &entry); err != nil {
			return last, true, err
		}
		last = entry.ID
		if !seen(entry.ID, entry.Text) {
			return last, true, nil
		}
	}
}
