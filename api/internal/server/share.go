package server

import (
	"context"
	"runtime"
	"time"
)

// share calls the function "read", once for all concurrent requests with the same name. Callers must not change the returned slice,
// because other callers get the same slice. A request never joins a read that has already started, so that no request gets data older than
// the request. A shared read has the deadline of the request that starts the read. A request that has less than nine tenths of
// RequestTimeout left does not share its read, because the other requests would get a short deadline.
func (s *Server) share(ctx context.Context, name string, read func(context.Context) ([]byte, error)) ([]byte, error) {
	if deadline, _ := ctx.Deadline(); time.Until(deadline) < s.RequestTimeout*9/10 {
		return read(ctx)
	}
	shared, err, _ := s.reads.Do(name, func() (any, error) {
		runtime.Gosched()    // gives other goroutines time to call "share" and join this read
		s.reads.Forget(name) // goroutines that call "share" from now on start another read
		return read(ctx)
	})
	body, _ := shared.([]byte)
	return body, err
}
