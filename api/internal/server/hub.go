package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is how often a guestbook that somebody watches is read.
	pollInterval = 100 * time.Millisecond
	// heartbeat is after how much silence an event says that the stream is not dead. The page waits for 15 s.
	heartbeat = 10 * time.Second
	// maxViewers and maxTopics bound what watching costs this pod and Redis. nginx holds two connections for each viewer.
	maxViewers, maxTopics = 10_000, 100
	// sendTimeout is how long a viewer may take to receive what came before its stream began.
	sendTimeout = 10 * time.Second
)

// hub has a topic for each guestbook that somebody watches.
type hub struct {
	Options
	drained atomic.Bool

	mu     sync.Mutex
	topics map[string]*topic // by key
	users  int               // viewers of all topics
}

// topic is a guestbook being watched. One goroutine polls it, however many watch.
type topic struct {
	hub   *hub
	key   string
	users int // guarded by hub.mu
	stop  context.CancelFunc

	mu      sync.Mutex
	viewers map[*viewer]struct{} // that have all up to mark
	mark    guestbook.Mark
	sent    time.Time // when something was sent to all
}

func newHub(o Options) *hub {
	h := &hub{Options: o, topics: map[string]*topic{}}
	o.Metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guestbook_event_viewers", Help: "Open event streams.",
	}, func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(h.users)
	}))
	return h
}

// subscribe gives the topic of the guestbook, which starts at end if there was none yet. Each subscribe that succeeds needs
// an unsubscribe.
func (h *hub) subscribe(key string, end guestbook.Mark) (*topic, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[key]
	switch {
	case h.drained.Load():
		return nil, &requestError{http.StatusServiceUnavailable, "this pod is about to stop: connect again"}
	case h.users == maxViewers || t == nil && len(h.topics) == maxTopics:
		return nil, &requestError{http.StatusServiceUnavailable, "too many are watching already: try again later"}
	case t == nil:
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{hub: h, key: key, stop: stop, viewers: map[*viewer]struct{}{}, mark: end, sent: time.Now()}
		h.topics[key] = t
		go t.run(ctx)
	}
	h.users++
	t.users++
	return t, nil
}

func (h *hub) unsubscribe(t *topic, v *viewer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.viewers, v)
	h.users--
	if t.users--; t.users == 0 {
		t.stop()
		delete(h.topics, t.key)
	}
}

// drain ends all streams, and lets none begin.
func (h *hub) drain() {
	h.drained.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		t.mu.Lock()
		for v := range t.viewers {
			v.conn.Close()
		}
		t.mu.Unlock()
	}
}

// run polls until the last viewer has gone.
func (t *topic) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollInterval):
			t.poll()
		}
	}
}

// logPanic keeps a panic of a goroutine from ending the process.
func (o Options) logPanic() {
	if p := recover(); p != nil {
		o.Log.Error("panic", "error", p, "stack", string(debug.Stack()))
	}
}

// poll passes on what is new in the guestbook. When Redis cannot be asked there is nothing new, and nothing is missed.
func (t *topic) poll() {
	defer t.hub.logPanic()
	ctx, cancel := context.WithTimeout(context.Background(), t.hub.RequestTimeout)
	defer cancel()
	before := t.position()
	entries, mark, err := t.hub.Store.Since(ctx, t.key, before, -1)
	reset := errors.Is(err, guestbook.ErrNoEntry)
	t.mu.Lock()
	defer t.mu.Unlock()
	var text []byte
	switch {
	case reset:
		text = appendReset(nil, mark.ID)
	case err == nil && mark != before:
		for _, e := range entries {
			text = appendEvent(text, e)
		}
	case time.Since(t.sent) > heartbeat:
		mark, text = before, []byte("event: heartbeat\ndata: {}\n\n")
	default:
		return
	}
	t.mark, t.sent = mark, time.Now()
	for v := range t.viewers {
		v.trySend(text)
	}
}

// position is the place up to which the topic has sent everything.
func (t *topic) position() guestbook.Mark {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mark
}

// attach makes the topic send to a viewer from now on. It does not, and says false, unless the viewer has just what the
// topic has sent so far, or takes a reset in place of it.
func (t *topic) attach(v *viewer, at guestbook.Mark, reset bool) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hub.drained.Load() || at != t.mark && !reset {
		return false
	}
	if reset {
		v.trySend(appendReset(nil, t.mark.ID))
	}
	t.viewers[v] = struct{}{}
	return true
}

// viewer is one stream.
type viewer struct{ conn net.Conn }

// send waits until all is on its way. It is for what came before the topic goes on.
func (v *viewer) send(text []byte) error {
	_ = v.conn.SetDeadline(time.Now().Add(sendTimeout)) // if it is closed, so says Write
	_, err := v.conn.Write(text)
	return errors.Join(err, v.conn.SetDeadline(time.Time{}))
}

// trySend sends without waiting. A viewer that has left so much unread that there is no room for this is dropped: its
// browser comes back and says how far it got.
func (v *viewer) trySend(text []byte) {
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
