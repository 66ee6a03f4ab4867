package manifests

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// server is a run of the master's or the slave's start script, as its container runs it, on a port of this machine.
type server struct {
	*exec.Cmd
	port int
	mu   sync.Mutex
	out  bytes.Buffer
	end  chan error
}

func (s *server) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.Write(p)
}

// said is what it has written.
func (s *server) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.String()
}

// newMaster prepares the script of redis-master's manifest.
func newMaster(t *testing.T, env ...string) *server {
	t.Helper()
	for _, o := range objects(t, read(t, files(t, "k8s/redis-master-deployment.yaml")[0])) {
		master := list(podSpecs(o)[0]["containers"])[0]
		var command []string
		for _, word := range append(master["command"].([]any), master["args"].([]any)...) {
			command = append(command, fmt.Sprint(word))
		}
		return newServer(t, podtest.FreePorts(t).Master, env, command...)
	}
	return nil
}

func newServer(t *testing.T, port int, env []string, command ...string) *server {
	t.Helper()
	program := must.Get(exec.LookPath("redis-server"))(t)
	bin, dir := t.TempDir(), t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\nexec %s \"$@\" --bind 127.0.0.1 --port %d --repl-diskless-sync-delay 0\n", program, port)
	must.OK(t, os.WriteFile(filepath.Join(bin, "redis-server"), []byte(script), 0o755))
	must.OK(t, os.Chmod(filepath.Dir(dir), 0o755))
	s := &server{Cmd: exec.Command(command[0], command[1:]...), port: port, end: make(chan error, 1)}
	s.Dir, s.Stdout, s.Stderr = dir, s, s
	s.Env = append(os.Environ(), append(env, "PATH="+bin+":"+os.Getenv("PATH"))...)
	return s
}

// start starts it for the rest of the test.
func (s *server) start(t *testing.T) *server {
	t.Helper()
	must.OK(t, s.Start())
	ended := make(chan struct{})
	go func() {
		s.end <- s.Wait()
		close(ended)
	}()
	t.Cleanup(func() {
		// A Redis that writes its first file does not end when it is told to, and forgets it.
		for tries := 0; ; tries++ {
			if _ = s.Process.Signal(syscall.SIGTERM); tries == 20 {
				t.Errorf("it does not end: %v", s.Process.Kill())
			}
			select {
			case <-ended:
				if t.Failed() {
					t.Log(s.said())
				}
				return
			case <-time.After(time.Second):
			}
		}
	})
	return s
}

// refuses expects it to end with one line that holds each of these texts.
func (s *server) refuses(t *testing.T, texts ...string) {
	t.Helper()
	s.start(t)
	select {
	case err := <-s.end:
		s.end <- err
		if exit := (*exec.ExitError)(nil); !errors.As(err, &exit) {
			t.Errorf("it ends with %v", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it does not end")
	}
	line, ok := strings.CutSuffix(s.said(), "\n")
	if !ok || strings.Contains(line, "\n") {
		t.Errorf("it says %q, want one line", s.said())
	}
	for _, text := range texts {
		if !strings.Contains(line, text) {
			t.Errorf("it says %q, without %q", line, text)
		}
	}
}

// ask sends a command with a password, until there is an answer.
func (s *server) ask(t *testing.T, password, command string, args ...any) string {
	t.Helper()
	var answer string
	await(t, "an answer to "+command, func(ctx context.Context) error {
		c, err := redis.DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(s.port), redis.DialPassword(password))
		if err != nil {
			return err
		}
		defer c.Close()
		answer, err = redis.String(c.Do(command, args...))
		return err
	})
	return answer
}

// try sends a command once.
func (s *server) try(command string, args ...any) error {
	c, err := redis.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port))
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = c.Do(command, args...)
	return err
}

// stop stops it as Kubernetes does.
func (s *server) stop(t *testing.T) {
	t.Helper()
	must.OK(t, s.Process.Signal(syscall.SIGTERM))
	select {
	case err := <-s.end:
		s.end <- err
	case <-time.After(20 * time.Second):
		t.Fatal("it does not stop")
	}
}

