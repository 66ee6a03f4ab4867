package server

import (
	"context"
	"encoding/json/jsontext"
	"net/http"
	"strconv"
)

type answer struct {
	command string // label "command" of the request's metrics; if empty, the label is "invalid"
	status  int    // HTTP status; zero: 200
	body    []byte // JSON; nil if the handler has taken over the connection; never changed, because several requests can share the slice
	release func() // called after the body was written; may be nil
}

// handler answers one request. The argument ctx is the context of all calls to the store.
type handler func(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error)

// storeContext returns a context for calls to the store. The context ends after RequestTimeout, or when the caller calls the returned
// function. The context does not end when the client disconnects, because redigo would then close the Redis connection that runs the
// client's command.
func (o Options) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), o.RequestTimeout)
}

// contentType must not be changed, because all answers share this slice.
var contentType = []string{"application/json"}

// writeJSON sends an answer with the HTTP status and with the body, which must be JSON.
func writeJSON(w http.ResponseWriter, status int, body []byte) {
	header := w.Header()
	// The API sends no header "Date", because nginx adds this header to every answer.
	header["Content-Type"], header["Date"] = contentType, nil
	header.Set("Content-Length", strconv.Itoa(len(body))) // without Content-Length, net/http would send a body of more than 2048 bytes in chunks
	w.WriteHeader(status)
	_, _ = w.Write(body) // fails if the client has disconnected
}

// appendJSONString appends s as a JSON string, in which only quotes, backslashes and control characters are escaped. In the JSON string,
// U+FFFD replaces each byte that is not valid UTF-8.
func appendJSONString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // an error only means that s is not valid UTF-8
	return dst
}
