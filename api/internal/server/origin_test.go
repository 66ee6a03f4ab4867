package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// A proxy that names itself in Host says in X-Forwarded-Host what the visitor asked for, as Apache does. A page of another site
// cannot send that header.
func TestAnOriginThatAProxyHasPutAside(t *testing.T) {
	s, _ := newServer(t)
	for forwarded, want := range map[string]int{
		"gb.example": http.StatusCreated, "GB.example:80": http.StatusCreated, "gb.example, inner.example": http.StatusCreated,
		"inner.example, gb.example": http.StatusForbidden, "gb.example:8080": http.StatusForbidden, "": http.StatusForbidden,
	} {
		r := httptest.NewRequest(http.MethodPost, "/guestbook/entries", strings.NewReader("text=x"))
		r.Host, r.Header = "frontend", http.Header{
			"Origin": {"http://gb.example"}, "X-Forwarded-Host": {forwarded}, "Content-Type": {"application/x-www-form-urlencoded"},
		}
		if w := serve(s, r); w.Code != want {
			t.Errorf("%q: answered %d %s", forwarded, w.Code, w.Body)
		}
	}
}

// One origin can be written in several ways; what differs in scheme, host or port is another.
func TestWhichOriginsMayWrite(t *testing.T) {
	s, _ := newServer(t)
	for _, c := range []struct {
		origin, host, proto string
		same                bool
	}{
		{"http://gb.example", "gb.example", "http", true},
		{"http://gb.example", "gb.example:80", "http", true},
		{"http://gb.example:80", "gb.example", "http", true},
		{"https://gb.example", "gb.example:443", "https", true},
		{"https://gb.example", "gb.example", "https, http", true},
		{"https://gb.example", "gb.example", "http", true}, // nginx says http where the proxy in front says nothing
		{"https://gb.example:443", "gb.example", "", true},
		{"http://gb.example", "GB.example", "http", true},
		{"http://GB.example", "gb.example:80", "http", true},
		{"http://gb.example:8080", "gb.example:8080", "http", true},
		{"http://[::1]", "[::1]:80", "http", true},
		{"http://[fd00::1]:8000", "[FD00:0:0:0:0:0:0:1]:8000", "http", true},

		{"http://gb.example:8080", "gb.example", "http", false},
		{"http://gb.example", "gb.example:8080", "http", false},
		{"http://gb.example", "gb.example:443", "http", false},
		{"https://gb.example", "gb.example:80", "https", false},
		{"https://gb.example:80", "gb.example", "https", false},
		{"http://gb.example:443", "gb.example", "https", false},
		{"http://gb.example", "gb.example", "https", false},
		{"http://gb.example.evil.example", "gb.example", "http", false},
		{"http://evil.example", "gb.example", "http", false},
		{"http://[::2]", "[::1]", "http", false},
		{"ftp://gb.example", "gb.example", "http", false},
		{"null", "gb.example", "http", false},
		{"null", "null", "http", false},
		{"%%", "gb.example", "http", false},
	} {
		header := http.Header{"Origin": {c.origin}, "X-Forwarded-Proto": {c.proto}}
		r := httptest.NewRequest(http.MethodPost, "/guestbook/entries", strings.NewReader("text=x"))
		r.Host, r.Header = c.host, header
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		w := serve(s, r)
		if want := map[bool]int{true: http.StatusCreated, false: http.StatusForbidden}[c.same]; w.Code != want {
			t.Errorf("%+v: answered %d %s", c, w.Code, w.Body)
		}
		if says := w.Body.String(); !c.same && (!strings.Contains(says, c.origin) || !strings.Contains(says, c.host)) {
			t.Errorf("%+v: the message does not name both: %s", c, says)
		}
	}
}
