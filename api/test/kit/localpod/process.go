package localpod

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 15 * time.Second
	pollInterval = 10 * time.Millisecond
)

// Process is one program of a pod. A test can start and stop the program repeatedly.
type Process struct {
	name, path string
	programs   string // the folder of the program; "" means PATH
	dir        string
	args, env  []string
	changing   sync.Mutex
	group      bool      // if true, Kill kills the child processes as well, and Start waits three times as long
	stop       os.Signal // the signal that asks the program to stop
	ready      func(context.Context) error
	out        io.Writer

	cmd   *exec.Cmd
	tail  *Output
	ended chan struct{}
}

// Start starts the process, and waits until the function "ready" returns nil.
func (p *Process) Start(ctx context.Context) error {
	path, err := find(p.programs, p.path)
	if err != nil {
		return err
	}
	p.tail = &Output{most: 2000}
	p.cmd = exec.Command(path, p.args...)
	p.cmd.Dir = p.dir
	p.cmd.Env = p.environment()
	p.cmd.Stdout = io.MultiWriter(p.tail, p.out)
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

	timeout := startTimeout
	if p.group {
		timeout *= 3
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := p.Await(ctx, p.ready); err != nil {
		return fmt.Errorf("%s did not start: %w\n%s", p.name, err, p.tail)
	}
	return nil
}

// Setenv sets environment variables for the next start of the process.
func (p *Process) Setenv(variables ...string) {
	p.changing.Lock()
	defer p.changing.Unlock()
	p.env = append(p.env, variables...)
}

func (p *Process) environment() []string {
	p.changing.Lock()
	defer p.changing.Unlock()
	return append(os.Environ(), p.env...)
}

// Command returns a command that runs the process's program with these arguments.
func (p *Process) Command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, p.path, args...)
	command.Env = p.environment()
	return command
}

// Await calls a function repeatedly, until the function returns nil. Await returns an error if the process or the context ends first.
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
func (p *Process) Tail() string {
	if p.tail == nil {
		return ""
	}
	return p.tail.String()
}

// Pid returns the process ID of the latest start.
func (p *Process) Pid() int { return p.cmd.Process.Pid }

// Signal sends a signal to the process.
func (p *Process) Signal(s os.Signal) error { return p.cmd.Process.Signal(s) }

// Stop sends the stop signal and waits until the process has ended. If the process has not ended after stopTimeout, Stop kills the process
// and returns an error.
func (p *Process) Stop() error { return p.end(p.stop) }

// Kill sends SIGKILL and waits until the process has ended.
func (p *Process) Kill() error { return p.end(syscall.SIGKILL) }

func (p *Process) end(signal os.Signal) error {
	if p.cmd == nil || p.ended == nil {
		return nil // the process was never started
	}
	if signal == syscall.SIGKILL && p.group {
		_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	}
	_ = p.Signal(signal)
	select {
	case <-p.ended:
		return nil
	case <-time.After(stopTimeout):
		_ = p.Signal(syscall.SIGKILL)
		<-p.ended
		return fmt.Errorf("%s did not end within %s of %s and was killed", p.name, stopTimeout, signal)
	}
}

// find returns the path of a program in a folder. If "folder" is empty, the program may be in a folder of PATH or in /usr/sbin, where
// Debian installs servers.
func find(folder, program string) (string, error) {
	if folder != "" {
		return exec.LookPath(filepath.Join(folder, program))
	}
	path, err := exec.LookPath(program)
	if err != nil && !strings.Contains(program, "/") {
		if sbin, sbinErr := exec.LookPath("/usr/sbin/" + program); sbinErr == nil {
			return sbin, nil
		}
	}
	return path, err
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
