package store_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/store"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// ready reports whether the readiness probe of k8s/redis-slave-deployment.yaml succeeds on the slave at the port.
func ready(t *testing.T, port int) bool {
	t.Helper()
	manifest := must.Read(t, must.Root(t), "k8s", "redis-slave-deployment.yaml")
	script := regexp.MustCompile(`(?s)readinessProbe:\n.*?- \|\n(.*?)\n +periodSeconds:`).FindStringSubmatch(manifest)[1]
	script = strings.ReplaceAll(script, "redis-cli", fmt.Sprint("redis-cli -p ", port))
	out, err := exec.CommandContext(within(t, 5*time.Second), "sh", "-c", script).CombinedOutput()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) || len(out) > 0 {
		t.Errorf("the probe: %v\n%s", err, out)
	}
	return err == nil
}

// badMaster starts a fake master that sends each slave a dump that no slave can load. The counter "sent" counts the dumps.
func badMaster(t *testing.T, dump string) (port int, sent *atomic.Int64) {
	t.Helper()
	listener := must.Get(net.Listen("tcp", "127.0.0.1:0"))(t)
	sent = new(atomic.Int64)
	var slaves sync.WaitGroup
	t.Cleanup(func() { listener.Close(); slaves.Wait() })
	slaves.Go(func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			lines := bufio.NewScanner(c)
			for lines.Scan() {
				switch strings.ToUpper(lines.Text()) {
				case "PING":
					fmt.Fprint(c, "+PONG\r\n")
				case "REPLCONF":
					fmt.Fprint(c, "+OK\r\n")
				case "PSYNC":
					fmt.Fprintf(c, "+FULLRESYNC %s 0\r\n%s", strings.Repeat("0123456789", 4), dump)
					_ = c.(*net.TCPConn).CloseWrite()
					for lines.Scan() {
					}
					sent.Add(1)
				}
			}
			c.Close()
		}
	})
	return listener.Addr().(*net.TCPAddr).Port, sent
}

// The slaves' readiness probe and the store agree which slaves may be read. If the PHP guestbook's page read an empty guestbook from a
// slave, the page would overwrite the real guestbook with the next message.
func TestOnlyASlaveThatWasInSyncIsReadyAndRead(t *testing.T) {
	pod := podtest.New(t, localpod.Options{})
	podtest.Start(t, pod.Slave)
	slave := podtest.Dial(t, pod.Ports.Slave)
	withoutMaster := func(o *store.Options) { o.MasterAddr = address(1) }
	// check expects the result "want" from the readiness probe and from the store. If "want" is true, the slave must hold the entry "a".
	check := func(situation string, want bool) {
		t.Helper()
		info, _ := redis.String(slave.Do("INFO", "replication"))
		holds, _ := redis.String(slave.Do("GET", book))
		_, err := open(t, pod, withoutMaster).Get(within(t, 2*time.Second), book, 1<<20)
		if got := ready(t, pod.Ports.Slave); got != want || (err == nil) != want || holds != ",a" && (want || holds != "") {
			t.Errorf("%s: ready %t, read %v, want %t; it holds %q with %s", situation, got, err, want, holds, info)
		}
	}
	// follow connects the slave to a fake master, and waits until the slave has asked twice for a copy of the fake master's data.
	follow := func(dump string) {
		t.Helper()
		port, sent := badMaster(t, dump)
		podtest.Do(t, slave, "REPLICAOF", "127.0.0.1", port)
		must.Hold(t, "the slave has asked for two copies", 20*time.Second, func() bool { return sent.Load() >= 2 })
	}
	followMaster := func() {
		t.Helper()
		podtest.Do(t, slave, "REPLICAOF", "127.0.0.1", pod.Ports.Master)
		podtest.Await(t, pod.Slave, pod.Synced)
	}

	check("never linked", false)
	podtest.Do(t, slave, "REPLICAOF", "127.0.0.1", 1)
	podtest.Start(t, pod.Master)
	// With Redis 8 and Valkey, a slave that syncs after one write has the replication offset 1, like a slave without data.
	podtest.Do(t, podtest.Dial(t, pod.Ports.Master), "SET", book, ",a")
	followMaster()
	check("in sync", true)
	podtest.Kill(t, pod.Master)
	must.Hold(t, "the slave has lost its master", 20*time.Second, func() bool {
		return strings.Contains(must.Get(redis.String(slave.Do("INFO", "replication")))(t), "master_link_status:down")
	})
	check("master gone after one write", true)
	// A slave with Redis 6 forgets its replication offset as soon as it begins to receive a copy of the master's data. A slave with Redis
	// 7.0 or later forgets its replication offset only when the slave drops its own data to load a copy of the master's data.
	forgets := strings.Contains(must.Get(redis.String(slave.Do("INFO", "server")))(t), "redis_version:6.")
	follow("$1000000\r\nREDIS0006")
	check("master killed while it sent a copy", !forgets)
	podtest.Start(t, pod.Master)
	followMaster()
	check("in sync again", true)
	before := open(t, pod, withoutMaster) // this store opens a connection before the slave drops its data
	wantGet(t, before, ",a")
	podtest.Kill(t, pod.Master)
	// The slave drops its own data before noticing that the dump has the format of a newer Redis.
	dump := "REDIS9999" + strings.Repeat("\xff", 20)
	follow("$" + strconv.Itoa(len(dump)) + "\r\n" + dump)
	check("copy of a newer master", false)
	if value, err := before.Get(within(t, 2*time.Second), book, 1<<20); err == nil && value != ",a" {
		t.Errorf("an open connection reads %q", value)
	}

	podtest.Start(t, pod.Master)
	followMaster()
	podtest.Do(t, slave, "SAVE")
	podtest.Kill(t, pod.Master, pod.Slave)
	podtest.Start(t, pod.Slave)
	slave = podtest.Dial(t, pod.Ports.Slave)
	check("started with an old file", false)
}
