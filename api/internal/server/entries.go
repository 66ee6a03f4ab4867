package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	maxText = 4 << 10 // bytes of an entry's text

	defaultPage, maxPage = 50, 500 // entries
	maxIdempotencyKey    = 255     // bytes
	maxID                = 1 << 53 // the numbers that JavaScript can tell apart
)

// entries posts an entry or reads a page of them.
func (s *Server) entries(w http.ResponseWriter, r *http.Request, deadline time.Time) (answer, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		body, err := s.readEntries(r, deadline)
		return answer{command: "entries", body: body}, err
	case http.MethodPost:
		body, err := s.postEntry(w, r, deadline)
		return answer{command: "post", status: http.StatusCreated, body: body}, err
	}
	return answer{command: "invalid"}, methodNotAllowed(w, "GET, HEAD, POST")
}

func (s *Server) postEntry(w http.ResponseWriter, r *http.Request, deadline time.Time) ([]byte, error) {
	if err := checkOrigin(r); err != nil {
		return nil, err
	}
	idempotencyKey, err := idempotencyKey(r)
	if err != nil {
		return nil, err
	}
	fields, err := fields(w, r)
	if err != nil {
		return nil, err
	}
	key, err := s.bookKey(fields)
	if err != nil {
		return nil, err
	}
	text, _ := fields.Get("text")
	switch {
	case guestbook.IsBlank(text.Text):
		return nil, &requestError{http.StatusBadRequest, "text is missing or blank: write something"}
	case len(text.Text) > maxText:
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the text has %d bytes: at most %d fit into an entry", len(text.Text), maxText)}
	}
	ctx, cancel := storeContext(deadline)
	defer cancel()
	entry, err := s.Store.Append(ctx, key, text.Text, idempotencyKey)
	if err != nil {
		return nil, err
	}
	return appendEntry(nil, entry), nil
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

func (s *Server) readEntries(r *http.Request, deadline time.Time) ([]byte, error) {
	query := php.ParseQuery(r.URL.RawQuery)
	key, err := s.bookKey(query)
	if err != nil {
		return nil, err
	}
	before, seen, limit := int64(-1), int64(-1), int64(defaultPage)
	if err := errors.Join(
		number(query, "before", &before, 0, maxID), number(query, "seen", &seen, 0, maxID), number(query, "limit", &limit, 1, maxPage),
	); err != nil {
		return nil, err
	}
	read := func(ctx context.Context) ([]byte, error) {
		entries, older, err := s.Store.Page(ctx, key, before, seen, int(limit))
		return appendPage(nil, entries, older), err
	}
	if before < 0 && seen < 0 { // what everybody asks for
		return s.shared(readName{"entries", key, limit}, deadline, read)
	}
	ctx, cancel := storeContext(deadline)
	defer cancel()
	return read(ctx)
}

func appendPage(dst []byte, entries []guestbook.Entry, older int64) []byte {
	dst = append(dst, `{"entries": [`...)
	for i, entry := range entries {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendEntry(dst, entry)
	}
	if older >= 0 {
		return fmt.Appendf(dst, `], "before": %d}`, older)
	}
	return append(dst, `], "before": null}`...)
}

func appendEntry(dst []byte, e guestbook.Entry) []byte {
	dst = append(dst, `{"id": `...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, `, "text": `...)
	dst = appendJSONString(dst, e.Text)
	return append(dst, '}')
}
