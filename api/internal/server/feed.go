package server

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"guestbook/api/internal/guestbook"
)

const (
	// pollInterval is how often a book that somebody watches is looked at. What this process itself has written
	// is looked for at once.
	pollInterval = 100 * time.Millisecond
	// recent is how many entries a feed keeps for viewers that are a little behind; others read Redis.
	recent = 256
	// maxViewers and maxFeeds bound what watching costs this process and Redis.
	maxViewers, maxFeeds = 20_000, 100
)

// feeds are the books that somebody watches: one poller for each, however many watch, and none for the others.
type feeds struct {
	store   Store
	timeout time.Duration

	mu       sync.Mutex
	byKey    map[string]*feed
	watching int // viewers of all feeds
}

// feed is a book being watched. Each viewer keeps its own place in it; the feed keeps nothing for any of them.
type feed struct {
	viewers int // guarded by feeds.mu
	stop    context.CancelFunc
	woken   chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed, and made anew, when something below changes
	last    guestbook.Mark
	frames  []frame // the latest entries, as they are sent
	before  int64   // the id after which frames has every entry
	resets  int     // how often the book was rewritten
}

// frame is an entry as an event.
type frame struct {
	id   int64
	text []byte
}

func newFeeds(store Store, timeout time.Duration, metrics prometheus.Registerer) *feeds {
	fs := &feeds{store: store, timeout: timeout, byKey: map[string]*feed{}}
	metrics.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "guestbook_event_viewers", Help: "Open event streams.",
	}, func() float64 {
		fs.mu.Lock()
		defer fs.mu.Unlock()
		return float64(fs.watching)
	}))
	return fs
}

// join gives the feed of the book, whose last entry is at end. Each join that succeeds needs a leave.
func (fs *feeds) join(key string, end guestbook.Mark) (*feed, error) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	f := fs.byKey[key]
	if fs.watching == maxViewers || f == nil && len(fs.byKey) == maxFeeds {
		return nil, &requestError{http.StatusServiceUnavailable, "too many are watching already: try again later"}
	}
	fs.watching++
	if f == nil {
		ctx, stop := context.WithCancel(context.Background())
		f = &feed{stop: stop, woken: make(chan struct{}, 1), changed: make(chan struct{}), last: end, before: end.ID}
		fs.byKey[key] = f
		go f.poll(ctx, fs, key)
	}
	f.viewers++
	return f, nil
}

func (fs *feeds) leave(key string, f *feed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.watching--
	if f.viewers--; f.viewers == 0 {
		f.stop()
		delete(fs.byKey, key)
	}
}

// wake makes the book's poller, if there is one, look at once.
func (fs *feeds) wake(key string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if f := fs.byKey[key]; f != nil {
		select {
		case f.woken <- struct{}{}:
		default: // it is about to look
		}
	}
}

func (f *feed) poll(ctx context.Context, fs *feeds, key string) {
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.woken:
		case <-ticker.C:
		}
		f.look(fs, key)
	}
}

// look takes over what is new in the book. When Redis cannot be asked, there is nothing new: viewers keep their
// places, and nothing is missed.
func (f *feed) look(fs *feeds, key string) {
	ctx, cancel := context.WithTimeout(context.Background(), fs.timeout)
	defer cancel()
	entries, last, err := fs.store.Since(ctx, key, f.last)
	rewritten := errors.Is(err, guestbook.ErrNoEntry)
	if rewritten {
		last, err = fs.store.End(ctx, key)
	}
	if err != nil || last == f.last {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last = last
	if rewritten {
		f.frames, f.before = nil, last.ID
		f.resets++
	}
	for _, e := range entries {
		f.frames = append(f.frames, frame{e.ID, appendEvent(nil, e)})
	}
	if extra := len(f.frames) - recent; extra > 0 {
		f.before = f.frames[extra-1].id
		f.frames = append([]frame(nil), f.frames[extra:]...)
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// view is what a feed has for a viewer.
type view struct {
	frames  []frame         // the entries after the viewer's last one
	behind  bool            // there are more than these: read the store
	resets  int             // differs from the viewer's: the book was rewritten
	lastID  int64           // of the book's last entry
	changed <-chan struct{} // closed when there is more
}

// after gives what comes after the entry with the id.
func (f *feed) after(id int64) view {
	f.mu.Lock()
	defer f.mu.Unlock()
	v := view{behind: id < f.before, resets: f.resets, lastID: f.last.ID, changed: f.changed}
	for i := len(f.frames); i > 0 && f.frames[i-1].id > id; i-- {
		v.frames = f.frames[i-1:]
	}
	return v
}

// appendEvent writes an entry as a server-sent event.
func appendEvent(dst []byte, e guestbook.Entry) []byte {
	dst = append(dst, "event: entry\nid: "...)
	dst = strconv.AppendInt(dst, e.ID, 10)
	dst = append(dst, "\ndata: "...)
	dst = appendEntry(dst, e)
	return append(dst, "\n\n"...)
}
