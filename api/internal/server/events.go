package server

import (
	"bytes"
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
	ctx, cancel := storeContext(start.Add(s.RequestTimeout))
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
	v := new(viewer)
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
	s.observe("events", http.StatusOK, time.Since(start))
	go func() {
		defer s.logPanic()
		defer s.hub.unsubscribe(t, v)
		defer v.conn.Close()
		if v.send(head.Bytes()) == nil && s.catchUp(v, t, after) == nil {
			// The topic sends from here on. A viewer sends nothing: this waits until either side closes.
			_, _ = io.ReadFull(v.conn, make([]byte, 1))
		}
		s.lifetimes.Observe(time.Since(start).Seconds())
	}()
	return nil
}

const (
	// fromNow is where a stream begins that does not say where.
	fromNow = int64(-2)
	// maxAhead is for how many polls of its topic a viewer may be ahead of that, until the topic's guestbook counts.
	maxAhead = 5
)

var errDrained = errors.New("the pod is about to stop")

// catchUp sends what came after the entry after, unless that is fromNow, until the topic can go on from there.
func (s *Server) catchUp(v *viewer, t *topic, after int64) (err error) {
	at := t.position()
	if after != fromNow {
		at = guestbook.Mark{ID: after, End: max(after, 0)} // before that entry, which is read and not sent
	}
	for ahead := 0; !t.attach(v, at, errors.Is(err, guestbook.ErrNoEntry)); {
		to := t.position()
		switch {
		case err != nil:
			return err
		case s.hub.drained.Load():
			return errDrained
		case at.End < to.End:
			var entries []guestbook.Entry
			ctx, cancel := storeContext(time.Now().Add(s.RequestTimeout))
			entries, at, err = s.Store.Since(ctx, t.key, at, to.End)
			cancel()
			var text []byte
			for _, e := range entries {
				if e.ID > after {
					text = appendEvent(text, e)
				}
			}
			if err := v.send(text); err != nil {
				return err
			}
		case at.End == to.End, ahead == maxAhead:
			err = guestbook.ErrNoEntry // another guestbook
		default: // the viewer has seen a slave that is ahead of the topic's
			ahead++
			time.Sleep(pollInterval)
		}
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
