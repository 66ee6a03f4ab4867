package server

import (
	"context"
	"errors"
	"net"
	"net/http"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/semaphore"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is how often a guestbook that somebody watches is read.
	pollInterval = 100 * time.Millisecond
	// heartbeat is after how much silence an event says that the stream is not dead. The page waits for 15 s.
	heartbeat = 10 * time.Second
	// maxViewers and maxTopics bound what watching costs this pod and Redis. nginx holds two connections for each viewer.
	maxViewers, maxTopics = 10_000, 100
	// maxAhead is for how many polls a viewer waits for its topic, if it has read from a slave that is ahead of the topic's.
	// After that its place is taken for one of another guestbook.
	maxAhead = 5
	// sendTimeout is how long a viewer may take to receive what is sent. Then its stream ends, and its browser comes back and
	// says how far it got.
	sendTimeout = 10 * time.Second
	// maxSendBufferBytes is how many bytes the kernel holds for a viewer that takes nothing. It doubles this for its own upkeep.
	maxSendBufferBytes = 4 << 10
	// maxBytesPerSecond is how many bytes per second all topics together send, each to all of its viewers. Viewers that take nothing keep in
	// memory what was sent within sendTimeout, once for all of them.
	maxBytesPerSecond = 1 << 20
	// maxSlowViewers is how many viewers may take longer than slowAfter to receive what is sent. Each has nginx's buffers filled.
	maxSlowViewers, slowAfter = 500, 100 * time.Millisecond
	// maxBehindBytes is how many bytes of guestbooks are sent at a time to viewers that are behind, because each has a text of its own in
	// memory.
	maxBehindBytes = 1 << 20
)

// hub has a topic for each guestbook that somebody watches.
type hub struct {
	Options
	drained atomic.Bool
	behind  *semaphore.Weighted // bytes being sent to viewers that are behind
	slow    *semaphore.Weighted // viewers

	mu     sync.Mutex
	topics map[string]*topic // by key
	users  int               // viewers of all topics
}

// topic is a guestbook being watched. One goroutine polls it, however many watch, and wakes them when it has changed.
type topic struct {
	hub   *hub
	key   string
	users int // guarded by hub.mu
	stop  context.CancelFunc

	mu      sync.Mutex
	viewers map[net.Conn]struct{}
	last    step
}

// step is how a guestbook has changed: a viewer that has all up to from is sent text, and has all up to to then.
type step struct {
	from, to guestbook.Position
	text     []byte
}

func newHub(o Options) *hub {
	h := &hub{Options: o, topics: map[string]*topic{}, behind: semaphore.NewWeighted(maxBehindBytes), slow: semaphore.NewWeighted(maxSlowViewers)}
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
func (h *hub) subscribe(key string, end guestbook.Position) (*topic, error) {
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
		t = &topic{hub: h, key: key, stop: stop, viewers: map[net.Conn]struct{}{}, last: step{from: end, to: end}}
		h.topics[key] = t
		go t.run(ctx)
	}
	h.users++
	t.users++
	return t, nil
}

func (h *hub) unsubscribe(t *topic, viewer net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.viewers, viewer)
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
		for viewer := range t.viewers {
			viewer.Close()
		}
		t.mu.Unlock()
	}
}

// run polls until the last viewer has gone.
func (t *topic) run(ctx context.Context) {
	for sent := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollInterval + time.Duration(sent)*time.Second/maxBytesPerSecond):
			sent = t.poll()
		}
	}
}

// logPanic keeps a panic of a goroutine from ending the process.
func (o Options) logPanic() {
	if p := recover(); p != nil {
		o.Log.Error("panic", "error", p, "stack", string(debug.Stack()))
	}
}

// poll wakes the viewers if there is something new, and returns how many bytes all topics send if each has as much. If Redis does not
// answer, poll sends nothing; the next poll catches up.
func (t *topic) poll() (sent int) {
	defer t.hub.logPanic()
	before := t.now().to
	text, to, err := t.read(before, 0)
	if errors.Is(err, guestbook.ErrNoEntry) {
		text, err = appendReset(nil, to.ID), nil
	}
	if err != nil || to == before {
		return 0
	}
	t.hub.mu.Lock()
	topics := len(t.hub.topics)
	t.hub.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = step{before, to, text}
	for viewer := range t.viewers {
		_ = viewer.SetReadDeadline(time.Now()) // if it is closed, so says its Read
	}
	return len(text) * topics
}

func (t *topic) now() step {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}

// add makes the topic wake the viewer.
func (t *topic) add(viewer net.Conn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.viewers[viewer] = struct{}{}; t.hub.drained.Load() {
		viewer.Close()
	}
}

// read gives the events that come after the place at, some at a time, and the place of the last: from a guestbook that has
// at least upto bytes.
func (t *topic) read(at guestbook.Position, upto int64) (text []byte, to guestbook.Position, err error) {
	ctx, cancel := t.hub.storeContext()
	defer cancel()
	entries, to, err := t.hub.Store.Since(ctx, t.key, at, upto)
	for _, e := range entries {
		if e.ID > at.ID {
			text = appendEvent(text, e)
		}
	}
	return text, to, err
}

// send sends a viewer what comes after the place at, n bytes, and returns the place that it has all up to then.
func (t *topic) send(viewer net.Conn, at guestbook.Position) (to guestbook.Position, n int, err error) {
	last := t.now()
	for ahead := 0; at.End > last.to.End && ahead < maxAhead; ahead++ {
		time.Sleep(pollInterval)
		last = t.now()
	}
	text, to, err := []byte(nil), at, guestbook.ErrNoEntry // unless it has seen this guestbook
	switch {
	case at == last.to:
		return at, 0, nil
	case at == last.from: // as nearly all are
		text, to, err = last.text, last.to, nil
	case at.End <= last.to.End:
		behind := min(last.to.End-at.End, maxBehindBytes)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
		defer cancel()
		if err := t.hub.behind.Acquire(ctx, behind); err != nil {
			return at, 0, err // it comes back
		}
		defer t.hub.behind.Release(behind)
		text, to, err = t.read(at, last.to.End)
	}
	if errors.Is(err, guestbook.ErrNoEntry) {
		text, to, err = appendReset(nil, last.to.ID), last.to, nil
	}
	if err == nil && len(text) > 0 {
		err = t.hub.write(viewer, text)
	}
	return to, len(text), err
}
