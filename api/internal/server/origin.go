package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// checkOrigin refuses a write that a page of another site may have caused. http.CrossOriginProtection cannot do this: it passes
// every GET, and so a set of old pages; it passes a request without Sec-Fetch-Site and Origin, as a Safari 16 sends for an image; and
// it compares Origin with Host alone, byte by byte.
func checkOrigin(r *http.Request) error {
	header := r.Header
	site, page := header.Get("Sec-Fetch-Site"), cmp.Or(header.Get("Origin"), header.Get("Referer"))
	speculates := func(name string) bool { return header.Get(name) != "" }
	switch {
	// A redirect, or a page that prefetches this address, sends "Sec-Fetch-Site: none" as an address that was typed does.
	case header.Get("Sec-Fetch-Mode") == "navigate", slices.ContainsFunc([]string{"Sec-Purpose", "Purpose", "X-Purpose", "X-Moz"}, speculates):
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

// isHere reports whether a page has the origin that the request was sent to.
func isHere(page string, r *http.Request) bool {
	scheme := "http://"
	// A proxy that ends TLS may not say so, and nginx then says http: that is not believed.
	if strings.HasPrefix(strings.ToLower(page), "https:") || strings.HasPrefix(strings.ToLower(r.Header.Get("X-Forwarded-Proto")), "https") {
		scheme = "https://"
	}
	// A proxy that writes another name into Host says in this header which one the visitor asked for. Browsers let no page of
	// another site send it.
	asked, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	return origin(page) == origin(scheme+r.Host) || origin(page) == origin(scheme+asked)
}

// isBrowser reports whether a User-Agent is a browser's. No page can send another one to this server. PowerShell is a program.
func isBrowser(agent string) bool {
	return (strings.HasPrefix(agent, "Mozilla/") || strings.HasPrefix(agent, "Opera/")) && !strings.Contains(agent, "PowerShell/")
}

// origin writes the origin of an address in one way, whether or not it names its scheme's usual port
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
