package server

import (
	"context"
	"net/http"

	"guestbook/api/internal/php"
)

var updated = []byte(`{"message": "Updated"}`)

// phpCommand answers as guestbook.php did: ?cmd=set&key=…&value=… writes, every other cmd reads.
func (s *Server) phpCommand(w http.ResponseWriter, r *http.Request) (answer, error) {
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
