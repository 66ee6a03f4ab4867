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
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/semaphore"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is the time between two reads of a guestbook that has viewers.
	pollInterval = 100 * time.Millisecond
	// heartbeat is the silence after which an event shows that the stream is alive. The page waits for 15 s.
	heartbeat = 10 * time.Second
	// maxViewers and maxTopics bound the cost of streams for this pod and Redis. nginx holds two connections for each viewer.
	maxViewers, maxTopics = 10_000, 100
	// maxAhead is the number of polls for which a viewer waits for its topic, if it has read from a slave that is ahead of the topic's.
	// After that its position is taken for another guestbook's.
	maxAhead = 5
	// sendTimeout is the longest time in which a viewer may receive a text. Then its stream ends, and its browser reconnects with the
	// id of the last entry that it has.
	sendTimeout = 10 * time.Second
	// maxSendBufferBytes is the kernel's buffer for a viewer that receives nothing. The kernel doubles it for its own upkeep.
	maxSendBufferBytes = 4 << 10
	// maxBytesPerSecond bounds the text of all topics, because viewers that receive nothing keep the texts of the last sendTimeout in
	// memory, once for all of them.
	maxBytesPerSecond = 1 << 20
	// maxSlowViewers bounds the viewers that take longer than slowAfter to receive a text, because each fills nginx's buffers.
	maxSlowViewers, slowAfter = 500, 100 * time.Millisecond
	// maxBehindBytes bounds the texts that are sent at a time to viewers that are behind, because each has a text of its own in memory.
	maxBehindBytes = 1 << 20
)

// hub holds a topic for each guestbook that has viewers.
type hub struct {
	Options
	drained atomic.Bool
	behind  *semaphore.Weighted // bytes being sent to viewers that are behind
	slow    *semaphore.Weighted // viewers

	mu     sync.Mutex        // guards the fields below, and the topics
	topics map[string]*topic // by key
	users  int               // viewers of all topics
}

// topic is a guestbook that has viewers. One goroutine polls it for all of them, and wakes them when it has changed.
type topic struct {
	hub     *hub
	key     string
	stop    context.CancelFunc
	users   int
	viewers map[net.Conn]struct{} // the viewers that poll wakes
	last    step
}

// step is a change of a guestbook. A viewer at the position from is sent the text, and is at the position to then.
type step struct {
	from, to guestbook.Position
	text     []byte
}

func newHub(o Options) *hub {
	h := &hub{Options: o, topics: map[string]*topic{}, behind: semaphore.NewWeighted(maxBehindBytes), slow: semaphore.NewWeighted(maxSlowViewers)}
	promauto.With(o.Metrics).NewGaugeFunc(prometheus.GaugeOpts{Name: "guestbook_event_viewers", Help: "Open event streams."}, func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(h.users)
	})
	return h
}

// subscribe returns the topic of the guestbook. A new topic starts at end. Each subscribe that succeeds needs an unsubscribe.
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

// unsubscribe removes the viewer, and the topic if it has no other.
func (h *hub) unsubscribe(t *topic, viewer net.Conn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(t.viewers, viewer)
	h.users--
	if t.users--; t.users == 0 {
		t.stop()
		delete(h.topics, t.key)
	}
}

// drain ends all streams, and makes subscribe refuse new ones.
func (h *hub) drain() {
	h.drained.Store(true)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, t := range h.topics {
		for viewer := range t.viewers {
			viewer.Close()
		}
	}
}

// run polls until the last viewer has left.
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

// poll wakes the viewers if the guestbook has changed. It returns the number of bytes that all topics would send if each sent as
// many as this one. If Redis does not answer, poll sends nothing; the next poll catches up.
func (t *topic) poll() (sent int) {
	defer t.hub.logPanic()
	before := t.latest().to
	text, to, err := t.read(before, 0)
	if errors.Is(err, guestbook.ErrNoEntry) {
		text, err = resetEvent(to.ID), nil
	}
	if err != nil || to == before {
		return 0
	}
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	t.last = step{before, to, text}
	for viewer := range t.viewers {
		_ = viewer.SetReadDeadline(time.Now()) // if it is closed, Read returns the error
	}
	return len(text) * len(t.hub.topics)
}

// latest returns the last change that poll has seen.
func (t *topic) latest() step {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	return t.last
}

// add makes poll wake the viewer.
func (t *topic) add(viewer net.Conn) {
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	if t.viewers[viewer] = struct{}{}; t.hub.drained.Load() {
		viewer.Close()
	}
}

// read returns the events that follow the position, as Store.After returns the entries.
func (t *topic) read(position guestbook.Position, upto int64) (text []byte, to guestbook.Position, err error) {
	ctx, cancel := t.hub.storeContext()
	defer cancel()
	entries, to, err := t.hub.Store.After(ctx, t.key, position, upto)
	for _, e := range entries {
		text = appendEvent(text, e)
	}
	return text, to, err
}

// send sends the viewer at the position the text that follows, of n bytes, and returns the viewer's position then.
func (t *topic) send(viewer net.Conn, at guestbook.Position) (to guestbook.Position, n int, err error) {
	last := t.latest()
	for ahead := 0; at.End > last.to.End && ahead < maxAhead; ahead++ {
		time.Sleep(pollInterval)
		last = t.latest()
	}
	text, to, err := []byte(nil), at, guestbook.ErrNoEntry // unless the position is this guestbook's
	switch {
	case at == last.to:
		return at, 0, nil
	case at == last.from: // as for nearly all viewers
		text, to, err = last.text, last.to, nil
	case at.End <= last.to.End:
		behind := min(last.to.End-at.End, maxBehindBytes)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
		defer cancel()
		if err := t.hub.behind.Acquire(ctx, behind); err != nil {
			return at, 0, err // the viewer reconnects
		}
		defer t.hub.behind.Release(behind)
		text, to, err = t.read(at, last.to.End)
	}
	if errors.Is(err, guestbook.ErrNoEntry) {
		text, to, err = resetEvent(last.to.ID), last.to, nil
	}
	if err == nil && len(text) > 0 {
		err = t.hub.write(viewer, text)
	}
	return to, len(text), err
}
