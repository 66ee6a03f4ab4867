package server

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// sendTimeout is how long a viewer may take to receive what came before its stream began.
const sendTimeout = 10 * time.Second

// viewer is one stream and its place in the guestbook.
type viewer struct {
	conn   net.Conn
	lastID int64 // of the last entry that it has, or that came before its stream
	resets int   // of the topic, as far as the viewer knows
}

// send waits until all is on its way. It is for what came before the topic goes on.
func (v *viewer) send(text []byte) error {
	_ = v.conn.SetDeadline(time.Now().Add(sendTimeout)) // if it is closed, so says Write
	_, err := v.conn.Write(text)
	return errors.Join(err, v.conn.SetDeadline(time.Time{}))
}

// trySend sends without waiting. A viewer that has left so much unread that there is no room for this is dropped: its
// browser comes back and says how far it got.
func (v *viewer) trySend(text []byte) {
	sent := 0
	raw, err := v.conn.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Write(func(fd uintptr) bool {
			sent, _ = syscall.Write(int(fd), text)
			return true
		})
	}
	if err != nil || sent < len(text) {
		v.conn.Close()
	}
}
