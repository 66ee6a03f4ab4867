package server

import (
	"net/http"
	"strings"
	"testing"
)

// Several URLs can have the same origin. Two origins differ if their schemes, hosts or ports differ.
func TestWhichOriginsMayWrite(t *testing.T) {
	for _, c := range []struct {
		origin, host, proto string
		same                bool
	}{
		{"http://gb.example", "gb.example:80", "http", true},
		{"http://gb.example:80", "gb.example", "http", true},
		{"https://gb.example", "gb.example:443", "https, http", true},
		{"https://gb.example", "gb.example", "http", true}, // nginx sends X-Forwarded-Proto: http if the proxy in front of nginx sends no such header
		{"https://gb.example:443", "gb.example", "", true},
		{"http://GB.example:8080", "gb.EXAMPLE:8080", "http", true},
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
		{"http://[::2]", "[::1]", "http", false},
		{"ftp://gb.example", "gb.example", "http", false},
		{"null", "null", "http", false},
		{"http://", "gb.example", "http", false},
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

// The test cases are headers that older browsers and other programs send with a write request.
func TestWhoMayWrite(t *testing.T) {
	const (
		safari  = "User-Agent: Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/16.3 Safari/605.1.15\n"
		windows = "User-Agent: Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.1682"
	)
	for _, c := range []struct {
		name    string
		headers string // one "Name: value" on each line
		written bool
	}{
		// Programs that are not browsers send the following headers.
		{"no header at all", "", true},
		{"Node's fetch", "User-Agent: node\nAccept-Language: *\nSec-Fetch-Mode: cors", true},
		{"PowerShell", windows, true},
		{"a program on a Mac", "User-Agent: Guestbook/1 CFNetwork/1410.0.3 Darwin/22.6.0", true},
		{"curl that says where it comes from", "User-Agent: curl/8.5.0\nReferer: http://other.example/", false},

		// Browsers send the following headers when the page of this guestbook or of the PHP guestbook sends a write request.
		{"XMLHttpRequest over http", safari + "Referer: http://gb.example:80/guestbook.php?x#y", true},
		{"behind a proxy with another Host", safari + "Referer: http://gb.proxy/\nX-Forwarded-Host: gb.proxy", true},
		{"behind two proxies", safari + "Origin: http://gb.proxy\nX-Forwarded-Host: GB.proxy:80, inner.example", true},
		{"behind a proxy with another name", safari + "Origin: http://gb.proxy\nX-Forwarded-Host: inner.example, gb.proxy", false},

		// A browser sends the following headers when a visitor opens an address, or when a page prefetches an address.
		{"a link or form of the page's own", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: navigate\nReferer: http://gb.example/", false},
		{"a prefetch of the page's own", "Sec-Fetch-Site: same-origin\nSec-Fetch-Mode: no-cors\nSec-Purpose: prefetch", false},
		{"an old Chromium's", "Purpose: prefetch", false},
		{"an old Safari's preview", "X-Purpose: preview", false},
		{"an old Firefox's", "X-moz: prefetch", false},
		{"what no page asked for", safari + "Sec-Fetch-Site: none\nSec-Fetch-Mode: no-cors\nSec-Fetch-Dest: image", false},

		// Browsers send the following headers when a page of another site sends a write request to the guestbook.
		{"of a sibling that names this page", "Sec-Fetch-Site: same-site\nReferer: http://gb.example/", false},
		{"an image in an old Safari", safari + "Accept: image/webp,image/png,*/*;q=0.8\nAccept-Language: en-GB\nReferer: http://other.example/", false},
		{"an image in an old Safari without a Referer", safari, false},
		{"a Referer with this name as its user", safari + "Referer: http://gb.example@other.example/", false},
		{"a Referer with this name in its path", safari + "Referer: http://other.example/http://gb.example/", false},
		{"a Referer that is none", safari + "Referer: about:client", false},
		{"an Origin of another and a Referer of this", safari + "Origin: null\nReferer: http://gb.example/", false},
		{"an old Opera", "User-Agent: Opera/9.80 (Windows NT 6.1) Presto/2.12.388 Version/12.18", false},
		{"a simple phone", "User-Agent: UCWEB/2.0 (MIDP-2.0; U; Adr 4.4.4; en-US; XT1022) U2/1.0.0 UCBrowser/10.7.9.856 U2/1.0.0 Mobile", false},
		{"a video in Safari", "User-Agent: AppleCoreMedia/1.0.0.20G81 (iPhone; U; CPU OS 16_6_1 like Mac OS X; en_us)", false},
		{"an icon in Safari", "User-Agent: MobileSafari/604.1 CFNetwork/1410.0.3 Darwin/22.6.0", false},
		{"an icon in Safari on a Mac", "User-Agent: Safari/18615.3.12 CFNetwork/1410.0.3 Darwin/22.6.0", false},
		{"an icon in Safari of iOS 26", "User-Agent: NetworkingExtension/8623.2.7.10.4 Network/5569.82.5 iOS/26.3", false},
		{"an icon in Safari within an app", "User-Agent: SafariViewService/1.0 CFNetwork/974.2 Darwin/18.0.0", false},
		{"a video in an old Android", "User-Agent: stagefright/1.2 (Linux;Android 4.4.2)", false},
		{"a video in an old Samsung", "User-Agent: Samsung GT-I9100 stagefright/Beyonce/1.1.9 (Linux;Android 4.1.2)", false},
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
