package server

import (
	"cmp"
	"context"
	"net/http"

	"guestbook/api/internal/php"
)

// phpCommand answers a request in the same way as guestbook.php of the PHP guestbook. The query ?cmd=set&key=…&value=… stores the value
// under the Redis key. If "cmd" is not "set", as in ?cmd=get&key=…, phpCommand reads the value of the Redis key. phpCommand returns an
// error with the status 400 if "cmd" is missing, with the status 405 if a HEAD asks for "set", and each error of readParameters, "set" and
// "get".
func (s *Server) phpCommand(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error) {
	params, err := readParameters(w, r)
	cmd, ok := params["cmd"]
	switch {
	case err != nil:
		return answer{}, err
	case !ok:
		return answer{}, &requestError{http.StatusBadRequest,
			"cmd is missing: use ?cmd=get&key=messages or ?cmd=set&key=messages&value=text, or the same as a form body"}
	case cmd.Text == "set" && r.Method == http.MethodHead:
		return answer{}, methodNotAllowed(w, "GET, POST") // a GET may write, as in the PHP guestbook, but a HEAD may not
	case cmd.Text == "set":
		return answer{command: "set", body: []byte(`{"message": "Updated"}`)}, s.set(ctx, r, params)
	}
	a, err := s.get(ctx, params)
	a.command = "get"
	return a, err
}

// set stores the parameter "value" under the Redis key in the parameter "key". The method "set" returns the first error of checkOrigin,
// requiredKey, requiredText and Store.Set.
func (s *Server) set(ctx context.Context, r *http.Request, params php.Params) error {
	key, keyErr := s.requiredKey(params)
	value, valueErr := requiredText(params, "value")
	if err := cmp.Or(checkOrigin(r), keyErr, valueErr); err != nil {
		return err
	}
	return s.Store.Set(ctx, key, value)
}

// get returns the value of the Redis key in the parameter "key" as JSON, such as {"data": "…"}. The value is "" if the Redis key does not
// exist. The method "get" returns each error of requiredKey and "read", and ErrTooLong if the value has more than maxGetBytes.
func (s *Server) get(ctx context.Context, params php.Params) (answer, error) {
	key, err := s.requiredKey(params)
	if err != nil {
		return answer{}, err
	}
	return s.read(ctx, "get "+key, func(ctx context.Context, most int64) ([]byte, error) {
		data, err := s.Store.Get(ctx, key, most)
		body := append(make([]byte, 0, len(data)+len(data)/8+16), `{"data": `...)
		return append(appendJSONString(body, data), '}'), err
	})
}
