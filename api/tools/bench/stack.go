package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
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

// start starts the stack's processes on one processor, so that a Go program runs its code on a single thread. wrk runs on another
// processor than the servers.
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
	if err := pin("0"); err != nil {
		return err
	}
	for _, p := range []*localpod.Process{s.pod.Master, s.pod.Slave, s.pod.API, s.pod.Nginx} {
		if err := p.Start(ctx); err != nil {
			return err
		}
	}
	if err := pin("1"); err != nil {
		return err
	}
	if err := s.pod.Slave.Await(ctx, s.pod.Synced); err != nil {
		return err
	}
	s.master, err = redis.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", ports.Master))
	return err
}

func (s *stack) stop() {
	if s.pod != nil {
		if err := s.pod.Stop(); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
	}
	os.RemoveAll(s.dir)
}

// pin restricts the benchmark's process, and all processes that it starts later, to one processor.
func pin(processor string) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", processor, strconv.Itoa(os.Getpid())).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

// fill deletes all keys of Redis and stores a guestbook with the given number of entries.
func (s *stack) fill(entries int) error {
	_, err := s.master.Do("FLUSHALL")
	if err == nil {
		_, err = s.master.Do("SET", "messages", strings.Repeat(message, entries))
	}
	if err == nil {
		_, err = s.master.Do("WAIT", 1, 5000)
	}
	return err
}

// cpu returns the seconds of processor time that the stack's four processes have used so far.
func (s *stack) cpu() float64 {
	return s.pod.Nginx.Usage().CPU + s.pod.API.Usage().CPU + s.pod.Master.Usage().CPU + s.pod.Slave.Usage().CPU
}
