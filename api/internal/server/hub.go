package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is how often a guestbook that somebody watches is read.
	pollInterval = 100 * time.Millisecond
	// heartbeat is after how much silence something is sent, so that nobody takes the stream for a dead one.
	heartbeat = 20 * time.Second
	// maxViewers and maxTopics bound what watching costs this process and Redis.
	maxViewers, maxTopics = 20_000, 100
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
	viewers map[*viewer]struct{} // that have all up to last
	last    guestbook.Mark
	resets  int // how often the guestbook was rewritten
	sent    time.Time
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

// subscribe gives the topic of the guestbook, whose last entry is at end, and how often that was rewritten. Each subscribe
// that succeeds needs an unsubscribe.
func (h *hub) subscribe(key string, end guestbook.Mark) (_ *topic, resets int, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[key]
	switch {
	case h.drained.Load():
		return nil, 0, &requestError{http.StatusServiceUnavailable, "this pod is about to stop: connect again"}
	case h.users == maxViewers || t == nil && len(h.topics) == maxTopics:
		return nil, 0, &requestError{http.StatusServiceUnavailable, "too many are watching already: try again later"}
	case t == nil:
		ctx, stop := context.WithCancel(context.Background())
		t = &topic{hub: h, key: key, stop: stop, viewers: map[*viewer]struct{}{}, last: end, sent: time.Now()}
		h.topics[key] = t
		go t.run(ctx)
	}
	h.users++
	t.users++
	t.mu.Lock()
	defer t.mu.Unlock()
	return t, t.resets, nil
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

// poll passes on what is new in the guestbook. When Redis cannot be asked there is nothing new, and nothing is missed.
func (t *topic) poll() {
	ctx, cancel := context.WithTimeout(context.Background(), t.hub.RequestTimeout)
	defer cancel()
	entries, last, err := t.hub.Store.Since(ctx, t.key, t.last)
	reset := errors.Is(err, guestbook.ErrNoEntry)
	if reset {
		last, err = t.hub.Store.End(ctx, t.key)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var text []byte
	switch {
	case err == nil && last != t.last:
		t.last = last
	case time.Since(t.sent) > heartbeat:
		text, reset = []byte(":\n\n"), false
	default:
		return
	}
	t.sent = time.Now()
	var ends []int // of each entry in text
	if reset {
		t.resets++
		text = appendReset(text, last.ID)
	}
	for _, e := range entries {
		text = appendEvent(text, e)
		ends = append(ends, len(text))
	}
	for v := range t.viewers {
		if reset {
			v.lastID = last.ID
		}
		news := text
		for i := 0; i < len(entries) && entries[i].ID <= v.lastID; i++ {
			news = text[ends[i]:] // the viewer was ahead of the topic
		}
		v.trySend(news)
	}
}

// attach makes the topic send to a viewer from now on. It does not, and says false, when the viewer lacks entries that the
// topic has sent already.
func (t *topic) attach(v *viewer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v.resets != t.resets {
		v.resets, v.lastID = t.resets, t.last.ID
		v.trySend(appendReset(nil, t.last.ID))
	}
	if t.hub.drained.Load() || v.lastID < t.last.ID {
		return false
	}
	t.viewers[v] = struct{}{}
	return true
}
