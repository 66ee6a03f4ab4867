package server

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	// heartbeat keeps a stream on which nothing happens from being taken for a dead one.
	heartbeat = 20 * time.Second
	// slowest is how long a viewer may take to receive what is sent. One that takes longer is dropped; its browser
	// comes back and says how far it got.
	slowest = 10 * time.Second
)

// events streams the entries of a book as they come, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	status := http.StatusOK
	viewer, err := s.newViewer(w, r)
	if err != nil {
		var message string
		status, message = explain(err)
		writeError(w, status, message)
	} else {
		viewer.follow(r.Context())
		s.feeds.leave(viewer.key, viewer.feed)
	}
	s.observe("events", status, time.Since(start))
}

// viewer is one stream and its place in the book.
type viewer struct {
	server *Server
	w      http.ResponseWriter
	rc     *http.ResponseController
	key    string
	feed   *feed
	lastID int64 // of the last entry sent; -1: none
	resets int
	// resumed says that nobody has checked yet whether the book still has the entry lastID.
	resumed bool
}

// newViewer answers the request's headers. The viewer starts after the entry that Last-Event-ID or the parameter
// after names; without them, at the end of the book.
func (s *Server) newViewer(w http.ResponseWriter, r *http.Request) (*viewer, error) {
	if s.draining() {
		return nil, &requestError{http.StatusServiceUnavailable, "this pod is about to stop: connect again"}
	}
	params := php.ParseQuery(r.URL.RawQuery)
	if id := r.Header.Get("Last-Event-ID"); id != "" {
		params["after"] = php.Value{Text: id} // a browser that comes back; its address still names where it began
	}
	key, err := s.bookKey(params)
	if err != nil {
		return nil, err
	}
	ctx, cancel := s.storeContext(r)
	defer cancel()
	end, err := s.Store.End(ctx, key)
	if err != nil {
		return nil, err
	}
	const atEnd = -2
	after, err := number(params, "after", atEnd, -1, 1<<62)
	if err != nil {
		return nil, err
	}
	feed, err := s.feeds.join(key, end)
	if err != nil {
		return nil, err
	}
	v := &viewer{server: s, w: w, rc: http.NewResponseController(w), key: key, feed: feed}
	now := v.feed.after(after)
	v.lastID, v.resets = now.lastID, now.resets
	if after != atEnd {
		v.lastID, v.resumed = after, true
	}
	// The server's limits are for requests that end.
	if err := v.rc.SetReadDeadline(time.Time{}); err != nil {
		s.feeds.leave(key, v.feed)
		return nil, err
	}
	header := w.Header()
	header.Set("Content-Type", "text/event-stream")
	header.Set("X-Accel-Buffering", "no") // nginx passes every event on as it comes
	return v, nil
}

// follow sends until the viewer goes, is too slow, or the server drains.
func (v *viewer) follow(ctx context.Context) {
	// Headers at once, also where nothing happens; and a browser that loses the stream comes back after a second.
	if v.send([]byte("retry: 1000\n\n")) != nil {
		return
	}
	beat := time.NewTimer(heartbeat)
	defer beat.Stop()
	for {
		changed, err := v.catchUp(ctx)
		if err != nil {
			return
		}
		beat.Reset(heartbeat)
		select {
		case <-changed:
		case <-beat.C:
			if v.send([]byte(":\n\n")) != nil {
				return
			}
		case <-v.server.readiness.drained:
			return
		case <-ctx.Done():
			return
		}
	}
}

// catchUp sends all that the viewer has not had, and gives what is closed when there is more.
func (v *viewer) catchUp(ctx context.Context) (<-chan struct{}, error) {
	for {
		view := v.feed.after(v.lastID)
		switch {
		case view.resets != v.resets:
			v.resets = view.resets
			if err := v.reset(view.lastID); err != nil {
				return nil, err
			}
		case view.behind || v.resumed:
			had := v.lastID
			if err := v.catchUpFromStore(view.lastID); err != nil {
				return nil, err
			}
			if v.lastID == had && view.behind {
				// The feed knows more than the slave that was asked.
				select {
				case <-time.After(pollInterval):
				case <-ctx.Done():
					return nil, ctx.Err()
				}
			}
		default:
			return view.changed, v.sendFrames(view.frames)
		}
	}
}

// catchUpFromStore sends some of what came before the entries that the feed holds.
func (v *viewer) catchUpFromStore(bookEnd int64) error {
	ctx, cancel := context.WithTimeout(context.Background(), v.server.RequestTimeout)
	defer cancel()
	entries, last, err := v.server.Store.Since(ctx, v.key, guestbook.Mark{ID: v.lastID})
	v.resumed = false
	if errors.Is(err, guestbook.ErrNoEntry) {
		return v.reset(bookEnd)
	}
	if err != nil {
		return err // the stream ends; the browser comes back
	}
	frames := make([]frame, len(entries))
	for i, e := range entries {
		frames[i] = frame{e.ID, appendEvent(nil, e)}
	}
	if err := v.sendFrames(frames); err != nil {
		return err
	}
	v.lastID = max(last.ID, v.lastID) // past entries without text, too
	return nil
}

// reset tells that the book was rewritten: what was read of it is void. The stream goes on at its end.
func (v *viewer) reset(bookEnd int64) error {
	v.lastID = bookEnd
	return v.send([]byte("event: reset\nid: " + strconv.FormatInt(bookEnd, 10) + "\ndata: {}\n\n"))
}

func (v *viewer) sendFrames(frames []frame) error {
	if len(frames) == 0 {
		return nil
	}
	var all []byte
	for _, f := range frames {
		all = append(all, f.text...)
	}
	v.lastID = frames[len(frames)-1].id
	return v.send(all)
}

func (v *viewer) send(b []byte) error {
	if err := v.rc.SetWriteDeadline(time.Now().Add(slowest)); err != nil {
		return err
	}
	if _, err := v.w.Write(b); err != nil {
		return fmt.Errorf("viewer lost: %w", err)
	}
	return v.rc.Flush()
}
