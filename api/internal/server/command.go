package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"guestbook/api/internal/php"
)

// maxBody is the longest form body in bytes.
const maxBody = 1 << 20

var updated = []byte(`{"message": "Updated"}`)

// command answers as guestbook.php did: ?cmd=set&key=…&value=… writes, every other cmd reads.
func (s *Server) command(w http.ResponseWriter, r *http.Request) (answer, error) {
	params, err := parameters(w, r)
	cmd, ok := params.Get("cmd")
	switch {
	case err != nil:
		return answer{command: "invalid"}, err
	case !ok:
		return answer{command: "invalid"}, &requestError{http.StatusBadRequest,
			"cmd is missing: use ?cmd=get&key=messages or ?cmd=set&key=messages&value=text, or the same as a form body"}
	case cmd.Text == "set":
		return answer{command: "set", body: updated}, s.set(r, params)
	}
	body, err := s.get(params)
	return answer{command: "get", body: body}, err
}

func (s *Server) set(r *http.Request, params php.Params) error {
	if err := refuseOtherSites(r); err != nil {
		return err
	}
	key, err := s.key(params)
	if err != nil {
		return err
	}
	value, err := text(params, "value")
	if err != nil {
		return err
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	return s.Store.Set(ctx, key, value)
}

func (s *Server) get(params php.Params) ([]byte, error) {
	key, err := s.key(params)
	if err != nil {
		return nil, err
	}
	return s.shared(readName{command: "get", key: key}, func(ctx context.Context) ([]byte, error) {
		data, err := s.Store.Get(ctx, key)
		body := append(make([]byte, 0, len(data)+len(data)/8+16), `{"data": `...)
		return append(appendJSONString(body, data), '}'), err
	})
}

// parameters reads the query and, of a POST, the form body; the query wins.
func parameters(w http.ResponseWriter, r *http.Request) (php.Params, error) {
	params := php.ParseQuery(r.URL.RawQuery)
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPost:
		if mediaType(r) == formType {
			body, err := readBody(w, r)
			if err != nil {
				return nil, err
			}
			params = append(php.ParseQuery(string(body)), params...)
		}
	default:
		return nil, refuseMethod(w, "GET, HEAD, POST")
	}
	return params, nil
}

const formType = "application/x-www-form-urlencoded"

func mediaType(r *http.Request) string {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";") // and a charset: it is UTF-8 in any case
	return strings.ToLower(strings.TrimSpace(mediaType))
}

func refuseMethod(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return &requestError{http.StatusMethodNotAllowed, "use " + allowed}
}

func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes", maxBody)}
	}
	if err != nil {
		return nil, &requestError{http.StatusBadRequest, "the body did not arrive whole"}
	}
	return body, nil
}

// key gives the guestbook that a request names, or the only one.
func (s *Server) key(params php.Params) (string, error) {
	if s.Key != "" {
		return s.Key, nil
	}
	key, err := text(params, "key")
	if err != nil {
		return "", err
	}
	return key, s.allow(key)
}

// allow says whether requests may name the key: nil, or why not.
func (s *Server) allow(key string) error {
	switch {
	case key == "":
		return &requestError{http.StatusBadRequest, "key is empty: name a guestbook, such as key=messages"}
	case len(s.AllowedKeys) > 0 && !slices.Contains(s.AllowedKeys, key):
		return &requestError{http.StatusForbidden, "this key is not allowed here: use another, or have it added to ALLOWED_KEYS"}
	}
	return nil
}

// text gives the parameter that a command cannot do without.
func text(params php.Params, name string) (string, error) {
	value, ok := params.Get(name)
	switch {
	case !ok:
		return "", &requestError{http.StatusBadRequest, name + " is missing: add &" + name + "=… to the command"}
	case value.Array:
		return "", &requestError{http.StatusBadRequest, name + " is a list: write " + name + "=…, without brackets"}
	}
	return value.Text, nil
}

// refuseOtherSites refuses a write that a page of another site has caused, be it by GET. Browsers tell by the
// headers Sec-Fetch-Site and Origin; a request with neither comes from no browser, or an old one, and passes.
func refuseOtherSites(r *http.Request) error {
	asWrite := http.Request{Method: http.MethodPost, Header: r.Header, Host: r.Host, URL: r.URL}
	if err := new(http.CrossOriginProtection).Check(&asWrite); err != nil {
		return &requestError{http.StatusForbidden, "pages of other sites cannot write here"}
	}
	return nil
}
