package server

import (
	"context"
	"errors"
	"net/http"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	// maxShared is how many bytes of a guestbook the requests that ask for it at the same time may share, maxGet how many one
	// may ask for.
	maxShared, maxGet = 256 << 10, 4 << 20
	// maxLongReads is how many guestbooks of over maxShared are answered at a time.
	maxLongReads = 2
	// maxMessages is how many bytes all requests under way may bring that bring more than maxSmall.
	maxMessages, maxSmall = 8 << 20, 16 << 10
)

var updated = []byte(`{"message": "Updated"}`)

// phpCommand answers as guestbook.php did: ?cmd=set&key=…&value=… writes, every other cmd reads.
func (s *Server) phpCommand(w http.ResponseWriter, r *http.Request, deadline time.Time) (answer, error) {
	params, err := parameters(w, r)
	cmd, ok := params.Get("cmd")
	switch {
	case err != nil:
		return answer{command: "invalid"}, err
	case !ok:
		return answer{command: "invalid"}, &requestError{http.StatusBadRequest,
			"cmd is missing: use ?cmd=get&key=messages or ?cmd=set&key=messages&value=text, or the same as a form body"}
	case cmd.Text == "set":
		return answer{command: "set", body: updated}, s.set(r, params, deadline)
	}
	a, err := s.get(params, deadline)
	a.command = "get"
	return a, err
}

func (s *Server) set(r *http.Request, params php.Params, deadline time.Time) error {
	if err := checkOrigin(r); err != nil {
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
	ctx, cancel := storeContext(deadline)
	defer cancel()
	return s.Store.Set(ctx, key, value)
}

func (s *Server) get(params php.Params, deadline time.Time) (answer, error) {
	key, err := s.key(params)
	if err != nil {
		return answer{}, err
	}
	read := func(ctx context.Context, limit int) ([]byte, error) {
		data, err := s.Store.Get(ctx, key, limit)
		body := append(make([]byte, 0, len(data)+len(data)/8+16), `{"data": `...)
		return append(appendJSONString(body, data), '}'), err
	}
	body, err := s.shared(readName{command: "get", key: key}, deadline, func(ctx context.Context) ([]byte, error) { return read(ctx, maxShared) })
	if !errors.Is(err, guestbook.ErrTooLong) {
		return answer{body: body}, err
	}
	// Long ones only a few at a time, each until its reader has it.
	if err := acquire(s.longReads, 1, deadline); err != nil {
		return answer{}, err
	}
	ctx, cancel := storeContext(deadline)
	defer cancel()
	body, err = read(ctx, maxGet)
	return answer{body: body, written: func() { s.longReads.Release(1) }}, err
}
