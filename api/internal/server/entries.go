package server

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	maxTextBytes           = 4 << 10 // the greatest length of an entry's text, in bytes
	maxIdempotencyKeyBytes = 255

	defaultPageEntries, maxPageEntries = 50, 500

	maxID = 1 << 53 // JavaScript represents every integer up to this value exactly
)

// fromEnd stands for a missing parameter "after". An event stream without "after" contains only entries that are posted after the start of
// the event stream.
const fromEnd = int64(-2)

// entries answers GET and HEAD with the page of readEntries, and POST with the entry of postEntry and the status 201, even if the entry was
// already stored under the same Idempotency-Key. For any other method, "entries" returns an error with the status 405. The method "entries"
// also returns each error of readEntries and postEntry.
func (s *Server) entries(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		a, err := s.readEntries(ctx, r)
		a.command = "entries"
		return a, err
	case http.MethodPost:
		body, err := s.postEntry(ctx, w, r)
		return answer{command: "post", status: http.StatusCreated, body: body}, err
	}
	return answer{}, methodNotAllowed(w, "GET, HEAD, POST")
}

// postEntry appends the entry in the request's body to the guestbook, and returns the entry with its id as JSON. postEntry returns an error
// with the status 400 if the text is missing or blank, or with the status 413 if the text is longer than maxTextBytes. postEntry also
// returns each error of checkOrigin, readIdempotencyKey, readFields, bookKey and Store.Append.
func (s *Server) postEntry(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	idempotencyKey, headerErr := readIdempotencyKey(r.Header)
	fields, bodyErr := readFields(w, r)
	key, keyErr := s.bookKey(fields)
	if err := cmp.Or(checkOrigin(r), headerErr, bodyErr, keyErr); err != nil {
		return nil, err
	}
	text := fields["text"].Text
	switch {
	case guestbook.IsBlank(text):
		return nil, &requestError{http.StatusBadRequest, "text is missing or blank: write something"}
	case len(text) > maxTextBytes:
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the text has %d bytes: at most %d fit into an entry", len(text), maxTextBytes)}
	}
	id, _, err := s.Store.Append(ctx, key, idempotencyKey, text)
	return appendEntry(nil, guestbook.Entry{ID: id, Text: text}), err
}

// readIdempotencyKey returns the value of the header Idempotency-Key without the double quotes at its start and end, or "" if the request
// lacks this header. The Internet-Draft draft-ietf-httpapi-idempotency-key-header requires one quote at each end, but most clients send the
// value without quotes. readIdempotencyKey returns an error with the status 400 if the request has several such headers, or if the value is
// not 1 to maxIdempotencyKeyBytes printable ASCII characters without spaces, double quotes and backslashes.
func readIdempotencyKey(header http.Header) (string, error) {
	values, ok := header["Idempotency-Key"]
	if !ok {
		return "", nil
	}
	key := strings.Trim(values[0], `"`)
	unprintable := strings.ContainsFunc(key, func(c rune) bool { return c <= ' ' || c > '~' || c == '"' || c == '\\' })
	if len(values) > 1 || key == "" || len(key) > maxIdempotencyKeyBytes || unprintable {
		return "", &requestError{http.StatusBadRequest, fmt.Sprintf("Idempotency-Key is not one word of printable characters: send 1 to %d of them, such as a UUID", maxIdempotencyKeyBytes)}
	}
	return key, nil
}

// readEntries returns, as JSON, the page of entries that follow the entry with the id "after", or else the page of Store.Page for "before"
// and "seen". The parameter "limit" is at most maxPageEntries, and defaultPageEntries if it is missing. If the query contains "after",
// readEntries does not use "before" and "seen", but still checks them. readEntries returns an error with the status 400 if one of the four
// parameters is not a whole number in its range, and each error of bookKey and "read".
func (s *Server) readEntries(ctx context.Context, r *http.Request) (answer, error) {
	query := php.ParseQuery(r.URL.RawQuery)
	key, keyErr := s.bookKey(query)
	before, seen, after, limit := int64(-1), int64(-1), fromEnd, int64(defaultPageEntries)
	if err := cmp.Or(
		keyErr, number(query, "before", &before, 0, maxID), number(query, "seen", &seen, 0, maxID),
		number(query, "after", &after, -1, maxID), number(query, "limit", &limit, 1, maxPageEntries),
	); err != nil {
		return answer{}, err
	}
	name := ""
	if before < 0 && seen < 0 && after == fromEnd && limit == defaultPageEntries { // every visitor asks for this page, so concurrent requests share one read
		name = "entries " + key
	}
	return s.read(ctx, name, func(ctx context.Context, most int64) ([]byte, error) {
		if after != fromEnd {
			return s.readEntriesAfter(ctx, key, after, int(limit), most)
		}
		entries, older, err := s.Store.Page(ctx, key, before, seen, int(limit), most)
		return pageJSON(entries, "before", older), err
	})
}

// readEntriesAfter returns, as JSON, at most "limit" entries that follow the entry with the id "after". Together, these entries have at
// most 1.5 times "most" bytes. If "after" is -1, readEntriesAfter returns the first entries of the guestbook. readEntriesAfter returns an
// error of Store.After only if it has read no entry before the error.
func (s *Server) readEntriesAfter(ctx context.Context, key string, after int64, limit int, most int64) ([]byte, error) {
	var entries []guestbook.Entry
	for position := guestbook.AfterEntry(after); ; {
		news, last, err := s.Store.After(ctx, key, position, 0, most)
		entries = append(entries, news...)
		switch {
		case err != nil && len(entries) == 0:
			return nil, err
		case len(entries) > limit:
			return pageJSON(entries[:limit], "after", entries[limit-1].ID), nil
		case err == nil && last == position:
			return pageJSON(entries, "after", -1), nil
		case len(entries) > 0 && (err != nil || last.End-after > most/2): // the next call of Store.After might exceed "most"
			return pageJSON(entries, "after", entries[len(entries)-1].ID), nil //nolint:nilerr // the next page's read returns the error
		}
		position = last
	}
}

// pageJSON returns a page of entries as JSON. For example, pageJSON(entries, "before", 7) returns {"entries": […], "before": 7}, and a
// client gets the next page with ?before=7. A negative "next" means that there is no next page, and becomes null in the JSON.
func pageJSON(entries []guestbook.Entry, parameter string, next int64) []byte {
	page := append(make([]byte, 0, 32+64*len(entries)), `{"entries": [`...)
	for i, entry := range entries {
		if i > 0 {
			page = append(page, ", "...)
		}
		page = appendEntry(page, entry)
	}
	page = append(page, `], "`+parameter+`": `...)
	if next < 0 {
		return append(page, "null}"...)
	}
	return append(strconv.AppendInt(page, next, 10), '}')
}

// appendEntry appends an entry to dst as JSON, such as {"id": 7, "text": "…"}.
func appendEntry(dst []byte, e guestbook.Entry) []byte {
	dst = append(dst, `{"id": `...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, `, "text": `...)
	dst = appendJSONString(dst, e.Text)
	return append(dst, '}')
}
