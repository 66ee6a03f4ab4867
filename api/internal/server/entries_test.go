package server_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/podtest"
)

func TestPostEntry(t *testing.T) {
	s, pod := newServer(t)
	master := podtest.Dial(t, pod.Ports.Master)
	const form, object = "application/x-www-form-urlencoded;charset=UTF-8", "application/json"
	for _, c := range []struct {
		name, contentType, body string
		header                  http.Header
		status                  int
		want                    string // the answer, or a part of its error
		book                    string
	}{
		{"a form", form, "text=hi;+there%2C%20100%", nil, 201, `{"id": 0, "text": "hi; there, 100%"}`, ",hi; there%2C 100%"},
		{"a JSON object", object, `{"text": "say \"hi\""}`, nil, 201, `{"id": 0, "text": "say \"hi\""}`, `,say "hi"`},
		{"an emoji", object, `{"text": "😀"}`, nil, 201, `{"id": 0, "text": "😀"}`, ",😀"},
		{"the longest text", form, "text=" + strings.Repeat("a", 4096), nil, 201, "", "," + strings.Repeat("a", 4096)},
		{"the usual key", object, `{"text": "x", "key": "messages"}`, nil, 201, `{"id": 0, "text": "x"}`, ",x"},
		{"too long a text", form, "text=" + strings.Repeat("a", 4097), nil, 413, "at most 4096", ""},
		{"too long a body", object, strings.Repeat(" ", 1<<20+1), nil, 413, "longer than 1048576", ""},
		{"no text", form, "key=messages", nil, 400, "text is missing", ""},
		{"an empty text", form, "text=", nil, 400, "text is missing or blank", ""},
		{"a blank text", object, `{"text": " \n\t "}`, nil, 400, "text is missing or blank", ""},
		{"a list as text", form, "text[]=x", nil, 400, "text is missing", ""},
		{"an empty key", object, `{"text": "x", "key": ""}`, nil, 400, "key is empty", ""},
		{"a number as text", object, `{"text": 1}`, nil, 400, "not the JSON object", ""},
		{"broken JSON", object, `{"text": "x"`, nil, 400, "not the JSON object", ""},
		{"plain text", "text/plain", "x", nil, 415, "application/json", ""},
		{"another site", form, "text=x", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "other sites", ""},
		{"an empty Idempotency-Key", form, "text=x", http.Header{"Idempotency-Key": {""}}, 400, "Idempotency-Key", ""},
		{"two Idempotency-Keys", form, "text=x", http.Header{"Idempotency-Key": {"a", "b"}}, 400, "Idempotency-Key", ""},
		{"a strange Idempotency-Key", form, "text=x", http.Header{"Idempotency-Key": {"a b"}}, 400, "Idempotency-Key", ""},
		{"a long Idempotency-Key", form, "text=x", http.Header{"Idempotency-Key": {strings.Repeat("a", 256)}}, 400, "Idempotency-Key", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			podtest.Do(t, master, "DEL", "messages")
			w := post(s, c.contentType, c.body, c.header)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("answers %d %.200s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
			if !json.Valid(w.Body.Bytes()) || w.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%.200s as %q is not JSON", w.Body, w.Header().Get("Content-Type"))
			}
			if got, _ := redis.String(master.Do("GET", "messages")); got != c.book {
				t.Errorf("the book is %.100q, want %.100q", got, c.book)
			}
		})
	}
}

func post(s http.Handler, contentType, body string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/guestbook/entries", strings.NewReader(body))
	for name, values := range header {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", contentType)
	return serve(s, r)
}

func TestARepeatedPostIsAnsweredAsTheFirst(t *testing.T) {
	s, pod := newServer(t)
	key := func(k string) http.Header { return http.Header{"Idempotency-Key": {k}} }
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		key, text string
		status    int
		want      string
	}{
		{"1", "x", 201, `{"id": 0, "text": "x"}`},
		{"2", "y", 201, `{"id": 2, "text": "y"}`},
		{"1", "x", 201, `{"id": 0, "text": "x"}`},
		{`"1"`, "x", 201, `{"id": 0, "text": "x"}`}, // quoted, as the draft wants it
		{"1", "y", 422, "used with another text"},
	} {
		if w := post(s, form, "text="+c.text, key(c.key)); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s under %s: %d %s, want %d %s", c.text, c.key, w.Code, w.Body, c.status, c.want)
		}
	}
	if got, err := redis.String(podtest.Dial(t, pod.Ports.Master).Do("GET", "messages")); got != ",x,y" {
		t.Errorf("the book is %q, %v", got, err)
	}
}

func TestReadEntries(t *testing.T) {
	s, pod := newServer(t)
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Do(t, master, "SET", "messages", ",é,b%2Cc,d")
	podtest.Do(t, master, "RPUSH", "list", "a")
	podtest.Do(t, master, "WAIT", 1, 5000)
	for _, c := range []struct {
		query  string
		status int
		want   string
	}{
		{"", 200, `{"entries": [{"id": 0, "text": "é"}, {"id": 3, "text": "b,c"}, {"id": 9, "text": "d"}], "before": null}`},
		{"?limit=2", 200, `{"entries": [{"id": 3, "text": "b,c"}, {"id": 9, "text": "d"}], "before": 3}`},
		{"?before=3&limit=2", 200, `{"entries": [{"id": 0, "text": "é"}], "before": null}`},
		{"?before=0", 200, `{"entries": [], "before": null}`},
		{"?key=missing", 200, `{"entries": [], "before": null}`},
		{"?seen=9&limit=1", 200, `{"entries": [{"id": 9, "text": "d"}], "before": 9}`},
		{"?after=-1&limit=2", 200, `{"entries": [{"id": 0, "text": "é"}, {"id": 3, "text": "b,c"}], "after": 3}`},
		{"?after=3&limit=2", 200, `{"entries": [{"id": 9, "text": "d"}], "after": null}`},
		{"?after=9", 200, `{"entries": [], "after": null}`},
		{"?after=-1&key=missing", 200, `{"entries": [], "after": null}`},
		{"?before=1", 400, "no entry starts there"},
		{"?after=1", 400, "no entry starts there"},
		{"?after=-2", 400, "-1 or more"},
		{"?before=x", 400, `before is \"x\": use a whole number, 0 or more`},
		{"?limit=0", 400, "1 or more, at most 500"},
		{"?limit=501", 400, "1 or more, at most 500"},
		{"?seen=-1", 400, "0 or more"},
		{"?key=", 400, "key is empty"},
		{"?key=list", 409, "another type"},
	} {
		if w := get(s, "/guestbook/entries"+c.query); w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s answers %d %s, want %d %s", c.query, w.Code, w.Body, c.status, c.want)
		}
	}
	if w := serve(s, httptest.NewRequest(http.MethodDelete, "/guestbook/entries", nil)); w.Code != 405 || w.Header().Get("Allow") == "" {
		t.Errorf("DELETE answers %d", w.Code)
	}
}
