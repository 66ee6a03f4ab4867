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
	"guestbook/api/test/kit/history"
)

// Visitor is a client of the guestbook at a URL such as http://127.0.0.1:8000.
type Visitor struct {
	Base   string
	Client *http.Client
	// Done, if not nil, is called after every request except event streams.
	Done func(Request)
}

// Request describes a finished request.
type Request struct {
	What    string // the kind of request, such as "post" or "get"
	Start   time.Time
	Took    time.Duration
	Status  int
	Err     error // not nil if no complete answer arrived
	History any   // a history.Write or a history.Read; nil for a failed read
}

// Answer is the answer to a request: its status, its body, and the fields of the body's JSON.
type Answer struct {
	Status  int    `json:"-"`
	Body    string `json:"-"`
	ID      int64
	Entries []guestbook.Entry
	Data    *string
}

// Outcome returns the outcome of a write from the answer, or from the error if there was no answer.
func (a Answer) Outcome(err error) history.Outcome {
	switch {
	case err != nil:
		return history.Unknown
	case a.Status < 300:
		return history.Stored
	case a.Status < 500, a.Status == http.StatusInsufficientStorage, strings.Contains(a.Body, "nothing was stored"):
		return history.Refused
	}
	return history.Unknown
}

// NewClient returns an HTTP client that keeps at most this many idle connections open.
func NewClient(connections int) *http.Client {
	return &http.Client{Timeout: 15 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: connections}}
}

