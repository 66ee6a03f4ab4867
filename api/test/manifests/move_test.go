package manifests

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// newSource starts the Redis from which a test copies a book.
func newSource(t *testing.T, args ...string) *server {
	t.Helper()
	return newServer(t, podtest.FreePorts(t).Master, nil, append([]string{"sh", "-c", `exec redis-server "$@"`, "sh", "--save", ""}, args...)...).start(t)
}

// newMove starts the Redis of the pod "redis-move", which copies all data from the Redis at this port.
func newMove(t *testing.T, master int, env ...string) *server {
	t.Helper()
	pod := containers(inFile(t, "k8s/move/redis-move-pod.yaml")["Pod/redis-move"])[0]
	var command []string
	for _, word := range words(pod["command"], pod["args"]) {
		command = append(command, strings.ReplaceAll(word, "/run.sh", script(t, "run.sh")))
	}
	env = append(env, "GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=127.0.0.1", "REDIS_MASTER_SERVICE_PORT="+strconv.Itoa(master))
	return newServer(t, podtest.FreePorts(t).Slave, env, command...).start(t)
}

// move runs the script move.sh with the argument "check", "freeze" or "thaw". The shell commands in the parameter "filter" change the
// output of redis-cli before move.sh reads it.
func (s *server) move(t *testing.T, what string, filter ...string) (string, error) {
	t.Helper()
	program := must.Get(exec.LookPath("redis-cli"))(t)
	bin := t.TempDir()
	wrapper := fmt.Sprintf("#!/bin/sh\ncase \" $* \" in *' -h '*) exec %[1]s \"$@\" ;; esac\n%[1]s -p %[2]d \"$@\" | %[3]s\n",
		program, s.port, strings.Join(append(filter, "cat"), " | "))
	must.OK(t, os.WriteFile(filepath.Join(bin, "redis-cli"), []byte(wrapper), 0o755))
	s.ask(t, "", "PING")
	cmd := exec.CommandContext(t.Context(), script(t, "move.sh"), what)
	cmd.Env = append(slices.Clone(s.Env), "PATH="+bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	t.Logf("move.sh %s: %s", what, out)
	return string(out), err
}

// The script move.sh copies a book to the disk of redis-master. `move.sh freeze` makes the source of the copy refuse writes, so that no
// write is lost.
func TestTheBookMoves(t *testing.T) {
	book := strings.Repeat(",\x00\xff well, \r\n\"hello\"", 600_000)
	source := newSource(t, "--maxmemory", "200mb", "--maxmemory-policy", "volatile-lru")
	source.ask(t, "", "SET", "messages", book)
	source.ask(t, "", "SETEX", "another", 1000, "x")
	move := newMove(t, source.port)
	for range 2 {
		must.Get(move.move(t, "check"))(t)
	}
	source.ask(t, "", "SET", "guestbook", ",later")
	for range 2 {
		must.Get(move.move(t, "freeze"))(t)
	}
	for _, write := range [][]any{
		{"SET", "messages", "x"},
		{"APPEND", "messages", "x"},
		{"SETEX", "key", 10, "x"},
		{"EVAL", "redis.call('get', KEYS[1]) return redis.call('append', KEYS[1], 'x')", 1, "messages"},
		{"EVAL", "return redis.call('setrange', KEYS[1], 0, 'x')", 1, "messages"},
	} {
		if _, err := source.send("", write[0].(string), write[1:]...); err == nil || !strings.Contains(err.Error(), "OOM ") {
			t.Errorf("%q is not refused: %v", write, err)
		}
	}
	// The Redis of redis-move must keep its copy of the book, even if the Redis from which it copies restarts without data.
	source.stop(t)
	again := newServer(t, source.port, nil, source.Args...).start(t)
	again.ask(t, "", "SET", "key", "x")
	for what, says := range map[string]string{"freeze": "follows 127.0.0.1 no more", "thaw": "messages is shorter"} {
		if said, err := move.move(t, what); err == nil || !strings.Contains(said, says) {
			t.Errorf("%v: %s", err, said)
		}
	}
	move.stop(t)
	master := newMaster(t)
	master.Dir = move.Dir
	master.start(t)
	for key, want := range map[string]string{"messages": book, "guestbook": ",later", "another": "x"} {
		if got := master.ask(t, "", "GET", key); got != want {
			t.Errorf("%s has %d bytes after the move, want %d", key, len(got), len(want))
		}
	}
}

func TestTheMasterTakesWritesAgain(t *testing.T) {
	source := newSource(t)
	source.ask(t, "", "SET", "messages", ",hello")
	move := newMove(t, source.port)
	for _, what := range []string{"freeze", "thaw"} {
		must.Get(move.move(t, what))(t)
	}
	source.ask(t, "", "SET", "messages", ",hello,again")
	// If the copy differs from the source's book, `move.sh freeze` fails and restores the source's settings.
	source.ask(t, "", "CONFIG", "SET", "maxmemory", "300mb")
	if said, err := move.move(t, "freeze", "sed 's/^12$/11/'"); err == nil || !strings.Contains(said, "messages is not the same") {
		t.Errorf("%v: %s", err, said)
	}
	source.ask(t, "", "SET", "messages", ",!")
	if settings := source.ask(t, "", "INFO", "memory"); !strings.Contains(settings, "\nmaxmemory:314572800\r") {
		t.Errorf("the settings are others than before: %s", settings)
	}
}

// If the script move.sh cannot copy a book, it prints the reason in one line.
func TestWhatCannotMoveIsNamed(t *testing.T) {
	for name, c := range map[string]struct {
		prepare      func(*server, *testing.T)
		filter, says string
	}{
		"empty":                     {says: "is empty"},
		"loading":                   {prepare: (*server).load, says: "still loading"},
		"newer":                     {filter: "sed 's/^redis_version:.*/redis_version:6.0.99/'", says: "newer than this Redis"},
		"newer by the first number": {filter: "sed 's/^redis_version:.*/redis_version:2.10.0/'", says: "newer than this Redis"},
		"a slave":                   {prepare: func(s *server, t *testing.T) { s.ask(t, "", "REPLICAOF", "192.0.2.7", "6379") }, says: "slave of 192.0.2.7"},
		"a password":                {prepare: func(s *server, t *testing.T) { s.ask(t, "", "CONFIG", "SET", "requirepass", "secret") }, says: "NOAUTH"},
		"away":                      {prepare: (*server).stop, says: "does not answer"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := newSource(t)
			if c.prepare != nil {
				c.prepare(source, t)
			}
			move := newMove(t, source.port)
			for _, what := range []string{"check", "freeze"} {
				if said, err := move.move(t, what, cmp.Or(c.filter, "cat")); err == nil || !strings.Contains(said, c.says) || strings.Count(said, "\n") != 1 {
					t.Errorf("%s: %v: %q does not say %q", what, err, said, c.says)
				}
			}
		})
	}
}

// load restarts the server with keys that take the server 20 s to load.
func (s *server) load(t *testing.T) {
	for i := range 1000 {
		s.ask(t, "", "SET", fmt.Sprint("key", i), strings.Repeat("x", 100))
	}
	s.ask(t, "", "SAVE")
	s.stop(t)
	again := newServer(t, s.port, nil, append(s.Args, "--key-load-delay", "20000", "--loading-process-events-interval-bytes", "1024")...)
	again.Dir = s.Dir
	again.start(t)
	must.Hold(t, "it is loading", 20*time.Second, func() bool {
		return strings.Contains(again.ask(t, "", "INFO", "persistence"), "loading:1")
	})
}

// While redis-master runs, a second Redis does not start with the disk of redis-master.
func TestTheMoveDoesNotTakeTheDiskOfAMaster(t *testing.T) {
	master := newMaster(t).start(t)
	master.ask(t, "", "SET", "messages", ",hello")
	move := newMove(t, master.port)
	move.stop(t)
	second := newServer(t, move.port, move.Env, move.Args...)
	second.Dir = master.Dir
	second.start(t)
	if second.wait(t); second.ProcessState.Success() {
		t.Error("it has started")
	}
}
