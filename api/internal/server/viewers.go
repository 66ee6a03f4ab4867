package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"golang.org/x/sync/semaphore"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is the time between two reads of a guestbook that has viewers. A viewer is the connection of an open event stream.
	pollInterval = 100 * time.Millisecond
	// heartbeat is the time without events after which the API sends a heartbeat. The page closes an event stream after 15 s without an
	// event or a heartbeat.
	heartbeat = 10 * time.Second
	// maxViewers is the greatest number of open event streams of one pod, and maxTopics is the greatest number of guestbooks that have open
	// event streams.
	maxViewers, maxTopics = 10_000, 100
	// maxAhead is the number of polls for which "send" waits if the guestbook ends before a viewer's position. A slave may lack the newest
	// entries for a short time, but a guestbook that stays shorter was rewritten.
	maxAhead = 5
	// sendTimeout is the time in which a viewer must receive an event, or else the API closes the event stream. A browser whose event
	// stream was closed reconnects, and sends the id of the last entry that the browser has received.
	sendTimeout = 10 * time.Second
	// maxSendBufferBytes is the size of the send buffer that the API requests for a viewer's socket. Linux allocates twice
	// maxSendBufferBytes, because the send buffer also holds Linux's own data.
	maxSendBufferBytes = 4 << 10
	// maxBytesPerSecond is the greatest total length of the events of all guestbooks in one second. maxBytesPerSecond also bounds the
	// memory for unsent events, because an event waits at most sendTimeout.
	maxBytesPerSecond = 1 << 20
	// maxSlowViewers is the greatest number of viewers that may take longer than slowAfter to receive an event, because each slow viewer
	// fills buffers of nginx.
	maxSlowViewers, slowAfter = 500, 100 * time.Millisecond
	// maxBehindBytes limits the memory for entries that viewers have missed.
	maxBehindBytes = 1 << 20
)

// hub holds one topic for each guestbook that has viewers.
type hub struct {
	Options
	drained atomic.Bool
	behind  *semaphore.Weighted // limits the bytes that the API is sending to viewers that have missed entries
	slow    *semaphore.Weighted // limits the viewers that take longer than slowAfter to receive a text

	mu      sync.Mutex        // guards the fields below, and the viewers of each topic
	topics  map[string]*topic // maps the Redis key of a guestbook to the guestbook's topic
	viewers int               // number of viewers of all topics
}

// topic is a guestbook that has viewers. One goroutine polls the guestbook, and wakes all viewers when the guestbook has changed.
type topic struct {
	hub     *hub
	key     string
	stopped atomic.Bool // true once the last viewer has left
	viewers map[net.Conn]struct{}
	last    atomic.Pointer[step] // the newest change of the guestbook that the method "poll" has found
}

// step is a change of a guestbook. A viewer at the position "from" gets the events in "text", and is then at the position "to".
type step struct {
	from, to guestbook.Position
	text     []byte
}

// newHub returns a hub without topics, and registers the number of viewers in o.Metrics. newHub panics if o.Metrics already has this
// metric.
func newHub(o Options) *hub {
	h := &hub{Options: o, topics: map[string]*topic{}, behind: semaphore.NewWeighted(maxBehindBytes), slow: semaphore.NewWeighted(maxSlowViewers)}
	promauto.With(o.Metrics).NewGaugeFunc(prometheus.GaugeOpts{Name: "guestbook_event_viewers", Help: "Open event streams."}, func() float64 {
		h.mu.Lock()
		defer h.mu.Unlock()
		return float64(h.viewers)
	})
	return h
}

// subscribe takes over the connection of the http.ResponseWriter w, and adds this connection to the viewers of the guestbook's topic. For
// the first viewer of a guestbook, "subscribe" starts a goroutine that polls the guestbook from the position "end". The method "subscribe"
// returns an error with the status 503 after Drain, if maxViewers is reached, or if maxTopics is reached and the guestbook has no topic
// yet. If the connection cannot be taken over, "subscribe" returns another error. A caller of "subscribe" must call "unsubscribe" later,
// unless "subscribe" returns an error.
func (h *hub) subscribe(key string, end guestbook.Position, w http.ResponseWriter) (*topic, net.Conn, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.topics[key]
	switch {
	case h.drained.Load():
		return nil, nil, &requestError{http.StatusServiceUnavailable, "this pod is about to stop: connect again"}
	case h.viewers == maxViewers || t == nil && len(h.topics) == maxTopics:
		return nil, nil, &requestError{http.StatusServiceUnavailable, "too many are watching already: try again later"}
	}
	viewer, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if t == nil {
		t = &topic{hub: h, key: key, viewers: map[net.Conn]struct{}{}}
		t.last.Store(&step{from: end, to: end})
		h.topics[key] = t
		go t.run()
	}
	t.viewers[viewer] = struct{}{}
	h.viewers++
	return t, viewer, nil
}

// unsubscribe closes the viewer's connection, and removes the viewer from the topic. If the topic has no other viewers, "unsubscribe"
// removes the topic, whose goroutine ends after at most one more poll. A caller must call "unsubscribe" exactly once for each viewer.
func (h *hub) unsubscribe(t *topic, viewer net.Conn) {
	viewer.Close()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.viewers--
	if delete(t.viewers, viewer); len(t.viewers) == 0 {
		t.stopped.Store(true)
		delete(h.topics, t.key)
	}
}

