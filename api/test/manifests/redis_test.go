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

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// With GET_HOSTS_FROM=env, the slave starts even if DNS knows no name for the master's IP address.
func TestASlaveTakesAnAddressThatHasNoName(t *testing.T) {
	for _, master := range []string{"192.0.2.7", "fd00:10:96::7"} {
		env := []string{"GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=" + master}
		slave := newServer(t, podtest.FreePorts(t).Slave, env, script(t, "run.sh")).start(t)
		if info := slave.ask(t, "", "INFO", "replication"); !strings.Contains(info, "master_host:"+master+"\r\n") {
			t.Errorf("the slave of %s says %s", master, info)
		}
	}
}

func scriptsOfHA(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	must.OK(t, localpod.WriteScripts(folder, nil))
	return folder
}

// startScripts returns a server for each start script. The name "master" stands for the script in k8s/redis-master-deployment.yaml.
func startScripts(t *testing.T, env ...string) map[string]*server {
	t.Helper()
	port, folder := podtest.FreePorts(t).Slave, scriptsOfHA(t)
	env = append(env, "GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=127.0.0.1", "HOSTS=a b c", "SINGLE=d", "ME=a", "LOCAL=127.0.0.1", "BIND=127.0.0.1",
		"PORT=1", "SENTINEL_PORT=1")
	servers := map[string]*server{"master": newMaster(t, env...), "run.sh": newServer(t, port, env, script(t, "run.sh"))}
	for _, name := range []string{"redis.sh", "sentinel.sh", "start.sh"} {
		s := newServer(t, port, env, "sh", "-eu", filepath.Join(folder, name))
		s.Env = append(s.Env, "DATA="+s.Dir)
		servers[name] = s
	}
	return servers
}

// The start scripts refuse a password with a newline, because redis-cli would send the newline but the API would not.
func TestAPasswordWithANewlineIsRefused(t *testing.T) {
	for _, end := range []string{"\n", "\r", "\nhunter3"} {
		for name, s := range startScripts(t, "REDIS_PASSWORD=hunter2"+end, "REDISCLI_AUTH=hunter2"+end) {
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
	must.Hold(t, "the master names the lock", 20*time.Second, func() bool {
		return strings.Contains(master.said(), master.Dir+"/lock") && strings.HasSuffix(master.said(), "\n")
	})
	lock.Close()
	master.ask(t, "", "PING")
}

func TestRedisNamesAFolderThatItMayNotWrite(t *testing.T) {
	servers := startScripts(t)
	servers["master's lock"] = newMaster(t)
	must.Write(t, servers["master's lock"].Dir+"/lock", "")
	must.OK(t, os.Chmod(servers["master's lock"].Dir+"/lock", 0o400))
	for name, mode := range map[string]os.FileMode{"master": 0o555, "master's lock": 0o777, "redis.sh": 0o555, "sentinel.sh": 0o555} {
		t.Run(name, func(t *testing.T) {
			s, user := servers[name], os.Getuid()
			if user == 0 {
				user = 65534
				s.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(user), Gid: uint32(user)}
			}
			must.OK(t, os.Chmod(s.Dir, mode))
			s.refuses(t, s.Dir, "user "+strconv.Itoa(user), "chown", "fsGroup")
		})
	}
}

// The scripts of k8s/ha/ refuse to copy data from a Redis of a newer version, because an older Redis cannot read the data. Valkey can read
// data only from Redis 7.2 and earlier.
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
