package server

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	defaultKey = "messages"
	maxText    = 4 << 10 // bytes of an entry's text

	defaultPage, maxPage = 50, 500 // entries
	maxIdempotencyKey    = 255     // bytes
)

// entries posts an entry or reads a page of them.
func (s *Server) entries(w http.ResponseWriter, r *http.Request) (answer, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return s.readEntries(r)
	case http.MethodPost:
		return s.postEntry(w, r)
	}
	return answer{}, refuseMethod(w)
}

func (s *Server) postEntry(w http.ResponseWriter, r *http.Request) (answer, error) {
	a := answer{command: "post", status: http.StatusCreated}
	if err := refuseOtherSites(r); err != nil {
		return a, err
	}
	idempotencyKey, err := idempotencyKey(r)
	if err != nil {
		return a, err
	}
	key, text, err := s.newEntry(w, r)
	if err != nil {
		return a, err
	}
	ctx, cancel := s.storeContext(r)
	defer cancel()
	entry, err := s.Store.Append(ctx, key, text, idempotencyKey)
	if err != nil {
		return a, err
	}
	s.feeds.wake(key)
	a.body = appendEntry(nil, entry)
	return a, nil
}

// newEntry reads the fields of a form or of a JSON object.
func (s *Server) newEntry(w http.ResponseWriter, r *http.Request) (key, text string, err error) {
	body, err := readBody(w, r)
	if err != nil {
		return "", "", err
	}
	fields := struct {
		Key  *string `json:"key"`
		Text *string `json:"text"`
	}{}
	switch mediaType(r) {
	case formType:
		params := php.ParseQuery(string(body))
		for name, field := range map[string]**string{"key": &fields.Key, "text": &fields.Text} {
			if value, ok := params[name]; ok && !value.Array {
				*field = &value.Text
			}
		}
	case "application/json":
		if err := json.Unmarshal(body, &fields); err != nil {
			return "", "", &requestError{http.StatusBadRequest, `the body is not the JSON object {"text": "…"}: ` + err.Error()}
		}
	default:
		return "", "", &requestError{http.StatusUnsupportedMediaType, "send a form (" + formType + ") or JSON (application/json)"}
	}
	key = defaultKey
	if fields.Key != nil {
		key = *fields.Key
	}
	if err := s.allow(key); err != nil {
		return "", "", err
	}
	switch {
	case fields.Text == nil || strings.TrimSpace(*fields.Text) == "":
		return "", "", &requestError{http.StatusBadRequest, "text is missing or blank: write something"}
	case len(*fields.Text) > maxText:
		return "", "", &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the text has %d bytes: at most %d fit into an entry", len(*fields.Text), maxText)}
	}
	return key, *fields.Text, nil
}

// idempotencyKey reads the header of that name; "" where there is none. The draft wants its value in quotes
// (draft-ietf-httpapi-idempotency-key-header); most clients leave them out.
func idempotencyKey(r *http.Request) (string, error) {
	values, ok := r.Header["Idempotency-Key"]
	if !ok {
		return "", nil
	}
	key := strings.Trim(values[0], `"`)
	unprintable := strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKey || unprintable {
		return "", &requestError{http.StatusBadRequest, fmt.Sprintf("Idempotency-Key is one word of 1 to %d printable characters, such as a UUID", maxIdempotencyKey)}
	}
	return key, nil
}

func (s *Server) readEntries(r *http.Request) (answer, error) {
	a := answer{command: "entries"}
	params := php.ParseQuery(r.URL.RawQuery)
	key, err := s.bookKey(params)
	if err != nil {
		return a, err
	}
	before, err := number(params, "before", -1, 0, 1<<62)
	if err != nil {
		return a, err
	}
	seen, err := number(params, "seen", -1, 0, 1<<62)
	if err != nil {
		return a, err
	}
	limit, err := number(params, "limit", defaultPage, 1, maxPage)
	if err != nil {
		return a, err
	}
	read := func(ctx context.Context) ([]byte, error) {
		entries, more, err := s.Store.Page(ctx, key, before, seen, int(limit))
		return appendPage(nil, entries, more), err
	}
	if before < 0 && seen < 0 { // what everybody asks for
		f := s.reads.join(flightName{a.command, key, int(limit)}, read)
		a.body, a.length = f.body, f.length
		return a, f.err
	}
	ctx, cancel := s.storeContext(r)
	defer cancel()
	a.body, err = read(ctx)
	return a, err
}

func appendPage(dst []byte, entries []guestbook.Entry, more bool) []byte {
	dst = append(dst, `{"entries": [`...)
	for i, entry := range entries {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendEntry(dst, entry)
	}
	dst = append(dst, `], "before": `...)
	if more {
		dst = strconv.AppendInt(dst, entries[0].ID, 10)
	} else {
		dst = append(dst, "null"...)
	}
	return append(dst, '}')
}

// bookKey is the guestbook that a query names, the usual one where it names none.
func (s *Server) bookKey(params php.Params) (string, error) {
	if _, ok := params["key"]; !ok {
		return defaultKey, s.allow(defaultKey)
	}
	return s.key(params)
}

// number reads a whole number of a query, or takes what is meant where it is left out.
func number(params php.Params, name string, otherwise, least, most int64) (int64, error) {
	value, ok := params[name]
	if !ok {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(value.Text, 10, 64)
	if err != nil || n < least || n > most {
		expected := fmt.Sprintf("%d or more", least)
		if most < 1<<62 {
			expected = fmt.Sprintf("%d to %d", least, most)
		}
		return 0, &requestError{http.StatusBadRequest, fmt.Sprintf("%s is %.40q: use a whole number, %s", name, value.Text, expected)}
	}
	return n, nil
}

func appendEntry(dst []byte, e guestbook.Entry) []byte {
	dst = append(dst, `{"id": `...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, `, "text": `...)
	dst = appendJSONString(dst, e.Text)
	return append(dst, '}')
}
