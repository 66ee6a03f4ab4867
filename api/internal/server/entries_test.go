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

// TestPostEntry sends one request for each kind of answer to a POST. The conformance suite sends more requests.
func TestPostEntry(t *testing.T) {
	s, pod := newServer(t)
	master := podtest.Dial(t, pod.Ports.Master)
	const form, object = "application/x-www-form-urlencoded;charset=UTF-8", "application/json"
	key := func(values ...string) http.Header { return http.Header{"Idempotency-Key": values} }
	const book = ",hi; there%2C 100%,say \"hi\""
	for _, c := range []struct {
		name, contentType, body string
		header                  http.Header
		status                  int
		want                    string // a part of the answer
	}{
		{"a form", form, "text=hi;+there%2C%20100%", key("1"), 201, `{"id": 0, "text": "hi; there, 100%"}`},
		{"a JSON object", object, `{"text": "say \"hi\""}`, nil, 201, `{"id": 18, "text": "say \"hi\""}`},
		{"a repeat, with the quotes of the draft", form, "text=hi;+there%2C%20100%", key(`"1"`), 201, `{"id": 0, "text": "hi; there, 100%"}`},
		{"a key with another text", form, "text=x", key("1"), 422, "used with another text"},
		{"two keys", form, "text=x", key("a", "b"), 400, "Idempotency-Key"},
		{"too long a text", form, "text=" + strings.Repeat("a", 4097), nil, 413, "at most 4096"},
		{"too long a body", object, strings.Repeat(" ", 1<<20+1), nil, 413, "longer than 1048576"},
		{"a blank text", object, `{"text": " \n\t "}`, nil, 400, "text is missing or blank"},
		{"an empty book", object, `{"text": "x", "key": ""}`, nil, 400, "key is empty"},
		{"broken JSON", object, `{"text": "x"`, nil, 400, "not the JSON object"},
		{"plain text", "text/plain", "x", nil, 415, "application/json"},
		{"another site", form, "text=x", http.Header{"Sec-Fetch-Site": {"cross-site"}}, 403, "other sites"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := post(s, c.contentType, c.body, c.header)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || !json.Valid(w.Body.Bytes()) {
				t.Errorf("answers %d %.200s, want %d %s", w.Code, w.Body, c.status, c.want)
			}
		})
	}
	if got, err := redis.String(master.Do("GET", "messages")); got != book {
		t.Errorf("the book is %.100q, %v, want %.100q", got, err, book)
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
		{"?limit=2", 200, `{"entries": [{"id": 3, "text": "b,c"}, {"id": 9, "text": "d"}], "before": 3}`},
		{"?before=3&limit=2", 200, `{"entries": [{"id": 0, "text": "é"}], "before": null}`},
		{"?key=missing", 200, `{"entries": [], "before": null}`},
		{"?after=-1&limit=2", 200, `{"entries": [{"id": 0, "text": "é"}, {"id": 3, "text": "b,c"}], "after": 3}`},
		{"?after=3&limit=2", 200, `{"entries": [{"id": 9, "text": "d"}], "after": null}`},
		{"?after=9", 200, `{"entries": [], "after": null}`},
		{"?after=-1&key=missing", 200, `{"entries": [], "after": null}`},
		{"?after=1", 400, "no entry starts there"},
		{"?after=-2", 400, "-1 or more"},
		{"?before=x", 400, `before is \"x\": use a whole number, 0 or more`},
		{"?limit=501", 400, "1 or more, at most 500"},
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
