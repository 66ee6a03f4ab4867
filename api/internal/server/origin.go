package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
)

// checkOrigin returns an error with the status 403 for a request whose headers announce a navigation or a prefetch, and for a request that
// a page of another site may have caused. If the request has Sec-Fetch-Site, it must be same-origin. Otherwise, "Origin" must name the
// guestbook's own origin (isHere), or "Referer" if there is no "Origin". A request with none of these three headers is accepted unless its
// User-Agent is that of a browser (isBrowser). Over plain HTTP, browsers do not announce navigations. For keys that are not allowed,
// requiredKey (params.go) and storeErrors (errors.go) answer 403.
func checkOrigin(r *http.Request) error {
	// Go's http.CrossOriginProtection is not enough, because it accepts every GET, and the PHP guestbook's page writes with GET. Safari 16
	// sends neither Sec-Fetch-Site nor "Origin" when a page loads an image, and http.CrossOriginProtection accepts such a request.
	// http.CrossOriginProtection compares the header "Origin" only with the header "Host". A proxy in front of the API may have changed
	// "Host".
	header := r.Header
	site, page := header.Get("Sec-Fetch-Site"), cmp.Or(header.Get("Origin"), header.Get("Referer"))
	prefetch := cmp.Or(header.Get("Sec-Purpose"), header.Get("Purpose"), header.Get("X-Purpose"), header.Get("X-Moz"))
	switch {
	// checkOrigin does not accept "Sec-Fetch-Site: none", because browsers also send this header for redirects and prefetches.
	case header.Get("Sec-Fetch-Mode") == "navigate", prefetch != "":
		return &requestError{http.StatusForbidden, "a browser opens this address as a page, or ahead of time, and nothing is written so: use the guestbook's page"}
	case site == "same-origin", site == "" && page != "" && isHere(page, r):
		return nil
	case site == "" && page == "" && !isBrowser(header.Get("User-Agent")):
		return nil
	case site == "" && page == "":
		return &requestError{http.StatusForbidden, "a browser must say which page writes: send Origin or Referer, or use https, over which it sends Sec-Fetch-Site"}
	}
	return &requestError{http.StatusForbidden, fmt.Sprintf("pages of other sites cannot write here: this one is of %.200s, the guestbook is at %s", cmp.Or(page, site), r.Host)}
}

// isHere reports whether "page", the value of Origin or Referer, has the guestbook's own origin, which isHere takes from the request's
// headers. isHere accepts two hosts: the one in the header "Host", and the first one in X-Forwarded-Host. The guestbook's scheme is https
// if X-Forwarded-Proto begins with https, or if "page" does. Otherwise, the guestbook's scheme is http.
func isHere(page string, r *http.Request) bool {
	scheme := "http://"
	// If a proxy in front of nginx terminates TLS without setting X-Forwarded-Proto, nginx sends X-Forwarded-Proto: http. If the page's URL
	// begins with https, isHere assumes https for the request's URL as well.
	if strings.HasPrefix(strings.ToLower(page), "https:") || strings.HasPrefix(strings.ToLower(r.Header.Get("X-Forwarded-Proto")), "https") {
		scheme = "https://"
	}
	// A proxy that changes the header "Host" sends the original value in X-Forwarded-Host. A page of another site cannot set
	// X-Forwarded-Host.
	asked, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	return origin(page) == origin(scheme+r.Host) || origin(page) == origin(scheme+cmp.Or(asked, r.Host))
}

// isBrowser reports whether the value of the header User-Agent matches "browsers", for example because it begins with Mozilla/, and does
// not contain PowerShell/. PowerShell is not a browser, although its User-Agent begins with Mozilla/. A page of another site can change the
// User-Agent only after a CORS preflight request, which the API does not allow.
func isBrowser(agent string) bool {
	return browsers.MatchString(agent) && !strings.Contains(agent, "PowerShell/")
}

// browsers matches the User-Agent of a browser. Safari requests videos with the User-Agent AppleCoreMedia, and icons
// with MobileSafari or NetworkingExtension. Old Android browsers request videos with the User-Agent stagefright. The User-Agent of UC Browser
// and of browsers on simple phones names the Java profile MIDP.
var browsers = regexp.MustCompile(`^(Mozilla|Opera|AppleCoreMedia|(Mobile)?Safari(ViewService)?|NetworkingExtension|com\.apple\.WebKit\S*)/|stagefright/|MIDP-`)

// origin returns the scheme, host and port of a URL in lower case, separated by spaces. A URL without a port gets the default port of
// http or https (https://www.rfc-editor.org/rfc/rfc6454#section-6.2). The function "origin" writes an IP address in its shortest form, so
// that two spellings are equal. If s is not a URL with a host, "origin" returns s unchanged.
func origin(s string) string {
	u, err := url.Parse(strings.ToLower(s))
	if err != nil || u.Host == "" {
		return s
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return u.Scheme + " " + host + " " + cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}
