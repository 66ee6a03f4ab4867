package server

import (
	"context"
	"time"
)

// storeContext limits what a request does with the store. It outlives a client that goes away: redigo closes
// a connection whose command is given up.
func storeContext(deadline time.Time) (context.Context, context.CancelFunc) {
	return context.WithDeadline(context.Background(), deadline)
}

// readName is what many ask for at the same time: by which command, in which guestbook, and how many entries.
type readName struct {
	command, key string
	limit        int64
}

// sharedRead is the answer to all of them, which nobody may change.
type sharedRead struct {
	body []byte
	err  error
}

// shared lets requests for the same thing share one read of the store, which starts after they have come, and one
// encoded answer.
func (s *Server) shared(name readName, deadline time.Time, read func(context.Context) ([]byte, error)) ([]byte, error) {
	all, ok := s.reads.Do(name, new(sharedRead), deadline, func(ctx context.Context, all []*sharedRead) {
		all[0].body, all[0].err = read(ctx)
	})
	if !ok {
		return nil, context.DeadlineExceeded
	}
	return all[0].body, all[0].err
}
