// Command run runs the whole pod on this machine until Ctrl-C; see the Makefile's target of that name.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"

	"guestbook/api/test/localpod"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "make run:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	o := localpod.Options{Output: prefixed()}
	flag.StringVar(&o.Dir, "dir", ".data", "folder for the data")
	flag.StringVar(&o.APIBinary, "api", "", "the API's program")
	flag.IntVar(&o.Ports.Nginx, "port", 8000, "nginx's port")
	flag.IntVar(&o.Ports.API, "api-port", 8080, "the API's port")
	flag.IntVar(&o.Ports.Master, "master-port", 6379, "the Redis master's port")
	flag.IntVar(&o.Ports.Slave, "slave-port", 6380, "the Redis slave's port")
	flag.Parse()
	if err := checkPorts(o.Ports); err != nil {
		return err
	}
	pod, err := localpod.New(o)
	if err != nil {
		return err
	}
	if err := pod.Start(ctx); err != nil {
		if ctx.Err() != nil {
			return nil // Ctrl-C
		}
		return err
	}
	defer func() { err = errors.Join(err, pod.Stop()) }()
	fmt.Printf("\nThe guestbook is at %s - Ctrl-C stops it; its data stays in %s\n\n", pod.URL(), o.Dir)

	ended := make(chan *localpod.Process, 4)
	for _, p := range []*localpod.Process{pod.Nginx, pod.API, pod.Slave, pod.Master} {
		go func() {
			<-p.Ended()
			ended <- p
		}()
	}
	select {
	case <-ctx.Done():
		fmt.Println("stopping")
		return nil
	case p := <-ended:
		return fmt.Errorf("%s ended by itself; its last words:\n%s", p.Name(), p.Tail())
	}
}

// checkPorts says plainly which port is taken, before anything is started.
func checkPorts(ports localpod.Ports) error {
	var taken []error
	for _, p := range []struct {
		variable string
		port     int
	}{{"PORT", ports.Nginx}, {"API_PORT", ports.API}, {"MASTER_PORT", ports.Master}, {"SLAVE_PORT", ports.Slave}} {
		listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(p.port)))
		if err != nil {
			taken = append(taken, fmt.Errorf("port %d is taken (%w): stop what uses it, or choose another with make run %s=…", p.port, err, p.variable))
			continue
		}
		if err := listener.Close(); err != nil {
			return err
		}
	}
	return errors.Join(taken...)
}

// prefixed gives each process a writer that puts its name before its lines.
func prefixed() func(string) io.Writer {
	var mu sync.Mutex
	return func(process string) io.Writer {
		return &lines{mu: &mu, prefix: fmt.Sprintf("%-6s | ", process)}
	}
}

type lines struct {
	mu     *sync.Mutex
	prefix string
	inLine bool
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]byte, 0, len(b)+len(l.prefix))
	for _, c := range b {
		if !l.inLine {
			out = append(out, l.prefix...)
		}
		out = append(out, c)
		l.inLine = c != '\n'
	}
	if _, err := os.Stdout.Write(out); err != nil {
		return 0, err
	}
	return len(b), nil
}
