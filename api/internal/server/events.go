package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
	"guestbook/api/internal/php"
)

const (
	// pollInterval is how often a book that somebody watches is looked at.
	pollInterval = 100 * time.Millisecond
	// heartbeat keeps a stream on which nothing happens from being taken for a dead one.
	heartbeat = 20 * time.Second
	// maxViewers and maxFeeds bound what watching costs this process and Redis.
	maxViewers, maxFeeds = 20_000, 100
	// slowest is how long a viewer may take to receive what came before its stream began.
	slowest = 10 * time.Second
)

// events streams the entries of a book as they come, as server-sent events
// (https://html.spec.whatwg.org/multipage/server-sent-events.html).
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	if err := s.follow(w, r, start); err != nil {
		s.observe("events", s.refuse(w, err), time.Since(start))
	}
}

// follow begins a stream, which goes on when the handler has returned, without net/http: that would keep its buffers
// and two goroutines for each. The stream starts after the entry that Last-Event-ID or the parameter after names; without them, at the end
// of the book.
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
	feed, resets, err := s.feeds.join(key, end)
	if err != nil {
		return err
	}
	v := &viewer{lastID: after, resets: resets}
	if v.conn, _, err = http.NewResponseController(w).Hijack(); err != nil {
		s.feeds.leave(feed, v)
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
		if v.send(head.Bytes()) == nil && s.catchUp(v, feed, after != end.ID) == nil {
			// The feed sends from here on. A viewer sends nothing: this waits until either side closes.
			_, _ = io.ReadFull(v.conn, make([]byte, 1))
		}
		v.conn.Close()
		s.feeds.leave(feed, v)
		s.observe("events", http.StatusOK, time.Since(start))
	}()
	return nil
}

// catchUp sends what came after the viewer's last entry, until the feed can go on from there. Unless checked, the
// book may not have that entry any more.
func (s *Server) catchUp(v *viewer, f *feed, unchecked bool) error {
	for ; unchecked || !f.admit(v); unchecked = false {
		ctx, cancel := context.WithTimeout(context.Background(), s.RequestTimeout)
		entries, last, err := s.Store.Since(ctx, f.key, guestbook.Mark{ID: v.lastID})
		cancel()
		switch {
		case errors.Is(err, guestbook.ErrNoEntry):
			v.resets = -1 // so that it is told
			continue
		case err != nil:
			return err // the stream ends, the browser comes back
		case last.ID <= v.lastID && !unchecked, s.feeds.drained.Load():
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

// errEnd ends a stream when the server drains, or when it would have to wait for a slave that knows less than the feed.
var errEnd = errors.New("the stream ends here")

// viewer is one stream and its place in the book.
type viewer struct {
	conn   net.Conn
	lastID int64 // of the last entry that it has, or that came before its stream
	resets int   // of the feed, as far as the viewer knows
}

// send waits until all is on its way. It is for what came before the feed goes on.
func (v *viewer) send(text []byte) error {
	_ = v.conn.SetDeadline(time.Now().Add(slowest)) // if it is closed, so says Write
	_, err := v.conn.Write(text)
	return errors.Join(err, v.conn.SetDeadline(time.Time{}))
}

// offer sends without waiting. A viewer that has not taken so much that there is no room for this is dropped; its
// browser comes back and says how far it got.
func (v *viewer) offer(text []byte) {
	sent := 0
	raw, err := v.conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Write(func(fd uintptr) bool {
			sent, _ = syscall.Write(int(fd), text)
			return true
		})
	}
	if err != nil || sent < len(text) {
		v.conn.Close()
	}
}

// feeds are the books that somebody watches: one poller for each, however many watch, and none for the others.
type feeds struct {
	Options
	drained atomic.Bool

	mu       sync.Mutex
	byKey    map[string]*feed
	watching int // viewers of all feeds
}

// feed is a book being watched.
type feed struct {
	feeds *feeds
	key   string
	users int // guarded by feeds.mu
	stop  context.CancelFunc

	mu      sync.Mutex
	viewers map[*viewer]struct{} // that have all up to last
	last    guestbook.Mark
	resets  int // how often the book was rewritten
	sent    time.Time
}

func newFeeds(o Options) *feeds {
	fs := &feeds{Options: o, byKey: map[string]*feed{}}
	o.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guestbook_event_viewers", Help: "Open event streams.",
	}, func() float64 {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		return float64(fs.watching)
	}))
	return fs
}

