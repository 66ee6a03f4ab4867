package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
)

// stack consists of nginx, a guestbook program behind nginx, and Redis.
type stack struct {
	name, program string
	env           []string // environment variables of the program
	masterArgs    []string

	dir    string
	pod    *localpod.Pod
	master redis.Conn
}

// start launches the stack's processes, and waits until the slave is in sync.
func (s *stack) start(ctx context.Context) (err error) {
	if s.dir, err = os.MkdirTemp("", "guestbook-bench-"); err != nil {
		return err
	}
	ports, err := localpod.FreePorts()
	if err != nil {
		return err
	}
	s.pod, err = localpod.New(localpod.Options{
		Dir: s.dir, Ports: ports, APIBinary: s.program, APIEnv: s.env, MasterArgs: s.masterArgs, Output: func(string) io.Writer { return io.Discard },
	})
	if err != nil {
		return err
	}
	if err := s.pod.Start(ctx); err != nil {
		return err
	}
	if err := s.pod.Slave.Await(ctx, s.pod.Synced); err != nil {
		return err
	}
	s.master, err = redis.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports.Master))
	return err
}

func (s *stack) stop() {
	_ = s.pod.Stop() // an error only means that a process had to be killed
	os.RemoveAll(s.dir)
}

// fill deletes all keys of Redis and stores a guestbook with the given number of entries.
func (s *stack) fill(entries int) error {
	_ = s.master.Send("FLUSHALL") // if Send fails, Do, below, fails as well
	_ = s.master.Send("SET", "messages", strings.Repeat(message, entries))
	_, err := s.master.Do("WAIT", 1, 5000)
	return err
}

// cpu returns the seconds of processor time that the stack's four processes have used so far.
func (s *stack) cpu() float64 {
	return s.pod.Nginx.Usage().CPU + s.pod.API.Usage().CPU + s.pod.Master.Usage().CPU + s.pod.Slave.Usage().CPU
}
