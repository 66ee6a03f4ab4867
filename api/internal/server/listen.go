package server

import "net"

// Listen opens the address that nginx connects to.
func Listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	return listener{l}, err
}

type listener struct{ net.Listener }

// Accept waits for the next connection.
func (l listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &nginxConn{TCPConn: c.(*net.TCPConn)}, nil
}

// nginxConn is a connection of nginx. While a handler works, net/http reads one byte ahead, to cancel the request's context
// when the client goes away. Nothing here depends on that context (see storeContext), and under load that read costs a
// tenth of the API's time: a system call that finds nothing, and a wait that is broken off. So the first read of a single
// byte returns nothing, as an io.Reader may. Whoever does want that byte reads again.
type nginxConn struct {
	*net.TCPConn
	declined bool // the last read
}

func (c *nginxConn) Read(b []byte) (int, error) {
	c.declined = len(b) == 1 && !c.declined
	if c.declined {
		return 0, nil
	}
	return c.TCPConn.Read(b)
}
