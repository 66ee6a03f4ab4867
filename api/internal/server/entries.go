package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	maxTextBytes           = 4 << 10 // of an entry
	maxIdempotencyKeyBytes = 255

	defaultPageEntries, maxPageEntries = 50, 500

	maxID = 1 << 53 // JavaScript tells larger numbers no longer apart
)

// entries posts an entry or reads a page of them.
func (s *Server) entries(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		body, err := s.readEntries(ctx, r)
		return answer{command: "entries", body: body}, err
	case http.MethodPost:
		body, err := s.postEntry(ctx, w, r)
		return answer{command: "post", status: http.StatusCreated, body: body}, err
	}
	return answer{command: "invalid"}, methodNotAllowed(w, "GET, HEAD, POST")
}

// postEntry appends the entry that the body holds, and returns it as JSON.
func (s *Server) postEntry(ctx context.Context, w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if err := checkOrigin(r); err != nil {
		return nil, err
	}
	idempotencyKey, err := idempotencyKey(r.Header)
	if err != nil {
		return nil, err
	}
	fields, err := readFields(w, r)
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
	case len(text.Text) > maxTextBytes:
		return nil, &requestError{http.StatusRequestEntityTooLarge, fmt.Sprintf("the text has %d bytes: at most %d fit into an entry", len(text.Text), maxTextBytes)}
	}
	entry, err := s.Store.Append(ctx, key, text.Text, idempotencyKey)
	if err != nil {
		return nil, err
	}
	return appendEntry(nil, entry), nil
}

// idempotencyKey returns the value of the header of that name, "" if there is none. The draft wants the value in quotes
// (draft-ietf-httpapi-idempotency-key-header); most clients leave them out.
func idempotencyKey(header http.Header) (string, error) {
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

// readEntries returns a page of entries as JSON.
func (s *Server) readEntries(ctx context.Context, r *http.Request) ([]byte, error) {
	query := php.ParseQuery(r.URL.RawQuery)
	key, err := s.bookKey(query)
	if err != nil {
		return nil, err
	}
	before, seen, limit := int64(-1), int64(-1), int64(defaultPageEntries)
	after := fromNow
	if err := errors.Join(
		number(query, "before", &before, 0, maxID), number(query, "seen", &seen, 0, maxID), number(query, "limit", &limit, 1, maxPageEntries),
		number(query, "after", &after, -1, maxID),
	); err != nil {
		return nil, err
	}
	if after != fromNow {
		return s.readEntriesAfter(ctx, key, after, int(limit))
	}
	read := func(ctx context.Context) ([]byte, error) {
		entries, older, err := s.Store.Page(ctx, key, before, seen, int(limit))
		return appendPage(nil, entries, older), err
	}
	if before < 0 && seen < 0 { // every visitor asks for the newest page
		return s.share(ctx, fmt.Sprint("entries ", limit, " ", key), read)
	}
	return read(ctx)
}

// readEntriesAfter reads towards the end of the book, from the entry after the one with this id on; -1: from the first.
func (s *Server) readEntriesAfter(ctx context.Context, key string, after int64, limit int) ([]byte, error) {
	var entries []guestbook.Entry
	position := guestbook.Position{ID: after, End: max(after, 0)} // before that entry, which is read and left out
	for more := true; more && len(entries) <= limit; {
		news, last, err := s.Store.Since(ctx, key, position, 0)
		if err != nil {
			return nil, err
		}
		for _, entry := range news {
			if entry.ID > after {
				entries = append(entries, entry)
			}
		}
		more, position = last != position, last
	}
	if len(entries) > limit {
		entries = entries[:limit]
		return fmt.Appendf(appendEntries(nil, entries), `, "after": %d}`, entries[limit-1].ID), nil
	}
	return append(appendEntries(nil, entries), `, "after": null}`...), nil
}

func appendPage(dst []byte, entries []guestbook.Entry, older int64) []byte {
	dst = appendEntries(dst, entries)
	if older >= 0 {
		return fmt.Appendf(dst, `, "before": %d}`, older)
	}
	return append(dst, `, "before": null}`...)
}

func appendEntries(dst []byte, entries []guestbook.Entry) []byte {
	dst = append(dst, `{"entries": [`...)
	for i, entry := range entries {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendEntry(dst, entry)
	}
	return append(dst, ']')
}

func appendEntry(dst []byte, e guestbook.Entry) []byte {
	dst = append(dst, `{"id": `...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, `, "text": `...)
	dst = appendJSONString(dst, e.Text)
	return append(dst, '}')
}
