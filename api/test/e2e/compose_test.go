//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// If one container is killed, the guestbook answers again within ten seconds, with all entries.
func TestCompose(t *testing.T) {
	port := strconv.Itoa(podtest.FreePorts(t).Nginx)
	t.Setenv("PORT", port)
	t.Setenv("REDIS_PASSWORD", `Pa ss"\w$o'rd`)
	program := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		program = []string{"docker-compose"}
	}
	run := func(command ...string) string {
		t.Helper()
		return must.Get(output("", command[0], command[1:]...))(t)
	}
	compose := func(args ...string) string {
		t.Helper()
		return run(slices.Concat(program, []string{"-f", root + "/compose.yaml", "-p", "guestbook-e2e-" + port}, args)...)
	}
	t.Cleanup(func() { compose("down", "--volumes") })

	visitor := visitors.Visitor{Base: "http://127.0.0.1:" + port, Client: &http.Client{Timeout: 5 * time.Second}}
	has := func(text string) bool {
		book, err := visitor.Get(t.Context(), "messages")
		return err == nil && strings.Contains(book, text)
	}
	// signs posts an entry until a POST succeeds, and then waits until the Redis slave has the entry.
	signs := func(t *testing.T, text string, limit time.Duration) {
		t.Helper()
		namespace{T: t}.await("the guestbook answers", limit, func() bool {
			_, ok := visitor.PostOnce(t.Context(), text)
			return ok && has("")
		})
		namespace{T: t}.await("the slave has "+text, 30*time.Second, func() bool {
			held := compose("exec", "-T", "redis-slave", "sh", "-c", "REDISCLI_AUTH=$REDIS_PASSWORD redis-cli get messages")
			return strings.Contains(held, text) && has(text)
		})
	}
	up := func(args ...string) { compose(append([]string{"up", "-d", "--no-build"}, args...)...) }
	up()
	signs(t, "the first", time.Minute)

	for _, service := range []string{"nginx", "api", "redis-master", "redis-slave"} {
		container := func() string { return compose("ps", "-q", service) }
		for what, lose := range map[string]func(){
			"restarted": func() { compose("restart", service) },
			// The Linux kernel sends SIGKILL to a container that exceeds its memory limit, and Docker restarts the killed container.
			"killed by the kernel": func() {
				pid := must.Get(strconv.Atoi(run("docker", "inspect", "--format={{.State.Pid}}", container())))(t)
				must.OK(t, syscall.Kill(pid, syscall.SIGKILL))
			},
			"killed and up":  func() { run("docker", "kill", container()); up() },
			"removed and up": func() { run("docker", "rm", "--force", container()); up() },
			"made anew":      func() { up("--force-recreate", "--no-deps", service) },
		} {
			text := fmt.Sprint(service, " ", what)
			t.Run(text, func(t *testing.T) {
				lose()
				signs(t, text, 10*time.Second)
			})
		}
	}
	up("--force-recreate")
	signs(t, "the last", 10*time.Second)
	if _, page := must.Fetch(t, visitor.Base); !has("the first") || !strings.Contains(page, "<title>Guestbook</title>") {
		t.Errorf("the first entry is lost, or the page is %.200q", page)
	}
}
