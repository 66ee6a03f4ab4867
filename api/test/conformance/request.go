package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A request is an HTTP request of a test case. The word KEY stands for the guestbook's key. The word BASE in the header Referer stands for
// the server's URL.
type request struct {
	method, path, query, body string // an empty path stands for the path that answers commands
	header                    http.Header
}

const formType = "application/x-www-form-urlencoded"

func get(query string) request    { return request{method: http.MethodGet, query: query} }
func page(query string) request   { return get("key=KEY" + query).at("/guestbook/entries") }
func events(query string) request { return get("key=KEY" + query).at("/guestbook/events") }
func post(body string) request    { return get("").by(http.MethodPost).sends(formType, body) }
func form(body string) request    { return post("key=KEY&" + body).at("/guestbook/entries") }
func object(body string) request  { return form("").sends("application/json", body) }

func (r request) at(path string) request    { r.path = path; return r }
func (r request) by(method string) request  { r.method = method; return r }
func (r request) asks(query string) request { r.query = query; return r }
func (r request) sends(contentType, body string) request {
	r.body = body
	return r.with("Content-Type", contentType)
}
func (r request) with(name string, values ...string) request {
	if r.header = r.header.Clone(); r.header == nil {
		r.header = http.Header{}
	}
	r.header[name] = values
	return r
}

func (r request) in(b *book) request {
	r.query = strings.ReplaceAll(r.query, "KEY", url.QueryEscape(b.key))
	r.body = strings.ReplaceAll(r.body, "KEY", b.key)
	if page := r.header["Referer"]; page != nil {
		r = r.with("Referer", strings.ReplaceAll(page[0], "BASE", b.base.String()))
	}
	r.path = cmp.Or(r.path, b.path, "/guestbook.php")
	return r
}

type entry struct {
	ID   *int64
	Text string
}

func (e entry) String() string {
	if e.ID == nil {
		return "no entry"
	}
	return fmt.Sprintf("entry %d %q", *e.ID, e.Text)
}

// An answer is a response with up to maxBody bytes of its body. For an event stream, the field "body" stays empty.
type answer struct {
	status int
	header http.Header
	body   string
	json   struct {
		Data, Message, Error *string
		Entries              *[]entry
		Before               json.RawMessage
		entry
	}
}

const maxBody, requestTimeout = 4 << 20, 10 * time.Second

// client opens a connection for each request, so that any pod may answer.
var client = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true, DisableCompression: true, MaxResponseHeaderBytes: 64 << 10, ExpectContinueTimeout: time.Second},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

func (b *book) open(ctx context.Context, r request) (*http.Response, error) {
	r = r.in(b)
	b.mu.Lock()
	if b.asked = append(b.asked, r); r.method != http.MethodGet || strings.Contains(r.query, "set") || strings.Contains(r.query, "value") {
		b.holds = nil
	}
	b.mu.Unlock()
	request, err := http.NewRequestWithContext(ctx, r.method, b.base.String(), strings.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	request.URL.Path += r.path
	request.URL.RawQuery = r.query
	request.Header = r.with("User-Agent", cmp.Or(r.header.Get("User-Agent"), "guestbook-conformance")).header
	if len(r.body) > 100_000 {
		request.Header.Set("Expect", "100-continue") // with this header, a server can refuse the body before the client sends it
	}
	response, err := client.Do(request)
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err
	}
	return response, err
}

// send returns the answer to a request. If a busy server answers 503 with Retry-After, "send" repeats a request that a client may repeat.
func (b *book) send(r request) (a answer, err error) {
	repeatable := r.method != http.MethodPost || strings.Contains(r.query+"&"+r.body, "cmd=set&")
	for tries := 3; ; tries-- {
		a, err = b.sendOnce(r)
		if tries == 1 || !repeatable || a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
			return a, err
		}
		time.Sleep(time.Second)
	}
}

func (b *book) sendOnce(r request) (a answer, err error) {
	ctx, cancel := context.WithTimeout(b.ctx, requestTimeout)
	defer cancel()
	response, err := b.open(ctx, r)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	a.status, a.header = response.StatusCode, response.Header
	if strings.HasPrefix(a.header.Get("Content-Type"), "text/event-stream") {
		return a, nil
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxBody))
	if a.body = string(body); !utf8.Valid(body) || json.Unmarshal(body, &a.json) != nil {
		a.json = answer{}.json
	}
	return a, err
}

func (a answer) String() string { return fmt.Sprintf("%d %s", a.status, abbreviated(a.body)) }

// data returns up to two possible texts of the guestbook: the answer's JSON string decoded, and the same JSON string without decoding.
// guestbook.php puts the guestbook's text into the JSON without escapes.
func (a answer) data() (texts []string) {
	if a.status == http.StatusOK && a.json.Data != nil {
		texts = append(texts, *a.json.Data)
	}
	if raw, ok := strings.CutPrefix(a.body, `{"data": "`); ok && strings.HasSuffix(raw, `"}`) {
		texts = append(texts, strings.TrimSuffix(raw, `"}`))
	}
	return texts
}

func abbreviated(s string) string {
	if len(s) > 300 {
		return fmt.Sprintf("%q… (%d bytes)", s[:300], len(s))
	}
	return fmt.Sprintf("%q", s)
}

// curl returns a bash command that sends the request with curl. In the bash command, curl reads a long query or body from a pipe, because
// Linux limits each argument of a program to 128 KiB.
func (b *book) curl(r request) string {
	command := strings.NewReplacer(" -X GET", "", "-X HEAD", "--head").Replace("curl -sgi -X " + r.method)
	for name, values := range r.header {
		for _, value := range values {
			header := name + ": " + value
			if value == "" {
				header = name + ";" // curl's syntax for a header with an empty value
			}
			command += " -H " + quoted(header)
		}
	}
	text, asQuery := r.body, ""
	if len(r.query) > 100_000 {
		text, asQuery, r.query = r.query, " -G", ""
	}
	address := quoted(strings.TrimSuffix(b.base.String()+r.path+"?"+r.query, "?"))
	if len(text) > 100_000 {
		return "printf %s " + quoted(text) + " | " + command + asQuery + " --data-binary @- " + address
	}
	if text != "" {
		command += " --data-binary " + quoted(text)
	}
	return command + " " + address
}

var filling = regexp.MustCompile(`a{1000,}`)

// quoted quotes a text as an argument in a bash command. To shorten the command, $(printf …) replaces 1000 or more letters "a".
func quoted(text string) string {
	word := strconv.Quote(text)
	word = "'" + strings.ReplaceAll(word[1:len(word)-1], "'", `\'`) + "'"
	if strings.Contains(word, `\`) {
		word = "$" + word
	}
	word = filling.ReplaceAllStringFunc(word, func(row string) string { return fmt.Sprintf("'$(printf %%0%dd | tr 0 a)$'", len(row)) })
	return strings.TrimSuffix(word, "$''")
}
