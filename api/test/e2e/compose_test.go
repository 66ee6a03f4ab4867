//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// If one container is killed, the guestbook answers again within ten seconds, with all entries.
func TestCompose(t *testing.T) {
	n := namespace{T: t}
	compose := []string{"docker", "compose"}
	if exec.Command("docker", "compose", "version").Run() != nil {
		compose = []string{"docker-compose"}
	}
	listener := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	command := func(program string, args ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // during a cleanup, t.Context() has already ended
		defer cancel()
		cmd := exec.CommandContext(ctx, program, args...)
		cmd.WaitDelay = time.Second
		cmd.Dir, cmd.Env = root, append(os.Environ(), "PORT="+port, "REDIS_PASSWORD="+`Pa ss"\w$o'rd`)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s %v: %v %s", program, args, err, stderr.String())
		}
		return strings.TrimSpace(string(out))
	}
	docker := func(args ...string) string { return command("docker", args...) }
	run := func(args ...string) string {
		return command(compose[0], append(compose[1:], append([]string{"-p", "guestbook-e2e-" + port}, args...)...)...)
	}
	t.Cleanup(func() { run("down", "--volumes") })

	client := http.Client{Timeout: 5 * time.Second}
	base := "http://127.0.0.1:" + port
	get := func(path string) string {
		response, err := client.Get(base + path)
		if err != nil {
			return err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response.Status + string(text)
	}
	const book = "/guestbook/?cmd=get&key=messages"
	signs := func(text string) bool {
		response, err := client.PostForm(base+"/guestbook/entries", url.Values{"text": {text}})
		if err != nil {
			return false
		}
		response.Body.Close()
		return response.StatusCode == http.StatusCreated && strings.HasPrefix(get(book), "200") && strings.Contains(get("/"), "<title>Guestbook</title>")
	}
	// copied waits until the slave has the entry and the API returns the entry.
	copied := func(t *testing.T, text string) {
		t.Helper()
		namespace{T: t}.await("the slave has "+text, 30*time.Second, func() bool {
			held := run("exec", "-T", "redis-slave", "sh", "-c", "REDISCLI_AUTH=$REDIS_PASSWORD redis-cli get messages")
			return strings.Contains(held, text) && strings.Contains(get(book), text)
		})
	}
	up := func(args ...string) { run(append([]string{"up", "-d", "--no-build"}, args...)...) }
	up()
	n.await("the guestbook answers", time.Minute, func() bool { return signs("the first") })
	copied(t, "the first")

	for _, service := range []string{"nginx", "api", "redis-master", "redis-slave"} {
		container := func() string { return run("ps", "-q", service) }
		for what, lose := range map[string]func(){
			"restarted": func() { run("restart", service) },
			// The Linux kernel sends SIGKILL to a container that exceeds its memory limit. Docker then restarts the container.
			"killed by the kernel": func() {
				pid, err := strconv.Atoi(docker("inspect", "--format={{.State.Pid}}", container()))
				if err == nil {
					err = syscall.Kill(pid, syscall.SIGKILL)
				}
				must.OK(t, err)
			},
			"killed and up":  func() { docker("kill", container()); up() },
			"removed and up": func() { docker("rm", "--force", container()); up() },
			"made anew":      func() { up("--force-recreate", "--no-deps", service) },
		} {
			text := fmt.Sprint(service, " ", what)
			t.Run(text, func(t *testing.T) {
				lose()
				lost := time.Now()
				namespace{T: t}.await("the guestbook answers", 10*time.Second, func() bool { return signs(text) })
				t.Logf("it answers after %.1f s", time.Since(lost).Seconds())
				copied(t, text)
			})
		}
	}
	up("--force-recreate")
	n.await("the guestbook answers once all is made anew", 10*time.Second, func() bool { return signs("the last") })
	if held := get(book); !strings.Contains(held, "the first") {
		t.Errorf("the first entry is lost: %s", held)
	}
}