func await(t *testing.T, what string, condition func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		err := condition(ctx)
		if err == nil {
			return
		} else if ctx.Err() != nil {
			t.Fatalf("no %s: %v", what, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestAPassword(t *testing.T) {
	const password = `Pa ss"\w$o'rd`
	master := newMaster(t, "REDISCLI_AUTH="+password).start(t)
	slave := newServer(t, podtest.FreePorts(t).Slave, []string{
		"REDIS_PASSWORD=" + password, "GET_HOSTS_FROM=env",
		"REDIS_MASTER_SERVICE_HOST=127.0.0.1", "REDIS_MASTER_SERVICE_PORT=" + strconv.Itoa(master.port),
	}, files(t, "redis-slave/run.sh")[0]).start(t)
	for _, s := range []*server{master, slave} {
		if answer := s.ask(t, password, "PING"); answer != "PONG" {
			t.Error(answer)
		}
		c, err := redis.Dial("tcp", "127.0.0.1:"+strconv.Itoa(s.port), redis.DialPassword("wrong"))
		if err == nil {
			c.Close()
			t.Error("a wrong password is taken")
		}
	}
	await(t, "link to the master", func(context.Context) error {
		if info := slave.ask(t, password, "INFO", "replication"); !strings.Contains(info, "master_link_status:up") {
			return errors.New(info)
		}
		return nil
	})
}

// scriptsOfHA writes the scripts of k8s/ha/ to a folder.
func scriptsOfHA(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	must.OK(t, localpod.WriteScripts(folder, nil))
	return folder
}

// "echo" ends a password with a newline, on Windows with two characters. redis-cli would send it so, other clients would not.
func TestAPasswordWithANewlineIsRefused(t *testing.T) {
	port, scripts := podtest.FreePorts(t).Slave, scriptsOfHA(t)
	for _, end := range []string{"\n", "\r\n", "\r", "\nhunter3", "\n\n"} {
		given := []string{"REDIS_PASSWORD=hunter2" + end, "REDISCLI_AUTH=hunter2" + end, "GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=127.0.0.1", "HOSTS=a b c", "SINGLE=d"}
		servers := map[string]*server{"master": newMaster(t, given...), "slave": newServer(t, port, given, files(t, "redis-slave/run.sh")[0])}
		for _, name := range []string{"redis.sh", "sentinel.sh", "start.sh"} {
			servers[name] = newServer(t, port, given, "sh", "-eu", filepath.Join(scripts, name))
		}
		for name, s := range servers {
			t.Run(fmt.Sprintf("%s %q", name, end), func(t *testing.T) {
				s.refuses(t, "newline", "kubectl create secret generic redis --from-literal=password=")
				if strings.Contains(s.said(), "hunter") {
					t.Error("it tells the password")
				}
			})
		}
	}
}

func TestTheMasterSaysForWhatItWaits(t *testing.T) {
	master := newMaster(t)
	lock := must.Get(os.Create(filepath.Join(master.Dir, "lock")))(t)
	defer lock.Close()
	must.OK(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
	master.start(t)
	await(t, "line", func(context.Context) error {
		if said := master.said(); !strings.Contains(said, master.Dir+"/lock") || !strings.HasSuffix(said, "\n") {
			return fmt.Errorf("it says %q", said)
		}
		return nil
	})
	time.Sleep(2500 * time.Millisecond) // it tries each second
	if said := master.said(); strings.Count(said, "\n") != 1 {
		t.Errorf("it says %q, want one line", said)
	}
	lock.Close()
	if answer := master.ask(t, "", "PING"); answer != "PONG" {
		t.Error(answer)
	}
}

func TestRedisNamesAFolderThatItMayNotWrite(t *testing.T) {
	ha := func(script string) func(*testing.T) *server {
		return func(t *testing.T) *server {
			s := newServer(t, podtest.FreePorts(t).Slave, []string{"HOSTS=a b c", "SINGLE=d", "ME=a", "LOCAL=127.0.0.1", "BIND=127.0.0.1", "PORT=1", "SENTINEL_PORT=1"},
				"sh", "-u", filepath.Join(scriptsOfHA(t), script))
			s.Env = append(s.Env, "DATA="+s.Dir)
			return s
		}
	}
	master := func(t *testing.T) *server { return newMaster(t) }
	for _, c := range []struct {
		name  string
		start func(*testing.T) *server
		lock  bool // it is the file "lock" that may not be written
	}{
		{"master", master, false}, {"master's lock", master, true}, {"one of three", ha("redis.sh"), false}, {"its sentinel", ha("sentinel.sh"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := c.start(t)
			if c.lock {
				must.OK(t, errors.Join(os.WriteFile(s.Dir+"/lock", nil, 0o600), os.Chmod(s.Dir+"/lock", 0o400)))
			}
			user := os.Getuid()
			if user == 0 {
				user = 65534
				s.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}}
			}
			if mode := map[bool]os.FileMode{false: 0o555, true: 0o777}[c.lock]; os.Chmod(s.Dir, mode) != nil {
				t.Fatal("chmod")
			}
			s.refuses(t, s.Dir, "user "+strconv.Itoa(user), "chown", "fsGroup")
		})
	}
}

// A Redis cannot copy the book of a newer one; Valkey cannot copy that of a Redis after 7.2.
func TestABookThatCannotBeCopiedIsRefused(t *testing.T) {
	writer := newServer(t, podtest.FreePorts(t).Master, nil, "sh", "-c", "exec redis-server --save ''").start(t)
	info := writer.ask(t, "", "INFO", "server")
	_, version, _ := strings.Cut(info, "\nredis_version:")
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || strings.Contains(info, "valkey_version") {
		t.Fatalf("this test needs a Redis: %v, %s", err, info)
	}
	asIt := fmt.Sprintf("%d.%d", major, minor)
	for reader, ok := range map[string]bool{
		"Redis " + asIt + ".0":                        true,
		fmt.Sprintf("Redis %d.%d.1", major, minor+1):  true,
		fmt.Sprintf("Redis %d.%d.1", major, minor+10): true,
		fmt.Sprintf("Redis %d.9.9", major-1):          false,
		"Valkey 9.1.2":                                major < 7 || major == 7 && minor <= 2,
		"Valkey 7.2.5":                                major < 7 || major == 7 && minor <= 2,
	} {
		cmd := exec.Command("sh", "-uc", `. "$0"; copies "$1" 127.0.0.1`, filepath.Join(scriptsOfHA(t), "common.sh"), reader)
		cmd.Env = append(os.Environ(), "PORT="+strconv.Itoa(writer.port))
		out, err := cmd.CombinedOutput()
		if refused := strings.Contains(string(out), "Redis "+asIt) && strings.Contains(string(out), "cannot copy"); (err == nil) != ok || refused == ok {
			t.Errorf("%s: %v, it says %q", reader, err, out)
		}
	}
}
