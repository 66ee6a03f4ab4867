package server

import (
	"cmp"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// checkOrigin refuses a write that a page of another site has caused, be it by GET. Browsers tell by the
// headers Sec-Fetch-Site and Origin; a request with neither comes from no browser, or an old one, and passes.
func checkOrigin(r *http.Request) error {
	site, page := r.Header.Get("Sec-Fetch-Site"), strings.ToLower(r.Header.Get("Origin"))
	scheme := "http://"
	// A proxy that ends TLS may not say so, and nginx then says http: that is not believed.
	if strings.HasPrefix(page, "https:") || strings.HasPrefix(strings.ToLower(r.Header.Get("X-Forwarded-Proto")), "https") {
		scheme = "https://"
	}
	// A proxy that writes another name into Host says in this header which one the visitor asked for. Browsers let no page of
	// another site send it.
	asked, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	here := func(host string) bool { return origin(page) == origin(strings.ToLower(scheme+host)) }
	if site == "same-origin" || site == "none" || site == "" && (page == "" || here(r.Host) || here(asked)) {
		return nil
	}
	return &requestError{http.StatusForbidden, fmt.Sprintf("pages of other sites cannot write here: this one is of %s, the guestbook is at %s", cmp.Or(page, site), scheme+r.Host)}
}

// origin writes an origin in one way, whether or not it names its scheme's usual port
// (https://www.rfc-editor.org/rfc/rfc6454#section-6.2).
func origin(s string) string {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return s
	}
	host := u.Hostname()
	if ip, err := netip.ParseAddr(host); err == nil {
		host = ip.String()
	}
	return u.Scheme + " " + host + " " + cmp.Or(u.Port(), map[string]string{"http": "80", "https": "443"}[u.Scheme])
}
