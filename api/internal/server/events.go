package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

// streamHead is the beginning of each event stream. X-Accel-Buffering makes nginx send each event to the client at once. "Connection: close"
// means that the response ends when the connection closes. X-Guestbook-Version names the API's version. "retry" makes the browser reconnect
// a second after the event stream has broken off.
const streamHead = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nConnection: close\r\nX-Guestbook-Version: %s\r\n\r\nretry: 1000\n\n"

// events answers a request with an endless stream of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html),
// with an event for each entry after the id in the header Last-Event-ID or in the parameter "after", or after the end of the guestbook if
// the request has neither. The method "events" takes over the TCP connection from net/http, because net/http would need buffers and two
// goroutines for each event stream. A goroutine sends the stream after "events" has returned. The method "events" returns an error with the
// status 405 if the method is not GET, with the status 400 if the id is not a whole number from -1 to maxID, and each error of bookKey,
// Store.End and "subscribe".
func (s *Server) events(ctx context.Context, w http.ResponseWriter, r *http.Request) (answer, error) {
	a := answer{command: "events"}
	if r.Method != http.MethodGet {
		return a, methodNotAllowed(w, "GET")
	}
	params := php.ParseQuery(r.URL.RawQuery)
	if id := r.Header.Get("Last-Event-ID"); id != "" { // overrides "after", because a browser that reconnects still sends the old "after" in the URL
		params["after"] = php.Value{Text: id}
	}
	key, err := s.bookKey(params)
	after := fromEnd
	if err := cmp.Or(err, number(params, "after", &after, -1, maxID)); err != nil {
		return a, err
	}
	end, err := s.Store.End(ctx, key)
	if err != nil {
		return a, err
	}
	t, conn, err := s.hub.subscribe(key, end, w)
	if err != nil {
		return a, err
	}
	_ = conn.(*net.TCPConn).SetWriteBuffer(maxSendBufferBytes) // fails only if the connection is closed, and then Write fails as well
	position := t.last.Load().to
	if after != fromEnd {
		position = guestbook.AfterEntry(after)
	}
	go func() {
		defer s.hub.unsubscribe(t, conn)
		_ = stream(conn, t, fmt.Appendf(nil, streamHead, s.Version), position) // an error means that the browser has disconnected
	}()
	return a, nil
}

// stream writes the head of the response, then an event for each entry that follows the position, and a heartbeat when the time "heartbeat"
// has passed without an event. The function "stream" returns when the API or the browser closes the connection, when the browser sends
// anything, or after an error of the methods "write" and "send".
func stream(conn net.Conn, t *topic, head []byte, position guestbook.Position) error {
	sent := time.Now()
	if err := t.hub.write(conn, head); err != nil {
		return err
	}
	for {
		_ = conn.SetReadDeadline(sent.Add(heartbeat)) // ends the wait in ReadFull when a heartbeat is due
		to, n, err := t.send(conn, position)
		if err != nil {
			return err
		}
		if n > 0 {
			sent = time.Now()
		}
		if to != position {
			position = to
			continue
		}
		// A browser sends nothing on an event stream, so ReadFull blocks until the read deadline. When there are new entries, the method
		// "poll" sets the read deadline to the current time.
		if _, err := io.ReadFull(conn, make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if time.Since(sent) >= heartbeat {
			sent = time.Now()
			if err := t.hub.write(conn, []byte("event: heartbeat\ndata: {}\n\n")); err != nil {
				return err
			}
		}
	}
}
