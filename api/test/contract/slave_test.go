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

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// With GET_HOSTS_FROM=env, the slave gets its master's IP address. The IP address may have no DNS name.
func TestASlaveTakesAnAddressThatHasNoName(t *testing.T) {
	t.Parallel()
	for _, master := range []string{"192.0.2.7", "fd00:10:96::7"} { // no host has these addresses
		port := podtest.FreePorts(t).Slave
		slave := exec.Command(filepath.Join(must.Root(t), "redis-slave", "run.sh"), "--bind", "127.0.0.1", "--port", fmt.Sprint(port), "--dir", t.TempDir())
		slave.Env = append(slave.Environ(), "GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST="+master)
		slave.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		must.OK(t, slave.Start())
		t.Cleanup(func() {
			_ = slave.Process.Signal(syscall.SIGTERM)
			_ = slave.Wait()
		})
		must.Hold(t, "the slave follows "+master, 20*time.Second, func() bool {
			c, err := redis.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				return false
			}
			defer c.Close()
			info, _ := redis.String(c.Do("INFO", "replication")) // the slave may still be loading
			return strings.Contains(info, "master_host:"+master+"\r\n")
		})
	}
}
