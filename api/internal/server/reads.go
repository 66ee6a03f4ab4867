package server

import (
	"context"
	"time"
)

// storeContext limits what a request does with the store. It outlives a client that goes away: redigo closes
// a connection whose command is given up.
func (s *Server) storeContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), s.RequestTimeout)
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
func (s *Server) shared(name readName, read func(context.Context) ([]byte, error)) ([]byte, error) {
	all := s.reads.Do(name, new(sharedRead), time.Now().Add(s.RequestTimeout), func(ctx context.Context, all []*sharedRead) {
		all[0].body, all[0].err = read(ctx)
	})
	return all[0].body, all[0].err
}
