package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

// maxBodyBytes is the greatest length of a request's body, the same as client_max_body_size in nginx.conf.
const maxBodyBytes = 1 << 20

// readParameters returns the parameters of the query and of a POST's URL-encoded form. A parameter in the query overrides a parameter of
// the same name in the form. readParameters ignores a body of another Content-Type, such as multipart/form-data. readParameters returns an
// error with the status 405 if the method is not GET, HEAD or POST, and each error of readBody.
func readParameters(w http.ResponseWriter, r *http.Request) (php.Params, error) {
	params := php.ParseQuery(r.URL.RawQuery)
	switch {
	case r.Method != http.MethodGet && r.Method != http.MethodHead && r.Method != http.MethodPost:
		return nil, methodNotAllowed(w, "GET, HEAD, POST")
	case r.Method != http.MethodPost || mediaType(r) != formType:
		return params, nil
	}
	body, err := readBody(w, r)
	fields := php.ParseQuery(string(body))
	maps.Copy(fields, params)
	return fields, err
}

const formType = "application/x-www-form-urlencoded"

// mediaType returns the media type in the header Content-Type, in lower case and without parameters, or "" if the request lacks this
// header.
func mediaType(r *http.Request) string {
	value, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";") // the API ignores the charset after a semicolon, and reads every body as UTF-8
	return strings.ToLower(strings.TrimSpace(value))
}

// methodNotAllowed sets the header "Allow", and returns an error with the status 405. The argument "allowed" is a list such as "GET, POST".
func methodNotAllowed(w http.ResponseWriter, allowed string) error {
	w.Header().Set("Allow", allowed)
	return &requestError{http.StatusMethodNotAllowed, "this method is not answered here: use " + allowed}
}

// readBody returns the request's body. readBody returns an error with the status 413 if the body is longer than maxBodyBytes, or with the
// status 400 if the body did not arrive whole.
func readBody(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBodyBytes))
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body is longer than %d bytes: send less", maxBodyBytes)}
	}
	if err != nil {
		return nil, &requestError{http.StatusBadRequest, "the body did not arrive whole: send it again"}
	}
	return body, nil
}

// requiredKey returns the Redis key of the guestbook that the request names. If GUESTBOOK_KEY is set, requiredKey returns its value and no
// error. Otherwise, requiredKey returns an error with the status 400 if the parameter "key" is missing, an array or empty. The status is
// 403 if ALLOWED_KEYS is set and lacks the key, or if the key can be a record of an idempotency key, because it begins with "{" and
// contains "}:idempotency:".
func (s *Server) requiredKey(params php.Params) (string, error) {
	if s.Key != "" {
		return s.Key, nil
	}
	key, err := requiredText(params, "key")
	switch {
	case err != nil:
		return "", err
	case key == "":
		return "", &requestError{http.StatusBadRequest, "key is empty: name a guestbook, such as key=messages"}
	case len(s.AllowedKeys) > 0 && !slices.Contains(s.AllowedKeys, key):
		return "", &requestError{http.StatusForbidden, "this key is not allowed here: use another, or have it added to ALLOWED_KEYS"}
	case strings.HasPrefix(key, "{") && strings.Contains(key, "}:idempotency:"):
		return "", &requestError{http.StatusForbidden, "this key is kept for what posts were answered: use another"}
	}
	return key, nil
}

// bookKey returns the Redis key of the guestbook that the request names, or DefaultKey if the request names no key. bookKey applies the
// rules of requiredKey to DefaultKey as well, and returns the errors of requiredKey.
func (s *Server) bookKey(params php.Params) (string, error) {
	if _, ok := params["key"]; !ok {
		params = php.Params{"key": {Text: guestbook.DefaultKey}}
	}
	return s.requiredKey(params)
}

// requiredText returns the value of the parameter with the given name, which may be "". requiredText returns an error with the status 400
// if the parameter is missing or an array.
func requiredText(params php.Params, name string) (string, error) {
	value, ok := params[name]
	switch {
	case !ok:
		return "", &requestError{http.StatusBadRequest, name + " is missing: add &" + name + "=… to the command"}
	case value.Array:
		return "", &requestError{http.StatusBadRequest, name + " is a list: write " + name + "=…, without brackets"}
	}
	return value.Text, nil
}

// readFields returns the fields of the URL-encoded form or of the JSON object in the request's body. In JSON, the value null counts as "".
// readFields returns an error with the status 415 for any other Content-Type, such as multipart/form-data, with the status 400 if the JSON
// is not an object with only strings, and each error of readBody.
func readFields(w http.ResponseWriter, r *http.Request) (php.Params, error) {
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
			return nil, &requestError{http.StatusBadRequest, `the body is not the JSON object {"text": "…"}: ` + fmt.Sprintf("%.100s", err)}
		}
		fields := php.Params{}
		for name, text := range object {
			fields[name] = php.Value{Text: text}
		}
		return fields, nil
	}
	return nil, &requestError{http.StatusUnsupportedMediaType, "the body is neither a form nor JSON: send it with Content-Type " + formType + " or application/json"}
}

// number stores the value of the query parameter with the given name in *n, or leaves *n unchanged if the query lacks this parameter. The
// function "number" returns an error with the status 400 if the value is not a whole number, is smaller than "least", or is greater than
// "most"; the caller must then not use *n, which may have the wrong value already.
func number(query php.Params, name string, n *int64, least, most int64) error {
	value, ok := query[name]
	if !ok {
		return nil
	}
	var err error
	if *n, err = strconv.ParseInt(value.Text, 10, 64); err != nil || *n < least || *n > most {
		return &requestError{http.StatusBadRequest, fmt.Sprintf("%s is %.40q: use a whole number, %d or more, at most %d", name, value.Text, least, most)}
	}
	return nil
}
