package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

// maxBody is the longest form body in bytes.
const maxBody = 1 << 20

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
		return nil, methodNotAllowed(w, "GET, HEAD, POST")
	}
	return params, nil
}

const formType = "application/x-www-form-urlencoded"

func mediaType(r *http.Request) string {
	mediaType, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";") // and a charset: it is UTF-8 in any case
	return strings.ToLower(strings.TrimSpace(mediaType))
}

func methodNotAllowed(w http.ResponseWriter, allowed string) error {
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

// fields reads a form or a JSON object.
func fields(w http.ResponseWriter, r *http.Request) (php.Params, error) {
	body, err := readBody(w, r)
	if err != nil {
		return nil, err
	}
	switch mediaType(r) {
	case formType:
		return php.ParseQuery(string(body)), nil
	case "application/json":
		var object map[string]string
		if err := json.Unmarshal(body, &object); err != nil {
			return nil, &requestError{http.StatusBadRequest, `the body is not the JSON object {"text": "…"}: ` + err.Error()}
		}
		var params php.Params
		for name, text := range object {
			params = append(params, php.Param{Name: name, Text: text})
		}
		return params, nil
	}
	return nil, &requestError{http.StatusUnsupportedMediaType, "send a form (" + formType + ") or JSON (application/json)"}
}

// number reads a whole number of a query into n, if it is there.
func number(query php.Params, name string, n *int64, least, most int64) error {
	value, ok := query.Get(name)
	if !ok {
		return nil
	}
	var err error
	if *n, err = strconv.ParseInt(value.Text, 10, 64); err != nil || *n < least || *n > most {
		return &requestError{http.StatusBadRequest, fmt.Sprintf("%s is %.40q: use a whole number, %d or more, at most %d", name, value.Text, least, most)}
	}
	return nil
}

// bookKey is the guestbook that a request names, the usual one where it names none.
func (s *Server) bookKey(params php.Params) (string, error) {
	if _, ok := params.Get("key"); !ok && s.Key == "" {
		return guestbook.DefaultKey, s.allow(guestbook.DefaultKey)
	}
	return s.key(params)
}
