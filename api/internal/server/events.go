package server

import (
	"bytes"
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

// events streams the entries of a guestbook as they come, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if err := s.follow(w, r, start); err != nil {
		s.observe("events", s.writeError(w, err), time.Since(start))
	}
}

// follow begins a stream, which goes on when the handler has returned, without net/http: that would keep its buffers and
// two goroutines for each. The stream starts after the entry that the header Last-Event-ID or the parameter after names;
// without them, at the end of the guestbook.
func (s *Server) follow(w http.ResponseWriter, r *http.Request, start time.Time) error {
	if r.Method != http.MethodGet {
		return methodNotAllowed(w, "GET") // a HEAD: there is no end of the answer
	}
	params := php.ParseQuery(r.URL.RawQuery)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		params = append(params, php.Param{Name: "after", Text: id}) // a browser that comes back; its address still names where it began
	}
	key, err := s.bookKey(params)
	if err != nil {
		return err
	}
	ctx, cancel := s.storeContext()
	defer cancel()
	end, err := s.Store.End(ctx, key)
	if err != nil {
		return err
	}
	after := fromNow
	if err := number(params, "after", &after, -1, maxID); err != nil {
		return err
	}
	t, err := s.hub.subscribe(key, end)
	if err != nil {
		return err
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		s.hub.unsubscribe(t, nil)
		return err
	}
	if c, ok := conn.(interface{ SetWriteBuffer(bytes int) error }); ok {
		_ = c.SetWriteBuffer(maxSendBufferBytes) // if it is closed, so says Write
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx passes every event on as it comes
	header.Set("Connection", "close")     // which is how the stream ends
	head := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(head)                  // to memory: it cannot fail
	head.WriteString("\r\nretry: 1000\n\n") // a browser that loses the stream comes back after a second
	s.observe("events", http.StatusOK, time.Since(start))
	go func() {
		defer s.logPanic()
		defer s.hub.unsubscribe(t, conn)
		defer conn.Close()
		at := t.now().to
		if after != fromNow {
			at = guestbook.Position{ID: after, End: max(after, 0)} // before that entry, which is read and not sent
		}
		t.add(conn)
		_ = stream(conn, t, head.Bytes(), at) // the viewer has left, or comes back
		s.lifetimes.Observe(time.Since(start).Seconds())
	}()
	return nil
}

// fromNow is where a stream begins that does not say where.
const fromNow = int64(-2)

// stream sends the head, and then what comes after the place at, until either side closes the connection.
func stream(conn net.Conn, t *topic, head []byte, at guestbook.Position) error {
	sent := time.Now()
	if err := t.hub.write(conn, head); err != nil {
		return err
	}
	for {
		_ = conn.SetReadDeadline(sent.Add(heartbeat)) // or when the topic changes from here on
		to, n, err := t.send(conn, at)
		if err != nil {
			return err
		}
		if n > 0 {
			sent = time.Now()
		}
		if to != at {
			at = to
			continue
		}
		// A viewer sends nothing: this waits.
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

// write sends a viewer the text, within sendTimeout.
func (h *hub) write(viewer net.Conn, text []byte) error {
	_ = viewer.SetWriteDeadline(time.Now().Add(slowAfter)) // if it is closed, so says Write
	n, err := viewer.Write(text)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !h.slow.TryAcquire(1) {
		return err
	}
	defer h.slow.Release(1)
	_ = viewer.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = viewer.Write(text[n:])
	return err
}

// appendEvent writes an entry as a server-sent event.
func appendEvent(dst []byte, e guestbook.Entry) []byte {
	return append(appendEntry(fmt.Appendf(dst, "event: entry\nid: %d\ndata: ", e.ID), e), "\n\n"...)
}

// appendReset writes the event that says that the guestbook was rewritten: what was read of it is void. The stream goes on
// at its end.
func appendReset(dst []byte, lastID int64) []byte {
	return fmt.Appendf(dst, "event: reset\nid: %d\ndata: {}\n\n", lastID)
}