// join gives the feed of the book, whose last entry is at end, and how often the book was rewritten. Each join that
// succeeds needs a leave.
func (fs *feeds) join(key string, end guestbook.Mark) (_ *feed, resets int, err error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byKey[key]
	switch {
	case fs.drained.Load():
		return nil, 0, &requestError{http.StatusServiceUnavailable, "this pod is about to stop: connect again"}
	case fs.watching == maxViewers || f == nil && len(fs.byKey) == maxFeeds:
		return nil, 0, &requestError{http.StatusServiceUnavailable, "too many are watching already: try again later"}
	case f == nil:
		ctx, stop := context.WithCancel(context.Background())
		f = &feed{feeds: fs, key: key, stop: stop, viewers: map[*viewer]struct{}{}, last: end, sent: time.Now()}
		fs.byKey[key] = f
		go f.poll(ctx)
	}
	fs.watching++
	f.users++
	f.mu.Lock()
	defer f.mu.Unlock()
	return f, f.resets, nil
}

func (fs *feeds) leave(f *feed, v *viewer) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.viewers, v)
	fs.watching--
	if f.users--; f.users == 0 {
		f.stop()
		delete(fs.byKey, f.key)
	}
}

// drain ends all streams, and lets none begin.
func (fs *feeds) drain() {
	fs.drained.Store(true)
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.byKey {
		f.mu.Lock()
		for v := range f.viewers {
			v.conn.Close()
		}
		f.mu.Unlock()
	}
}

func (f *feed) poll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollInterval):
			f.look()
		}
	}
}

// look passes on what is new in the book. When Redis cannot be asked, there is nothing new: nothing is missed.
func (f *feed) look() {
	ctx, cancel := context.WithTimeout(context.Background(), f.feeds.RequestTimeout)
	defer cancel()
	entries, last, err := f.feeds.Store.Since(ctx, f.key, f.last)
	reset := errors.Is(err, guestbook.ErrNoEntry)
	if reset {
		last, err = f.feeds.Store.End(ctx, f.key)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	var text []byte
	switch {
	case err == nil && last != f.last:
		f.last = last
	case time.Since(f.sent) > heartbeat:
		text, reset = []byte(":\n\n"), false
	default:
		return
	}
	f.sent = time.Now()
	var ends []int // of each entry in text
	if reset {
		f.resets++
		text = appendReset(text, last.ID)
	}
	for _, e := range entries {
		text = appendEvent(text, e)
		ends = append(ends, len(text))
	}
	for v := range f.viewers {
		if reset {
			v.lastID = last.ID
		}
		news := text
		for i := 0; i < len(entries) && entries[i].ID <= v.lastID; i++ {
			news = text[ends[i]:] // it was ahead of the feed
		}
		v.offer(news)
	}
}

// admit makes the feed go on for a viewer, unless that lacks entries which the feed has passed on already.
func (f *feed) admit(v *viewer) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if v.resets != f.resets {
		v.resets, v.lastID = f.resets, f.last.ID
		v.offer(appendReset(nil, f.last.ID))
	}
	if f.feeds.drained.Load() || v.lastID < f.last.ID {
		return false
	}
	f.viewers[v] = struct{}{}
	return true
}

// appendEvent writes an entry as a server-sent event.
func appendEvent(dst []byte, e guestbook.Entry) []byte {
	return append(appendEntry(fmt.Appendf(dst, "event: entry\nid: %d\ndata: ", e.ID), e), "\n\n"...)
}

// appendReset tells that the book was rewritten: what was read of it is void. The stream goes on at its end.
func appendReset(dst []byte, lastID int64) []byte {
	return fmt.Appendf(dst, "event: reset\nid: %d\ndata: {}\n\n", lastID)
}
