package commands

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"guestbook/api/test/kit/localpod"
)

// A Shell runs the commands of one document.
type Shell struct {
	Dir      string            // the working directory of the commands
	Env      []string          // additional environment variables of the commands
	Preamble string            // shell code that runs before each block
	Replace  *strings.Replacer // replaces values in commands and outputs of a document, such as ports; nil replaces nothing
	running  map[string]*background
}

// A background is a command that keeps running, as in a second terminal.
type background struct {
	localpod.Output
	cmd   *exec.Cmd
	ended chan struct{}
}

// Environ returns this process's environment, without variables such as MAKEFLAGS that would change how "make" works.
func Environ() []string {
	return slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "MAKE") || strings.HasPrefix(v, "MFLAGS") })
}

// Run runs a block and returns its output. If the output differs from the document's output, Run returns an error.
func (s *Shell) Run(ctx context.Context, b Block) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	s.Replace = cmp.Or(s.Replace, strings.NewReplacer())
	if b.Is("background") {
		return "", s.start(ctx, b)
	}
	for {
		out, err := s.command(ctx, b).CombinedOutput()
		if _, failed := errors.AsType[*exec.ExitError](err); b.Is("fails") && failed {
			err = nil
		} else if b.Is("fails") && err == nil {
			err = errors.New("it does not fail")
		}
		if err == nil && b.Output != "" && !regexp.MustCompile(b.promised()+`\z`).Match(out) {
			err = errors.New("it says something else")
		}
		if err == nil {
			return string(out), nil
		}
		err = fmt.Errorf("%s%w:\n%s", b, err, out)
		if !b.Is("repeat") {
			return string(out), err
		}
		select {
		case <-ctx.Done():
			return string(out), err
		case <-time.After(time.Second):
		}
	}
}

// Close ends the commands that run in the background.
func (s *Shell) Close() {
	for text := range s.running {
		s.end(text)
	}
}

func (s *Shell) command(ctx context.Context, b Block) *exec.Cmd {
	// Without -sS, curl would print a progress bar, because its output is not a terminal.
	cmd := exec.CommandContext(ctx, "sh", "-c", "set -e\ncurl() { command curl -sS \"$@\"; }\n"+s.Preamble+"\n"+s.Replace.Replace(b.Text))
	cmd.Dir, cmd.Env, cmd.WaitDelay = s.Dir, append(Environ(), s.Env...), time.Second
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	return cmd
}

// start starts a command in the background, and waits until it prints the output that the document shows. If an earlier block has started
// the same command, "start" ends the earlier process first.
func (s *Shell) start(ctx context.Context, b Block) error {
	s.end(b.Text)
	started := &background{cmd: s.command(context.WithoutCancel(ctx), b), ended: make(chan struct{})}
	started.cmd.Stdout, started.cmd.Stderr = &started.Output, &started.Output
	if err := started.cmd.Start(); err != nil {
		return err
	}
	if s.running == nil {
		s.running = map[string]*background{}
	}
	s.running[b.Text] = started
	go func() {
		_ = started.cmd.Wait()
		close(started.ended)
	}()
	b.Output = s.Replace.Replace(b.Output)
	for promised := regexp.MustCompile(b.promised()); !promised.MatchString(started.String()); {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%sdoes not say what it should:\n%s", b, started)
		case <-started.ended:
			return fmt.Errorf("%shas ended, %s:\n%s", b, started.cmd.ProcessState, started)
		case <-time.After(50 * time.Millisecond):
		}
	}
	return nil
}

// end sends SIGINT to the command, as Ctrl-C does, and waits until the command has ended.
func (s *Shell) end(text string) {
	b, ok := s.running[text]
	if !ok {
		return
	}
	delete(s.running, text)
	_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGINT)
	select {
	case <-b.ended:
	case <-time.After(20 * time.Second):
		_ = syscall.Kill(-b.cmd.Process.Pid, syscall.SIGKILL)
		<-b.ended
	}
}
