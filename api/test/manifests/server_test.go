package manifests

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// server is a Redis that a container's start script has started on this machine.
type server struct {
	*exec.Cmd
	port   int
	output localpod.Output
	ended  chan struct{}
}

// said returns what the server has printed.
func (s *server) said() string { return s.output.String() }

// script returns the path of a script in the folder redis-slave/.
func script(t *testing.T, name string) string {
	return filepath.Join(must.Root(t), "redis-slave", name)
}

// newMaster returns a server that runs the master's command in k8s/redis-master-deployment.yaml.
func newMaster(t *testing.T, env ...string) *server {
	t.Helper()
	master := containers(inFile(t, "k8s/redis-master-deployment.yaml")["Deployment/redis-master"])[0]
	return newServer(t, podtest.FreePorts(t).Master, env, words(master["command"], master["args"])...)
}

// words returns the command of a container, followed by its arguments.
func words(parts ...any) (words []string) {
	for _, part := range parts {
		for _, word := range part.([]any) {
			words = append(words, fmt.Sprint(word))
		}
	}
	return words
}

func newServer(t *testing.T, port int, env []string, command ...string) *server {
	t.Helper()
	program := must.Get(exec.LookPath("redis-server"))(t)
	bin, dir := t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --bind 127.0.0.1 --port %d --repl-diskless-sync-delay 0\n", program, port)
	must.OK(t, os.WriteFile(filepath.Join(bin, "redis-server"), []byte(script), 0o755))
	must.OK(t, os.Chmod(filepath.Dir(dir), 0o755))
	s := &server{Cmd: exec.Command(command[0], command[1:]...), port: port, ended: make(chan struct{})}
	s.Dir, s.Stdout, s.Stderr, s.SysProcAttr = dir, &s.output, &s.output, &syscall.SysProcAttr{}
	s.Env = append(os.Environ(), append(env, "PATH="+bin+":"+os.Getenv("PATH"))...)
	return s
}

// start starts the server. At the end of the test, the server and its child processes are killed.
func (s *server) start(t *testing.T) *server {
	t.Helper()
	s.SysProcAttr.Setpgid = true
	must.OK(t, s.Start())
	go func() {
		_ = s.Wait()
		close(s.ended)
	}()
	t.Cleanup(func() {
		_ = syscall.Kill(-s.Process.Pid, syscall.SIGKILL)
		if s.wait(t); t.Failed() {
			t.Log(s.said())
		}
	})
	return s
}

// refuses expects that the server exits with an error, and prints one line that contains all these texts.
func (s *server) refuses(t *testing.T, texts ...string) {
	t.Helper()
	s.start(t)
	if s.wait(t); s.ProcessState.Success() {
		t.Error("it ends with 0")
	}
	said := s.said()
	if strings.Index(said, "\n") != len(said)-1 {
		t.Errorf("it says %q, want one line", said)
	}
	for _, text := range texts {
		if !strings.Contains(said, text) {
			t.Errorf("it says %q, without %q", said, text)
		}
	}
}

// ask sends a command, and repeats it until the server replies.
func (s *server) ask(t *testing.T, password, command string, args ...any) (answer string) {
	t.Helper()
	must.Await(t, "an answer to "+command, 20*time.Second, func() (err error) {
		answer, err = redis.String(s.send(password, command, args...))
		return err
	})
	return answer
}

// send authenticates, sends a command once, and returns the reply.
func (s *server) send(password, command string, args ...any) (any, error) {
	c, err := redis.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port), redis.DialPassword(password), redis.DialReadTimeout(20*time.Second))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Do(command, args...)
}

// stop sends SIGTERM to the server and waits until the server has ended.
func (s *server) stop(t *testing.T) {
	t.Helper()
	must.OK(t, s.Process.Signal(syscall.SIGTERM))
	s.wait(t)
}

func (s *server) wait(t *testing.T) {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
}
