//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// The images of nginx and of the slave work even if only the owner may read the source files, and nobody may execute the scripts.
func TestImagesOfAStrictCheckout(t *testing.T) {
	for folder, run := range map[string][]string{
		"nginx": {"--tmpfs=/tmp", "--entrypoint=sh", "gb-strict-nginx:v1", "-c",
			"nginx -p /etc/nginx -t && cat /etc/nginx/html/* >/dev/null && test -x /usr/local/bin/start.sh"},
		"redis-slave": {"--env=GET_HOSTS_FROM=env", "--env=REDIS_MASTER_SERVICE_HOST=127.0.0.1", "--entrypoint=sh", "gb-strict-redis-slave:v1", "-c",
			"/run.sh & until redis-cli ping; do kill -0 $! || exit 1; done"},
	} {
		t.Run(folder, func(t *testing.T) {
			checkout, image := filepath.Join(t.TempDir(), folder), "gb-strict-"+folder+":v1"
			must.OK(t, os.CopyFS(checkout, os.DirFS(filepath.Join(root, folder))))
			must.Run(t, exec.Command("find", checkout, "-type", "f", "-exec", "chmod", "600", "{}", "+", "-o", "-exec", "chmod", "700", "{}", "+"))
			must.Get(output("", "docker", "build", "-t", image, checkout))(t)
			t.Cleanup(func() { output("", "docker", "rmi", image) })
			must.Get(output("", "docker", append([]string{"run", "--rm", "--read-only"}, run...)...))(t)
		})
	}
}

// The build of the API's image downloads Go modules from the proxy in the build argument GOPROXY.
func TestAPIImageTakesAModuleProxy(t *testing.T) {
	const proxy = "http://127.0.0.1:9/modules"
	_, err := output("", "docker", "build", "-f", root+"/api/Dockerfile", "--build-arg", "GOPROXY="+proxy, root)
	if err == nil || !strings.Contains(err.Error(), proxy+"/") {
		t.Errorf("a build with a proxy that is not there ends with %v", err)
	}
}

// If the volume of redis-master has no file locks, the container prints the reason and ends.
func TestMastersVolumeWithoutLocks(t *testing.T) {
	container := func(field string) string {
		return namespace{T: t}.kubectl("create", "--dry-run=client", "-f", manifests+"/redis-master-deployment.yaml",
			"-o", "jsonpath={.spec.template.spec.containers[0]."+field+"}")
	}
	var command []string
	must.OK(t, json.Unmarshal([]byte(container("command")), &command))
	noLocks := filepath.Join(t.TempDir(), "no-locks.json")
	must.Write(t, noLocks, `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["flock"], "action": "SCMP_ACT_ERRNO", "errnoRet": 37}]}`)
	args := []string{"run", "--rm", "--user", "999", "--security-opt", "seccomp=" + noLocks, "--entrypoint", command[0], container("image")}
	_, err := output("", "docker", append(args, command[1:]...)...)
	if err == nil || !strings.Contains(err.Error(), "\ncannot lock /data/lock (flock:") {
		t.Errorf("without locks, the master ends with %v", err)
	}
}
