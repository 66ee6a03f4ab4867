package store

import (
	"log/slog"
	"sync"
	"time"
)

// logInterval is how long nothing is logged about a trouble after something was.
const logInterval = 5 * time.Second

// trouble is what is wrong with a node, or with writing to it. The log tells when it began and when it has ended, not each
// of the thousands of commands that fail meanwhile.
type trouble struct {
	log          *slog.Logger
	began, ended string // the log's messages

	mu     sync.Mutex
	last   error     // nil: nothing is wrong
	logged bool      // that it began
	at     time.Time // when that was
}

func newTrouble(log *slog.Logger, role, addr, began, ended string) *trouble {
	return &trouble{log: log.With("role", role, "addr", addr), began: began, ended: ended}
}

// report takes in how a command went.
func (t *trouble) report(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = err
	switch {
	case err == nil && t.logged:
		t.logged = false
		t.log.Info(t.ended)
	case err != nil && time.Since(t.at) > logInterval:
		t.logged, t.at = true, time.Now()
		t.log.Warn(t.began, "error", err)
	}
}

// current is the error of the last command, nil if it went well.
func (t *trouble) current() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.last
}
