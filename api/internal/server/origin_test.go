package server

import (
	"net/http"
	"strings"
	"testing"
)

// Some proxies, such as Apache, change the header "Host", and send the original value in X-Forwarded-Host. A page of another site cannot
// set X-Forwarded-Host.
func TestAnOriginThatAProxyHasPutAside(t *testing.T) {
	for forwarded, same := range map[string]bool{
		"gb.example": true, "GB.example:80": true, "gb.example, inner.example": true,
		"inner.example, gb.example": false, "gb.example:8080": false, "": false,
	} {
		r := &http.Request{Host: "frontend", Header: http.Header{"Origin": {"http://gb.example"}, "X-Forwarded-Host": {forwarded}}}
		if err := checkOrigin(r); (err == nil) != same {
			t.Errorf("%q: %v", forwarded, err)
		}
	}
}

// Several URLs can have the same origin. Two origins differ if their schemes, hosts or ports differ.
func TestWhichOriginsMayWrite(t *testing.T) {
	for _, c := range []struct {
		origin, host, proto string
		same                bool
	}{
		{"http://gb.example", "gb.example", "http", true},
		{"http://gb.example", "gb.example:80", "http", true},
		{"http://gb.example:80", "gb.example", "http", true},
		{"https://gb.example", "gb.example:443", "https", true},
		{"https://gb.example", "gb.example", "https, http", true},
		{"https://gb.example", "gb.example", "http", true}, // nginx sends X-Forwarded-Proto: http if the proxy in front of nginx sends no such header
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
		err := checkOrigin(&http.Request{Host: c.host, Header: http.Header{"Origin": {c.origin}, "X-Forwarded-Proto": {c.proto}}})
		if (err == nil) != c.same {
			t.Errorf("%+v: %v", c, err)
		}
		if err != nil && (!strings.Contains(err.Error(), c.origin) || !strings.Contains(err.Error(), c.host)) {
			t.Errorf("%+v: the message does not name both: %v", c, err)
		}
	}
}

// The test cases are headers that browsers and programs send with a write.
func TestWhoMayWrite(t *testing.T) {
	const (
		safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.3 Safari/605.1.15"
		presto  = "Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18"
		windows = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682"
		page    = "http://gb.example/"
		other   = "http://other.example/"
	)
	for _, c := range []struct {
		name    string
		headers string // one "Name: value" on each line
		written bool
	}{
		// Programs that are not browsers send the following headers.
		{"no header at all", "", true},
		{"curl", "User-Agent: curl/8.5.0\nAccept: */*", true},
		{"Kubernetes' e2e test", "User-Agent: e2e.test/v1.30.0 (linux/amd64) kubernetes/7c48c2b -- [sig-cli] Guestbook", true},
		{"Node's fetch", "User-Agent: node\nAccept-Language: *\nSec-Fetch-Mode: cors", true},
		{"PowerShell", "User-Agent: " + windows, true},
		{"curl that says where it comes from", "User-Agent: curl/8.5.0\nReferer: " + other, false},

		// Browsers send the following headers when the page of this guestbook or of the PHP guestbook writes.
		{"XMLHttpRequest over https", "User-Agent: " + safari + "\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors\nReferer: " + page, true},
		{"the same without a Referer", "User-Agent: " + safari + "\nSec-Fetch-Site: same-origin\nSec-Fetch-Mode: cors", true},
		{"XMLHttpRequest over http", "User-Agent: " + safari + "\nReferer: " + page + "guestbook.php?x#y", true},
		{"the same with a port", "User-Agent: " + safari + "\nReferer: http://gb.example:80/", true},
		{"a post without a Referer", "User-Agent: " + safari + "\nOrigin: http://gb.example", true},
		{"behind TLS that nobody tells of", "User-Agent: " + safari + "\nReferer: https://gb.example/a/b", true},
		{"behind a proxy with another Host", "User-Agent: " + safari + "\nReferer: http://gb.proxy/\nX-Forwarded-Host: gb.proxy", true},

		// A browser sends the following headers when a visitor opens an address, or when a page prefetches an address.
		{"an address that was typed", "User-Agent: " + safari + "\nSec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Fetch-Dest: document\nSec-Fetch-User: ?1", false},
		{"the same as a program would", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate", false},
		{"a link or form of the page's own", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate\nReferer: " + page, false},
		{"a redirect that a prefetch followed", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Purpose: prefetch", false},
		{"a prerender", "Sec-Fetch-Site: none\nSec-Fetch-Mode: navigate\nSec-Purpose: prefetch;prerender", false},
		{"a prefetch of the page's own", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: no-cors\nSec-Purpose: prefetch", false},
		{"an old Chromium's", "Purpose: prefetch", false},
		{"an old Safari's preview", "X-Purpose: preview", false},
		{"an old Firefox's", "X-moz: prefetch", false},
		{"what no page asked for", "User-Agent: " + safari + "\nSec-Fetch-Site: none\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", false},

		// Browsers send the following headers when a page of another site writes.
		{"an image of another site", "User-Agent: " + safari + "\nSec-Fetch-Site: cross-site\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", false},
		{"of a sibling", "Sec-Fetch-Site: same-site\nSec-Fetch-Mode: no-cors", false},
		{"of a sibling that names this page", "Sec-Fetch-Site: same-site\nReferer: " + page, false},
		{"an image in an old Safari", "User-Agent: " + safari + "\nAccept: image/webp,image/png,*/*;q=0.8\nAccept-Language: en-GB\nReferer: " + other, false},
		{"the same without a Referer", "User-Agent: " + safari + "\nAccept: image/webp,image/png,*/*;q=0.8", false},
		{"a Referer of another port", "User-Agent: " + safari + "\nReferer: http://gb.example:8080/", false},
		{"a Referer of a longer name", "User-Agent: " + safari + "\nReferer: http://gb.example.other.example/", false},
		{"a Referer with this name as its user", "User-Agent: " + safari + "\nReferer: http://gb.example@other.example/", false},
		{"a Referer with this name in its path", "User-Agent: " + safari + "\nReferer: http://other.example/http://gb.example/", false},
		{"a Referer that is none", "User-Agent: " + safari + "\nReferer: about:client", false},
		{"an Origin of another and a Referer of this", "User-Agent: " + safari + "\nOrigin: null\nReferer: " + page, false},
		{"an old Opera", "User-Agent: " + presto, false},
	} {
		header := http.Header{}
		for line := range strings.Lines(c.headers) {
			name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
			header.Set(name, value)
		}
		if err := checkOrigin(&http.Request{Host: "gb.example", Header: header}); (err == nil) != c.written {
			t.Errorf("%s: %v, want written %t", c.name, err, c.written)
		}
	}
}
