package server

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"time"

	"golang.org/x/sync/semaphore"

	"guestbook/api/internal/guestbook"
)

// maxSharedBytes limits the bytes of a guestbook in a shared read, and maxPageBytes in any other read. A guestbook or an entry that is
// longer needs a long read, which is not shared and has the limit maxGetBytes. A page of entries that follow an id may have 1.5 times as
// many bytes as maxPageBytes or maxGetBytes.
const maxSharedBytes, maxPageBytes, maxGetBytes = 256 << 10, 32 << 10, 4 << 20

// maxLongReads is the greatest number of concurrent long reads.
const maxLongReads = 2

// read returns the result of the function "ask", which reads at most "most" bytes of a guestbook at once. Concurrent calls with the same
// name share one call of "ask", unless the name is "". Names are "get KEY" for cmd=get, and "entries KEY" for the newest page of entries.
// If "ask" returns ErrTooLong, "read" waits until fewer than maxLongReads long reads run, and calls "ask" again with maxGetBytes. The
// method "read" returns the last error of "ask", or an error with the status 503 if the context ends during the wait.
func (s *Server) read(ctx context.Context, name string, ask func(ctx context.Context, most int64) ([]byte, error)) (answer, error) {
	most := int64(maxSharedBytes)
	if name == "" {
		most = maxPageBytes
	}
	body, err := s.share(ctx, name, func(ctx context.Context) ([]byte, error) { return ask(ctx, most) })
	if !errors.Is(err, guestbook.ErrTooLong) {
		return answer{body: body}, err
	}
	// A long read counts toward maxLongReads until the client has received the whole answer.
	if err := acquire(ctx, s.longReads, 1); err != nil {
		return answer{}, err
	}
	body, err = ask(ctx, maxGetBytes)
	return answer{body: body, release: func() { s.longReads.Release(1) }}, err
}

// gatherTime is the longest time for which a shared read waits until no other shared read runs. Requests with the same name that come during
// this wait share the read. If Redis is slow, a read takes longer than gatherTime, and the next read starts before the slow read has ended.
const gatherTime = 5 * time.Millisecond

// share returns the results of the function "read". Concurrent calls with the same name share one call of "read", unless the name is "".
// Callers must not change the returned slice, because other callers get the same slice. A request never joins a read that has already
// started, so that no request gets data older than the request. A shared read starts when no other shared read runs, or after gatherTime. A
// shared read has the deadline of the request that starts the read. A request that has less than nine tenths of RequestTimeout left does not
// share its read, because the other requests would get a short deadline.
func (s *Server) share(ctx context.Context, name string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	if deadline, _ := ctx.Deadline(); name == "" || time.Until(deadline) < s.RequestTimeout*9/10 {
		return read(ctx)
	}
	shared, err, _ := s.reads.Do(name, func() (any, error) {
		runtime.Gosched() // other goroutines can now call "share" and join this read, even if no other read runs
		select {
		case s.reading <- struct{}{}:
			defer func() { <-s.reading }()
		case <-time.After(gatherTime):
		}
		s.reads.Forget(name) // requests that call "share" from now on start another read
		return read(ctx)
	})
	body, _ := shared.([]byte)
	return body, err
}

// acquire blocks until n units of the semaphore are free, and takes them. If the context ends before the units are free, acquire returns an
// error with the status 503, and takes no units.
func acquire(ctx context.Context, from *semaphore.Weighted, n int64) error {
	if from.Acquire(ctx, n) != nil {
		return &requestError{http.StatusServiceUnavailable, "too much is being read and written at once, nothing was stored: try again in a moment"}
	}
	return nil
}