// Post posts an entry. If the server fails, Post repeats the request with the same Idempotency-Key, until the server stores or refuses the
// entry or ctx ends.
func (v *Visitor) Post(ctx context.Context, text string) (id int64, err error) {
	for key := rand.Text(); ; {
		answer, err := v.SendPost(ctx, text, key)
		if err == nil && answer.Status == http.StatusCreated {
			return answer.ID, nil
		}
		if err == nil && answer.Status < 500 {
			return 0, fmt.Errorf("refused: %d %s", answer.Status, answer.Body)
		}
		select {
		case <-ctx.Done():
			return 0, fmt.Errorf("last answer %d %s: %w", answer.Status, answer.Body, errors.Join(err, ctx.Err()))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// PostOnce posts an entry once, without an Idempotency-Key. PostOnce opens a new connection, because a server may close an idle connection
// just when the post arrives. If the server has acknowledged the post, "ok" is true.
func (v *Visitor) PostOnce(ctx context.Context, text string) (id int64, ok bool) {
	alone := *v
	alone.Client = &http.Client{Timeout: v.Client.Timeout, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := alone.SendPost(ctx, text, "")
	return answer.ID, err == nil && answer.Status == http.StatusCreated
}

// SendPost sends one request to post an entry. If "key" is not empty, it is the request's Idempotency-Key.
func (v *Visitor) SendPost(ctx context.Context, text, key string) (Answer, error) {
	write := history.Write{Book: guestbook.DefaultKey, Text: text, Key: key}
	return v.Do(ctx, "post", http.MethodPost, "/guestbook/entries", url.Values{"text": {text}}.Encode(), write)
}

// Set overwrites a whole guestbook, as the page of the PHP guestbook does. If "key" is empty, the request has no parameter "key".
func (v *Visitor) Set(ctx context.Context, key, value string) error {
	_, err := v.php(ctx, "set", key, url.Values{"value": {value}}, history.Write{Book: key, Set: true, Text: value})
	return err
}

// Get reads a whole guestbook, as the page of the PHP guestbook does. If "key" is empty, the request has no parameter "key".
func (v *Visitor) Get(ctx context.Context, key string) (string, error) {
	answer, err := v.php(ctx, "get", key, url.Values{}, history.Read{Book: key, Seen: -1, Whole: new(string)})
	return *cmp.Or(answer.Data, new(string)), err
}

func (v *Visitor) php(ctx context.Context, cmd, key string, query url.Values, request any) (Answer, error) {
	query.Set("cmd", cmd)
	if key != "" {
		query.Set("key", key)
	}
	return v.get(ctx, cmd, "/guestbook.php?"+query.Encode(), request)
}

// Page returns the newest page of the guestbook. If "seen" is not -1, the page must be at least as new as the entry with the id "seen".
func (v *Visitor) Page(ctx context.Context, seen int64) ([]guestbook.Entry, error) {
	path, what := "/guestbook/entries", "page"
	if seen >= 0 {
		what = "page as new as one seen"
		path += "?seen=" + strconv.FormatInt(seen, 10)
	}
	answer, err := v.get(ctx, what, path, history.Read{Book: guestbook.DefaultKey, Seen: seen})
	return answer.Entries, err
}

// get sends a GET, and returns an error if the status is not 200.
func (v *Visitor) get(ctx context.Context, what, path string, request any) (Answer, error) {
	answer, err := v.Do(ctx, what, http.MethodGet, path, "", request)
	if err == nil && answer.Status != http.StatusOK {
		err = fmt.Errorf("%d %s: %.200s", answer.Status, http.StatusText(answer.Status), answer.Body)
	}
	return answer, err
}

// Do sends a request, and then calls the callback v.Done with the request and its answer. The parameter "request" is a history.Read or a
// history.Write.
func (v *Visitor) Do(ctx context.Context, what, method, path, form string, request any) (Answer, error) {
	start := time.Now()
	write, _ := request.(history.Write)
	answer, err := v.exchange(ctx, method, path, form, write.Key)
	if failed := (*net.OpError)(nil); method == http.MethodGet && errors.As(err, &failed) && failed.Op == "write" {
		// If the server has closed an idle connection, net/http does not repeat a long GET, so Do repeats the GET.
		answer, err = v.exchange(ctx, method, path, form, write.Key)
	}
	if v.Done != nil {
		done := Request{What: what, Start: start, Took: time.Since(start), Status: answer.Status, Err: err}
		read, reads := request.(history.Read)
		switch outcome := answer.Outcome(err); {
		case !reads:
			write.Outcome, write.ID = outcome, answer.ID
			done.History = write
		case outcome == history.Stored:
			read.Entries = answer.Entries
			if read.Whole != nil {
				read.Whole = cmp.Or(answer.Data, read.Whole)
			}
			done.History = read
		}
		v.Done(done)
	}
	return answer, err
}

func (v *Visitor) exchange(ctx context.Context, method, path, form, idempotencyKey string) (answer Answer, err error) {
	r, err := http.NewRequestWithContext(ctx, method, v.Base+path, strings.NewReader(form))
	if err != nil {
		return answer, err
	}
	if form != "" {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if idempotencyKey != "" {
		r.Header.Set("Idempotency-Key", idempotencyKey)
	}
	response, err := v.Client.Do(r)
	if err != nil {
		return answer, errors.Unwrap(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if response.StatusCode < 300 && err == nil {
		if err = json.Unmarshal(body, &answer); err != nil {
			err = fmt.Errorf("%w: %.200s", err, body)
		}
	}
	answer.Status, answer.Body = response.StatusCode, string(body)
	return answer, err
}

// Watch calls the function "seen" with each entry of the guestbook, until ctx ends. If the connection breaks, Watch reconnects, and continues
// after the last entry, as a browser does. If a reset event arrives, Watch returns an error.
func (v *Visitor) Watch(ctx context.Context, seen func(guestbook.Entry)) error {
	for last := int64(-1); ctx.Err() == nil; {
		err := v.watchOnce(ctx, last, func(entry guestbook.Entry) {
			last = entry.ID
			seen(entry)
		})
		if errors.Is(err, errReset) {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

var errReset = errors.New("the book was rewritten")

func (v *Visitor) watchOnce(ctx context.Context, after int64, seen func(guestbook.Entry)) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/guestbook/events?after=%d", v.Base, after), nil)
	if err != nil {
		return err
	}
	streaming := http.Client{Transport: v.Client.Transport} // an event stream does not end, so there is no timeout
	response, err := streaming.Do(r)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	event := ""
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		if field == "event" {
			event = value
		}
		if event == "reset" {
			return errReset
		}
		if event == "entry" && field == "data" {
			var entry guestbook.Entry
			if err := json.Unmarshal([]byte(value), &entry); err != nil {
				return err
			}
			seen(entry)
		}
	}
	return nil
}