// Drain makes /readyz answer 503, so that Kubernetes sends new requests to another pod. Drain also closes all event streams. After Drain,
// the server refuses new event streams, but no other requests.
func (s *Server) Drain() {
	s.hub.drained.Store(true)
	s.hub.mu.Lock()
	defer s.hub.mu.Unlock()
	for _, t := range s.hub.topics {
		for viewer := range t.viewers {
			viewer.Close()
		}
	}
}

// run polls a guestbook until its last viewer has left. Before each poll, "run" waits for pollInterval, and longer if the previous poll has
// found new bytes, because maxBytesPerSecond limits the bytes of all guestbooks.
func (t *topic) run() {
	for sent := 0; !t.stopped.Load(); sent = t.poll() {
		time.Sleep(pollInterval + time.Duration(sent)*time.Second/maxBytesPerSecond)
	}
}

// poll reads the guestbook, and wakes the viewers if the guestbook has changed. The result "sent" is the length of the new events,
// multiplied by the number of topics, or 0 if nothing has changed. If Redis does not answer, "poll" wakes no viewer and returns 0, and the
// next poll reads the missed entries.
func (t *topic) poll() (sent int) {
	before := t.last.Load().to
	text, to, err := t.read(before, 0)
	if errors.Is(err, guestbook.ErrNoEntry) {
		text, err = resetEvent(to.ID), nil
	}
	if err != nil || to == before {
		return 0
	}
	t.last.Store(&step{before, to, text})
	t.hub.mu.Lock()
	defer t.hub.mu.Unlock()
	for viewer := range t.viewers {
		_ = viewer.SetReadDeadline(time.Now()) // fails only if the connection is closed, and then Read fails as well
	}
	return len(text) * len(t.hub.topics) // each of the n guestbooks with viewers may send 1/n of maxBytesPerSecond
}

// read returns one event for each entry that Store.After returns, and the other results of Store.After. The parameters "position" and
// "upto" are those of Store.After. The method "read" returns after RequestTimeout at the latest.
func (t *topic) read(position guestbook.Position, upto int64) (text []byte, to guestbook.Position, err error) {
	ctx, cancel := t.hub.storeContext()
	defer cancel()
	entries, to, err := t.hub.Store.After(ctx, t.key, position, upto, guestbook.AnyLength)
	for _, e := range entries {
		text = appendEvent(text, e)
	}
	return text, to, err
}

// send writes the events that follow a viewer's position to the viewer's connection, and returns the new position and the number of bytes
// sent. If the guestbook no longer has the position, or still ends before the position after maxAhead polls, "send" writes the event of
// resetEvent. If the viewer has missed more than the last change, "send" waits up to sendTimeout for room within maxBehindBytes, and
// returns context.DeadlineExceeded after this time. The method "send" also returns each error of the methods "read" and "write", except
// ErrNoEntry.
func (t *topic) send(viewer net.Conn, at guestbook.Position) (to guestbook.Position, n int, err error) {
	last := t.last.Load()
	for ahead := 0; at.End > last.to.End && ahead < maxAhead; ahead++ {
		time.Sleep(pollInterval)
		last = t.last.Load()
	}
	text, to, err := []byte(nil), at, guestbook.ErrNoEntry // err stays ErrNoEntry if the guestbook ends before the viewer's position
	switch {
	case at == last.to:
		return at, 0, nil
	case at == last.from: // nearly all viewers are at this position
		text, to, err = last.text, last.to, nil
	case at.End <= last.to.End:
		behind := min(last.to.End-at.End, maxBehindBytes)
		ctx, cancel := context.WithTimeout(context.Background(), sendTimeout)
		defer cancel()
		if err := t.hub.behind.Acquire(ctx, behind); err != nil {
			return at, 0, err // the event stream ends, and the browser reconnects
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

// write sends the text over a viewer's connection. If the viewer has not received the text after slowAfter, "write" waits for another
// sendTimeout, or not at all if maxSlowViewers viewers are already slow. After the wait, "write" returns os.ErrDeadlineExceeded. The method
// "write" also returns an error if the connection is closed.
func (h *hub) write(viewer net.Conn, text []byte) error {
	_ = viewer.SetWriteDeadline(time.Now().Add(slowAfter)) // fails only if the connection is closed, and then Write fails as well
	n, err := viewer.Write(text)
	if !errors.Is(err, os.ErrDeadlineExceeded) || !h.slow.TryAcquire(1) {
		return err
	}
	defer h.slow.Release(1)
	_ = viewer.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = viewer.Write(text[n:])
	return err
}

// appendEvent appends to dst the server-sent event "entry" with the id of the entry and its JSON.
func appendEvent(dst []byte, e guestbook.Entry) []byte {
	return append(appendEntry(fmt.Appendf(dst, "event: entry\nid: %d\ndata: ", e.ID), e), "\n\n"...)
}

// resetEvent returns the event that a viewer gets if the guestbook was rewritten. A page that gets a reset event discards all entries that
// it shows. The argument lastID is the field ID of the position at the guestbook's end.
func resetEvent(lastID int64) []byte {
	return fmt.Appendf(nil, "event: reset\nid: %d\ndata: {}\n\n", lastID)
}
