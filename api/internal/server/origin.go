package server

import "net/http"

// checkOrigin refuses a write that a page of another site has caused, be it by GET. Browsers tell by the
// headers Sec-Fetch-Site and Origin; a request with neither comes from no browser, or an old one, and passes.
func checkOrigin(r *http.Request) error {
	asWrite := http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host, URL: r.URL}
	if err := new(http.CrossOriginProtection).Check(&asWrite); err != nil {
		return &requestError{http.StatusForbidden, "pages of other sites cannot write here"}
	}
	return nil
}
