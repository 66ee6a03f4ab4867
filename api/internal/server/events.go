package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
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
		return refuseMethod(w, "GET") // a HEAD: there is no end of the answer
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
	after := end.ID
	if err := number(params, "after", &after, -1, maxID); err != nil {
		return err
	}
	t, resets, err := s.hub.subscribe(key, end)
	if err != nil {
		return err
	}
	v := &viewer{lastID: after, resets: resets}
	if v.conn, _, err = http.NewResponseController(w).Hijack(); err != nil {
		s.hub.unsubscribe(t, v)
		return err
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx passes every event on as it comes
	header.Set("Connection", "close")     // which is how the stream ends
	head := bytes.NewBufferString("HTTP/1.1 200 OK\r\n")
	_ = header.Write(head)                  // to memory: it cannot fail
	head.WriteString("\r\nretry: 1000\n\n") // a browser that loses the stream comes back after a second
	go func() {
		if v.send(head.Bytes()) == nil && s.catchUp(v, t, after != end.ID) == nil {
			// The topic sends from here on. A viewer sends nothing: this waits until either side closes.
			_, _ = io.ReadFull(v.conn, make([]byte, 1))
		}
		v.conn.Close()
		s.hub.unsubscribe(t, v)
		s.observe("events", http.StatusOK, time.Since(start))
	}()
	return nil
}

// errEnd ends a stream when the server drains, or when the slave at hand knows less than the topic.
var errEnd = errors.New("the stream ends here")

// catchUp sends what came after the viewer's last entry, until the topic can go on from there. Unless checked, the
// guestbook may not have that entry any more.
func (s *Server) catchUp(v *viewer, t *topic, unchecked bool) error {
	for ; unchecked || !t.attach(v); unchecked = false {
		ctx, cancel := context.WithTimeout(context.Background(), s.RequestTimeout)
		entries, last, err := s.Store.Since(ctx, t.key, guestbook.Mark{ID: v.lastID})
		cancel()
		switch {
		case errors.Is(err, guestbook.ErrNoEntry):
			v.resets = -1 // so that attach sends it a reset
			continue
		case err != nil:
			return err // the stream ends, the browser comes back
		case last.ID <= v.lastID && !unchecked, s.hub.drained.Load():
			return errEnd
		}
		var text []byte
		for _, e := range entries {
			text = appendEvent(text, e)
		}
		if err := v.send(text); err != nil {
			return err
		}
		v.lastID = max(v.lastID, last.ID) // past entries without text, too
	}
	return nil
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
