package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkOrigin returns an error for a write that a page of another site may have caused. http.CrossOriginProtection is not enough. It
// accepts every GET, by which old pages write. It accepts a request without Sec-Fetch-Site and Origin, as Safari 16 sends for an
// image. And it compares Origin with Host alone, byte by byte.
func checkOrigin(r *http.Request) error {
	header := r.Header
	site, page := header.Get("Sec-Fetch-Site"), cmp.Or(header.Get("Origin"), header.Get("Referer"))
	prefetch := cmp.Or(header.Get("Sec-Purpose"), header.Get("Purpose"), header.Get("X-Purpose"), header.Get("X-Moz"))
	switch {
	// A redirect and a prefetch send "Sec-Fetch-Site: none", as does an address that a visitor typed.
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

// isHere reports whether a page has the origin of the address that the request was sent to.
func isHere(page string, r *http.Request) bool {
	scheme := "http://"
	// A proxy that ends TLS may not say so, and nginx then sends http in X-Forwarded-Proto. The page's own address tells better.
	if strings.HasPrefix(strings.ToLower(page), "https:") || strings.HasPrefix(strings.ToLower(r.Header.Get("X-Forwarded-Proto")), "https") {
		scheme = "https://"
	}
	// A proxy that changes Host sends the visitor's Host in this header. Browsers let no page of another site send it.
	asked, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	return origin(page) == origin(scheme+r.Host) || origin(page) == origin(scheme+asked)
}

// isBrowser reports whether a User-Agent is a browser's. No page can make its browser send another one. PowerShell is a program.
func isBrowser(agent string) bool {
	return (strings.HasPrefix(agent, "Mozilla/") || strings.HasPrefix(agent, "Opera/")) && !strings.Contains(agent, "PowerShell/")
}

// origin returns the origin of an address, with the port even if that is its scheme's default port
// (https://www.rfc-editor.org/rfc/rfc6454#section-6.2).
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
