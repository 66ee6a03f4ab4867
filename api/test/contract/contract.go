// Package contract states what clients of guestbook.php rely on, as tests that run against any deployment.
package contract

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Redis runs a command on the master.
type Redis interface {
	Do(command string, args ...any) (any, error)
}

// exchange is a request, its expected answer, and what Redis holds before and after. "KEY" in a query or body stands for the key under test.
type exchange struct {
	name   string
	before any // what Redis holds before: a string, a list, or nil for nothing

	method      string // GET unless said
	path        string // /guestbook/ unless said
	query       string // sent as it is, byte for byte
	body        string // sent as a form unless contentType says otherwise
	contentType string
	header      http.Header // "BASE" stands for the guestbook's address

	status int    // 200 unless said
	answer string // the exact body; "" where only an error is expected
	after  any    // what the master holds then; nil: what it held before
}

const updated = `{"message": "Updated"}`

// old is a guestbook that the original page has written.
const old = ",first,second"

var exchanges = []exchange{
	// ?cmd=set
	{name: "set", query: "cmd=set&key=KEY&value=,TestEntry", answer: updated, after: ",TestEntry"},
	{name: "set of an empty value", before: old, query: "cmd=set&key=KEY&value=", answer: updated, after: ""},
	{name: "set of a value without =", before: old, query: "cmd=set&key=KEY&value", answer: updated, after: ""},
	{name: "set with a semicolon", query: "cmd=set&key=KEY&value=hi;%20there", answer: updated, after: "hi; there"},
	{name: "set with a lone percent sign", query: "cmd=set&key=KEY&value=100%%20sure", answer: updated, after: "100% sure"},
	{name: "set with a bad escape", query: "cmd=set&key=KEY&value=a%zz", answer: updated, after: "a%zz"},
	{name: "set with a percent sign at the end", query: "cmd=set&key=KEY&value=100%", answer: updated, after: "100%"},
	{name: "set with an escaped ampersand", query: "cmd=set&key=KEY&value=a%26b", answer: updated, after: "a&b"},
	{name: "set with an ampersand", query: "cmd=set&key=KEY&value=a&b", answer: updated, after: "a"},
	{name: "set with an escaped number sign", query: "cmd=set&key=KEY&value=%23one", answer: updated, after: "#one"},
	{name: "set with a plus", query: "cmd=set&key=KEY&value=a+b%2Bc", answer: updated, after: "a b+c"},
	{name: "set with a quote", query: `cmd=set&key=KEY&value=say%20"hi"`, answer: updated, after: `say "hi"`},
	{name: "set with a backslash", query: `cmd=set&key=KEY&value=a\b`, answer: updated, after: `a\b`},
	{name: "set with a newline", query: "cmd=set&key=KEY&value=a%0D%0Ab", answer: updated, after: "a\r\nb"},
	{name: "set with an equals sign", query: "cmd=set&key=KEY&value=a=b", answer: updated, after: "a=b"},
	{name: "set with an emoji", query: "cmd=set&key=KEY&value=%F0%9F%98%80", answer: updated, after: "😀"},
	{name: "set with an emoji that is not encoded", query: "cmd=set&key=KEY&value=😀", answer: updated, after: "😀"},
	{name: "set with invalid UTF-8", query: "cmd=set&key=KEY&value=a%FF\xc3b", answer: updated, after: "a\xff\xc3b"},
	{name: "set with NUL", query: "cmd=set&key=KEY&value=a%00b", answer: updated, after: "a\x00b"},
	{name: "set with duplicates takes the last", query: "cmd=get&cmd=set&key=other&key=KEY&value=a&value=b", answer: updated, after: "b"},
	{name: "set with 200 KB by GET", query: "cmd=set&key=KEY&value=" + strings.Repeat("a", 200_000), answer: updated, after: strings.Repeat("a", 200_000)},
	{name: "set without value", before: old, query: "cmd=set&key=KEY", status: 400},
	{name: "set with a list as value", before: old, query: "cmd=set&key=KEY&value[]=x", status: 400},
	{name: "set without key", before: old, query: "cmd=set&value=x", status: 400},
	{name: "set with an empty key", before: old, query: "cmd=set&key=&value=x", status: 400},
	{name: "set with a list as key", before: old, query: "cmd=set&key[]=KEY&value=x", status: 400},
	{name: "set replaces a list", before: []any{"a"}, query: "cmd=set&key=KEY&value=x", answer: updated, after: "x"},

	// ?cmd=get
	{name: "get", before: ",TestEntry", query: "cmd=get&key=KEY", answer: `{"data": ",TestEntry"}`},
	{name: "get of a missing key", query: "cmd=get&key=KEY", answer: `{"data": ""}`},
	{name: "get of an empty value", before: "", query: "cmd=get&key=KEY", answer: `{"data": ""}`},
	{name: "get of ordinary text", before: ",é 😀 </script> & / '", query: "cmd=get&key=KEY", answer: `{"data": ",é 😀 </script> & / '"}`},
	{name: "get of a quote", before: `say "hi"`, query: "cmd=get&key=KEY", answer: `{"data": "say \"hi\""}`},
	{name: "get of a backslash", before: `a\b`, query: "cmd=get&key=KEY", answer: `{"data": "a\\b"}`},
	{name: "get of a newline", before: "a\nb", query: "cmd=get&key=KEY", answer: `{"data": "a\nb"}`},
	{name: "get of control characters", before: "\x00\x1f", query: "cmd=get&key=KEY", answer: `{"data": "\u0000\u001f"}`},
	{name: "get of invalid UTF-8", before: "a\xffb", query: "cmd=get&key=KEY", answer: "{\"data\": \"a\uFFFDb\"}"},
	{name: "get of 1 MB", before: strings.Repeat("a", 1_000_000), query: "cmd=get&key=KEY", answer: `{"data": "` + strings.Repeat("a", 1_000_000) + `"}`},
	{name: "get of another type", before: []any{"a"}, query: "cmd=get&key=KEY", status: 409},
	{name: "get without key", query: "cmd=get", status: 400},
	{name: "get with an empty key", query: "cmd=get&key=", status: 400},

	// Any other cmd reads: the comparison with "set" is exact.
	{name: "cmd GET reads", before: old, query: "cmd=GET&key=KEY", answer: `{"data": ",first,second"}`},
	{name: "cmd SET reads", before: old, query: "cmd=SET&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "cmd foo reads", before: old, query: "cmd=foo&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "an empty cmd reads", before: old, query: "cmd=&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "cmd without = reads", before: old, query: "cmd&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "cmd[]=set reads", before: old, query: "cmd[]=set&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "cmd with a space reads", before: old, query: "cmd=set+&key=KEY&value=x", answer: `{"data": ",first,second"}`},
	{name: "no cmd", before: old, query: "key=KEY&value=x", status: 400},
	{name: "no parameters", before: old, status: 400},

	// Every address that a version of the page uses.
	{name: "/guestbook", before: old, path: "/guestbook", query: "cmd=get&key=KEY", answer: `{"data": ",first,second"}`},
	{name: "/guestbook.php", before: old, path: "/guestbook.php", query: "cmd=get&key=KEY", answer: `{"data": ",first,second"}`},
	{name: "/guestbook.php/extra", before: old, path: "/guestbook.php/extra/path", query: "cmd=get&key=KEY", answer: `{"data": ",first,second"}`},
	{name: "set at /guestbook.php", path: "/guestbook.php", query: "cmd=set&key=KEY&value=,x", answer: updated, after: ",x"},
	{name: "/guestbook/other is nothing", path: "/guestbook/other", query: "cmd=get&key=KEY", status: 404},
	{name: "/guestbookkeeping is nothing", path: "/guestbookkeeping", query: "cmd=get&key=KEY", status: 404, answer: "-"},

	// POST works like the query.
	{name: "set by POST", method: "POST", body: "cmd=set&key=KEY&value=hi;+there%20100%", answer: updated, after: "hi; there 100%"},
	{name: "set by POST at /guestbook.php", method: "POST", path: "/guestbook.php", body: "cmd=set&key=KEY&value=x", answer: updated, after: "x"},
	{name: "get by POST", before: old, method: "POST", body: "cmd=get&key=KEY", answer: `{"data": ",first,second"}`},
	{name: "the query wins over the body", method: "POST", query: "cmd=set&value=query", body: "cmd=get&key=KEY&value=body", answer: updated, after: "query"},
	{name: "a query with a body that is no form", method: "POST", query: "cmd=set&key=KEY&value=x", body: `{"value": "y"}`, contentType: "application/json", answer: updated, after: "x"},
	{name: "a body that is no form", before: old, method: "POST", body: `{"cmd": "set"}`, contentType: "application/json", status: 400},
	{name: "a form body of 1 MiB", method: "POST", body: mebibyte, answer: updated, after: mebibyte[len("cmd=set&key=KEY&value="):]},
	{name: "a form body of over 1 MiB", before: old, method: "POST", body: mebibyte + "a", status: 413},
	{name: "an address of over 256 KB", before: old, query: "cmd=set&key=KEY&value=" + strings.Repeat("a", 270_000), status: 414},
	{name: "PUT", before: old, method: "PUT", query: "cmd=set&key=KEY&value=x", status: 405},

	// A write that another site's page causes.
	{name: "set from another site", before: old, query: "cmd=set&key=KEY&value=x", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, status: 403},
	{name: "set from another origin", before: old, query: "cmd=set&key=KEY&value=x", header: http.Header{"Origin": {"http://other.example"}}, status: 403},
	{name: "set by POST from another origin", before: old, method: "POST", body: "cmd=set&key=KEY&value=x", header: http.Header{"Origin": {"null"}}, status: 403},
	{name: "set from the page", query: "cmd=set&key=KEY&value=x", header: http.Header{"Sec-Fetch-Site": {"same-origin"}}, answer: updated, after: "x"},
	{name: "set from a page over plain http", query: "cmd=set&key=KEY&value=x", header: http.Header{"User-Agent": {"Mozilla/5.0"}, "Referer": {"BASE/guestbook.php"}}, answer: updated, after: "x"},
	{name: "set from a browser that says no page", before: old, query: "cmd=set&key=KEY&value=x", header: http.Header{"User-Agent": {"Mozilla/5.0"}}, status: 403},
	{name: "set from a page that is opened", before: old, query: "cmd=set&key=KEY&value=x", header: http.Header{"Sec-Fetch-Site": {"none"}, "Sec-Fetch-Mode": {"navigate"}}, status: 403},
	{name: "set from a page that is prefetched", before: old, query: "cmd=set&key=KEY&value=x", header: http.Header{"Sec-Fetch-Site": {"same-origin"}, "Sec-Purpose": {"prefetch"}}, status: 403},
	{name: "set by HEAD", before: old, method: "HEAD", query: "cmd=set&key=KEY&value=x", status: 405},
	{name: "get from another site", before: old, query: "cmd=get&key=KEY", header: http.Header{"Sec-Fetch-Site": {"cross-site"}}, answer: `{"data": ",first,second"}`},
}

// mebibyte is a form body of 1 MiB when KEY is "messages".
var mebibyte = "cmd=set&key=KEY&value=" + strings.Repeat("a", 1<<20-len("cmd=set&key=messages&value="))

const key = "messages"

// Run tests every exchange on the guestbook at base, such as http://127.0.0.1:8000, whose master is redis. It
// overwrites the key messages.
func Run(t *testing.T, base string, redis Redis) {
	for _, e := range exchanges {
		t.Run(e.name, func(t *testing.T) { e.run(t, base, redis) })
	}
}

func (e exchange) run(t *testing.T, base string, master Redis) {
	put(t, master, e.before)
	want := e.status
	if want == 0 {
		want = http.StatusOK
	}
	response, body := e.send(t, base)
	// A slave follows its master with some delay.
	for until := time.Now().Add(5 * time.Second); want != response.StatusCode || e.answer != "" && e.answer != "-" && body != e.answer; response, body = e.send(t, base) {
		if time.Now().After(until) || e.method == "POST" && e.after != nil {
			t.Fatalf("answer %d %.200q, want %d %.200q", response.StatusCode, body, want, e.answer)
		}
		time.Sleep(10 * time.Millisecond)
	}
	if e.answer != "-" { // nginx's own answer
		checkHeader(t, response)
	}
	if want != http.StatusOK && e.answer == "" && e.method != http.MethodHead {
		checkError(t, body)
	}
	after := e.after
	if after == nil {
		after = e.before
	}
	if got := held(t, master); fmt.Sprintf("%q", got) != fmt.Sprintf("%q", after) {
		t.Errorf("Redis holds %.200q, want %.200q", got, after)
	}
}

func (e exchange) send(t *testing.T, base string) (*http.Response, string) {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/guestbook/"
	if e.path != "" {
		u.Path = e.path
	}
	u.RawQuery = strings.ReplaceAll(e.query, "KEY", key)
	method := e.method
	if method == "" {
		method = http.MethodGet
	}
	request, err := http.NewRequestWithContext(t.Context(), method, base, strings.NewReader(strings.ReplaceAll(e.body, "KEY", key)))
	if err != nil {
		t.Fatal(err)
	}
	request.URL = u
	for name, values := range e.header {
		request.Header.Set(name, strings.ReplaceAll(values[0], "BASE", base))
	}
	if e.body != "" {
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if e.contentType != "" {
		request.Header.Set("Content-Type", e.contentType)
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

var client = &http.Client{Timeout: 10 * time.Second}

func checkHeader(t *testing.T, response *http.Response) {
	t.Helper()
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want exactly %s", name, got, want)
		}
	}
}

func checkError(t *testing.T, body string) {
	t.Helper()
	var answer struct{ Error string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == "" {
		t.Errorf("%q is not a JSON error: %v", body, err)
	}
}

func put(t *testing.T, master Redis, value any) {
	t.Helper()
	commands := [][]any{{"DEL", key}}
	switch value := value.(type) {
	case nil:
	case string:
		commands = append(commands, []any{"SET", key, value})
	case []any:
		commands = append(commands, append([]any{"RPUSH", key}, value...))
	}
	for _, c := range commands {
		if _, err := master.Do(c[0].(string), c[1:]...); err != nil {
			t.Fatal(err)
		}
	}
}

// held gives the value on the master: a string, a list, or nil.
func held(t *testing.T, master Redis) any {
	t.Helper()
	kind, err := redis.String(master.Do("TYPE", key))
	if err != nil {
		t.Fatal(err)
	}
	switch kind {
	case "none":
		return nil
	case "list":
		values, err := redis.Strings(master.Do("LRANGE", key, 0, -1))
		if err != nil {
			t.Fatal(err)
		}
		list := make([]any, len(values))
		for i, v := range values {
			list[i] = v
		}
		return list
	}
	value, err := redis.String(master.Do("GET", key))
	if err != nil {
		t.Fatal(err)
	}
	return value
}
