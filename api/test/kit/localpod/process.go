package localpod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 15 * time.Second
	pollInterval = 10 * time.Millisecond
)

// Process is one program of a pod. A test can start and stop the program repeatedly.
type Process struct {
	name, path string
	programs   string // the first folder to look for the program; "" means PATH
	dir        string
	args, env  []string
	changing   sync.Mutex
	stop       syscall.Signal // the signal that asks the program to stop
	ready      func(context.Context) error
	out        io.Writer

	cmd   *exec.Cmd
	tail  Output
	ended chan struct{}
}

// Start starts the process, and waits until the function "ready" returns nil.
func (p *Process) Start(ctx context.Context) error {
	// A shell starts the program, because exec.Command would not search the PATH in p.environment.
	p.cmd = exec.Command("sh", append([]string{"-c", `exec "$0" "$@"`, p.path}, p.args...)...)
	p.cmd.Dir, p.cmd.Env, p.tail.most = p.dir, p.environment(), 2000
	p.cmd.Stdout = io.MultiWriter(&p.tail, p.out)
	p.cmd.Stderr = p.cmd.Stdout
	// In a process group of its own, the process does not receive Ctrl-C. Only the calling program receives Ctrl-C, and then stops the
	// processes in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(p.cmd.SysProcAttr)
	if err := p.cmd.Start(); err != nil {
		return err
	}
	p.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		_ = cmd.Wait()
		close(ended)
	}(p.cmd, p.ended)

	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	if err := p.Await(ctx, p.ready); err != nil {
		return fmt.Errorf("%s did not start: %w\n%s", p.name, err, p.Tail())
	}
	return nil
}

// Setenv sets environment variables for the next start of the process.
func (p *Process) Setenv(variables ...string) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.env = append(p.env, variables...)
}

// environment returns the environment variables of the next start. Debian installs servers in /usr/sbin, which PATH may lack.
func (p *Process) environment() []string {
	p.changing.Lock()
	defer p.changing.Unlock()
	path := strings.TrimPrefix(p.programs+":"+os.Getenv("PATH")+":/usr/sbin", ":")
	return slices.Concat(os.Environ(), []string{"PATH=" + path}, p.env)
}

// Command returns a command that runs the process's program with the arguments "args".
func (p *Process) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.path, args...)
	command.Env = p.environment()
	return command
}

// Await calls a function repeatedly, until the function returns nil. If the process or ctx ends, Await returns an error.
func (p *Process) Await(ctx context.Context, condition func(context.Context) error) error {
	for {
		err := condition(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.ended:
			return fmt.Errorf("it ended with %s", p.cmd.ProcessState)
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pollInterval):
		}
	}
}

// Ended returns a channel that is closed when the process ends.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Name returns the name of the process, such as "master".
func (p *Process) Name() string { return p.name }

// Tail returns the end of the process's output, at most 2,000 bytes.
func (p *Process) Tail() string { return p.tail.String() }

// Pid returns the process ID of the latest start.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Stop sends the stop signal and waits until the process has ended. If the process has not ended after stopTimeout, Stop kills the process
// and returns an error.
func (p *Process) Stop() error {
	if p.ended == nil {
		return nil // the process was never started
	}
	_ = p.Signal(p.stop)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		return errors.Join(fmt.Errorf("%s did not end within %s of %s and was killed", p.name, stopTimeout, p.stop), p.Kill())
	}
}

// Kill sends SIGKILL to the process and its child processes, and waits until the process has ended.
func (p *Process) Kill() error {
	if err := syscall.Kill(-p.Pid(), syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-p.ended
	return nil
}

// Output collects what programs print. The zero value of Output is ready for use, even by several programs at once.
type Output struct {
	mu   sync.Mutex
	text bytes.Buffer
	most int // Output keeps only the last bytes, up to this number; 0 means all
}

func (o *Output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.text.Write(b)
	if extra := o.text.Len() - o.most; o.most > 0 && extra > 0 {
		o.text.Next(extra)
	}
	return len(b), nil
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
