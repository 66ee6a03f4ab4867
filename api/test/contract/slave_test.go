package contract

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// With GET_HOSTS_FROM=env a slave is given its master's address, which may have no name.
func TestASlaveTakesAnAddressThatHasNoName(t *testing.T) {
	t.Parallel()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, master := range []string{"192.0.2.7", "fd00:10:96::7"} { // reserved, and private: nobody is there
		port := podtest.FreePorts(t).Slave
		slave := exec.Command(filepath.Join(root, "redis-slave", "run.sh"), "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", t.TempDir())
		slave.Env = append(slave.Environ(), "GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST="+master)
		slave.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := slave.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = slave.Process.Signal(syscall.SIGTERM)
			_ = slave.Wait()
		})
		var follows string
		for until := time.Now().Add(20 * time.Second); !strings.Contains(follows, "master_host:"+master+"\r\n"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("the slave of %s follows %q", master, follows)
			}
			c, err := redis.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err == nil {
				follows, _ = redis.String(c.Do("INFO", "replication")) // it may still be loading
				c.Close()
			}
		}
	}
}
