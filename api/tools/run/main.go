// Command run starts nginx, the API and Redis on this machine, and stops them on Ctrl-C. "make run" builds and starts the command "run".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"guestbook/api/test/kit/localpod"
)

func main() {
	log.SetFlags(0)
	if err := run(); err != nil {
		log.Fatal("make run: ", err)
	}
}

func run() (err error) {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	var o localpod.Options
	dir := flag.String("dir", ".data", "folder for data and logs")
	verbose := flag.Bool("verbose", false, "show the logs as well")
	three := flag.Bool("ha", false, "three Redis with sentinels and proxies, as in k8s/ha/, in place of master and slave")
	flag.StringVar(&o.APIBinary, "api", ".build/api", "the API's program")
	flag.IntVar(&o.Ports.Nginx, "port", 8000, "nginx's port")
	flag.IntVar(&o.Ports.API, "api-port", 8080, "the API's port")
	flag.IntVar(&o.Ports.Master, "master-port", 6379, "the Redis master's port")
	flag.IntVar(&o.Ports.Slave, "slave-port", 6380, "the Redis slave's port")
	flag.Parse()
	logs := filepath.Join(*dir, "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return err
	}
	lock, err := lockFolder(*dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	o.APIEnv = []string{"ALLOWED_KEYS=messages"} // the same value as in k8s/
	if err := checkPorts(o.Ports); err != nil {
		return err
	}
	o.Output = func(process string) io.Writer { return logTo(logs, process, *verbose) }
	if o.Dir, err = filepath.Abs(*dir); err != nil { // nginx would resolve a relative path against its own folder
		return err
	}
	if *three {
		return runHA(ctx, o, logs)
	}
	pod, err := localpod.New(o)
	if err != nil {
		return err
	}
	fmt.Printf("Starting the Redis master (port %d) and its slave (%d), the API (%d) and nginx (%d); logs are in %s/, and VERBOSE=1 shows them.\n",
		o.Ports.Master, o.Ports.Slave, o.Ports.API, o.Ports.Nginx, logs)
	if err := pod.Start(ctx); ctx.Err() != nil {
		return nil // the user has pressed Ctrl-C
	} else if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pod.Stop()) }()
	fmt.Printf("The guestbook is at %s - Ctrl-C stops it.\n", pod.URL())
	return wait(ctx, pod.Nginx, pod.API, pod.Slave, pod.Master)
}

// runHA runs nginx and the API with three Redis servers. The user can kill any of the three Redis servers.
func runHA(ctx context.Context, o localpod.Options, logs string) (err error) {
	ha, err := localpod.NewHA(localpod.HAOptions{Dir: o.Dir, Net: "127.6.37", Port: o.Ports.Master, Output: o.Output})
	if err != nil {
		return err
	}
	// HAProxy would share the port with the HAProxy of another "make run-ha", and send messages to the other guestbook.
	if c, err := net.Dial("tcp", ha.ProxyAddr(0)); err == nil {
		return errors.Join(fmt.Errorf("another make run-ha uses %s: stop that one first", ha.ProxyAddr(0)), c.Close())
	}
	o.APIEnv = append(o.APIEnv, "REDIS_MASTER_ADDR="+ha.ProxyAddr(0), "REDIS_SLAVE_ADDR="+ha.Addr(1), "REDIS_WAIT_SLAVES=1")
	pod, err := localpod.New(o)
	if err != nil {
		return err
	}
	fmt.Printf("Starting three Redis at %s, %s and %s, a sentinel beside each, and two proxies; logs are in %s/.\n", ha.Addr(0), ha.Addr(1), ha.Addr(2), logs)
	defer func() { err = errors.Join(err, pod.Stop(), ha.Stop()) }()
	for _, start := range []func(context.Context) error{ha.Start, pod.API.Start, pod.Nginx.Start} {
		if err := start(ctx); ctx.Err() != nil {
			return nil // the user has pressed Ctrl-C
		} else if err != nil {
			return err
		}
	}
	fmt.Printf("The guestbook is at %s - Ctrl-C stops it. The master is redis-%d, process %d: kill it, and sign on.\n", pod.URL(), ha.Master(), ha.Redis[max(ha.Master(), 0)].Pid())
	return wait(ctx, pod.Nginx, pod.API)
}

// wait blocks until Ctrl-C. If one of the processes ends before Ctrl-C, the function "wait" returns an error.
func wait(ctx context.Context, processes ...*localpod.Process) error {
	ended := make(chan *localpod.Process, len(processes))
	for _, p := range processes {
		go func() {
			<-p.Ended()
			ended <- p
		}()
	}
	select {
	case <-ctx.Done():
		fmt.Println("\nStopping.")
		return nil
	case p := <-ended:
		return fmt.Errorf("%s ended by itself; the last lines of its log:\n%s", p.Name(), p.Tail())
	}
}

// lockFolder locks the folder, because two runs of "make run" would write the same files. Closing the returned file unlocks the folder.
func lockFolder(dir string) (*os.File, error) {
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("another make run uses the folder %s (%w): stop that one first", dir, err), lock.Close())
	}
	return lock, nil
}

// checkPorts returns an error that names each port that is already in use.
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
		_ = listener.Close()
	}
	return errors.Join(taken...)
}

// logTo creates a process's log file in the folder, and returns the writer of the file.
func logTo(folder, process string, show bool) io.Writer {
	file, err := os.Create(filepath.Join(folder, process+".log"))
	if err != nil {
		log.Fatal("make run: ", err)
	}
	if show {
		return io.MultiWriter(file, named(process))
	}
	return file
}

// named prints the lines of a process's log, each after the process's name.
type named string

func (n named) Write(text []byte) (int, error) {
	for line := range strings.Lines(string(text)) {
		fmt.Printf("%-10s | %s", n, line)
	}
	return len(text), nil
}
