//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// docker runs a docker command for at most five minutes, and returns its output and its error messages.
func docker(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// The images of nginx and of the slave work even if only the owner may read the source files, or nobody may execute the scripts.
func TestImagesOfAStrictCheckout(t *testing.T) {
	for name, chmod := range map[string]string{
		"umask 077": "chmod -R go= .", "umask 027": "chmod -R g-w,o= .", "archive": "find . -type f -exec chmod 644 {} + -o -exec chmod 755 {} +",
	} {
		for folder, run := range map[string][]string{
			"nginx":       {"--tmpfs=/tmp", "--entrypoint=sh", "IMAGE", "-c", "nginx -p /etc/nginx -t && cat /etc/nginx/html/* >/dev/null && test -x /usr/local/bin/start.sh"},
			"redis-slave": {"--env=GET_HOSTS_FROM=env", "--env=REDIS_MASTER_SERVICE_HOST=127.0.0.1", "--entrypoint=sh", "IMAGE", "-c", "/run.sh & until redis-cli ping; do kill -0 $! || exit 1; done"},
		} {
			t.Run(folder+" "+name, func(t *testing.T) {
				checkout := filepath.Join(t.TempDir(), folder)
				must.OK(t, os.CopyFS(checkout, os.DirFS(filepath.Join(root, folder))))
				strict := exec.Command("sh", "-c", chmod)
				strict.Dir = checkout
				must.Run(t, strict)
				image := "gb-strict-" + folder + ":v1"
				if out, err := docker(t, "build", "-t", image, checkout); err != nil {
					t.Fatalf("%v %s", err, out)
				}
				t.Cleanup(func() { docker(t, "rmi", image) })
				args := []string{"run", "--rm", "--read-only"}
				for _, arg := range run {
					args = append(args, strings.Replace(arg, "IMAGE", image, 1))
				}
				if out, err := docker(t, args...); err != nil {
					t.Errorf("%v %s", err, out)
				}
			})
		}
	}
}

// The build of the API's image downloads Go modules from the proxy in the build argument GOPROXY.
func TestAPIImageTakesAModuleProxy(t *testing.T) {
	const proxy = "http://127.0.0.1:9/modules"
	out, err := docker(t, "build", "-f", "api/Dockerfile", "--build-arg", "GOPROXY="+proxy, ".")
	if err == nil || !strings.Contains(out, proxy) {
		t.Errorf("a build with a proxy that is not there ends with %v: %s", err, out)
	}
}

// If redis-master cannot use its data folder, its container prints the reason in one line.
func TestMastersFolder(t *testing.T) {
	n := namespace{T: t}
	container := func(field string) string {
		return n.kubectl("create", "--dry-run=client", "-f", manifests+"/redis-master-deployment.yaml",
			"-o", "jsonpath={.spec.template.spec.containers[0]."+field+"}")
	}
	image := container("image")
	var command []string
	must.OK(t, json.Unmarshal([]byte(container("command")), &command))
	noLocks := filepath.Join(t.TempDir(), "no-locks.json")
	profile := `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["flock"], "action": "SCMP_ACT_ERRNO", "errnoRet": 37}]}`
	must.Write(t, noLocks, profile)
	for _, c := range []struct {
		name string
		mode os.FileMode
		args []string
		want string
	}{
		{"no locks", 0o777, []string{"--security-opt", "seccomp=" + noLocks}, "cannot lock /data/lock (flock:"},
		{"not writable", 0o755, nil, "user 999 cannot write to /data"},
		{"locked", 0o777, nil, "waiting for /data/lock"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			must.OK(t, os.Chmod(dir, c.mode))
			lock := must.Get(os.Create(filepath.Join(dir, "lock")))(t)
			defer lock.Close()
			must.OK(t, os.Chmod(lock.Name(), c.mode&0o666))
			must.OK(t, syscall.Flock(int(lock.Fd()), syscall.LOCK_EX))
			args := append([]string{"run", "--detach", "--user", "999", "--volume", dir + ":/data"}, c.args...)
			args = append(args, "--entrypoint", command[0], image)
			args = append(args, command[1:]...)
			id := must.Get(exec.Command("docker", args...).Output())(t)
			docker := func(args ...string) string {
				out, _ := exec.Command("docker", append(args, strings.TrimSpace(string(id)))...).CombinedOutput()
				return string(out)
			}
			t.Cleanup(func() { docker("rm", "--force") })
			var said string
			n.await("it says why it does not start", time.Minute, func() bool {
				said = docker("logs")
				return said != ""
			})
			if !strings.HasPrefix(said, c.want) || strings.Count(said, "\n") != 1 {
				t.Errorf("it says %q, want one line %q", said, c.want)
			}
			if c.name != "locked" {
				n.await("it has ended", time.Minute, func() bool { return strings.Contains(docker("inspect", "--format={{.State.Status}}"), "exited") })
			}
		})
	}
}
