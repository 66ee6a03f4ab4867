package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// try runs the program and returns its exit code, what it said, and the rows that failed.
func try(t *testing.T, args ...string) (code int, said string, failed []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"-format", "tap"}, args...), &stdout, &stderr)
	for _, row := range regexp.MustCompile(`(?m)^not ok \d+ - ([^#\n]*)$`).FindAllStringSubmatch(stdout.String(), -1) {
		failed = append(failed, row[1])
	}
	return code, stdout.String() + stderr.String(), failed
}

// The stand-ins fail exactly what is listed, in less time than a reader waits, and their books are left as they were.
func TestEditionsOfGuestbookPHP(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	master := podtest.Dial(t, pod.Ports.Master)
	program := filepath.Join(t.TempDir(), "phpstandin")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../e2e/phpstandin").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	for list, edition := range map[string]string{"php-a": "master-slave", "php-b": "replica", "php-c": "leader-follower"} {
		t.Run(list, func(t *testing.T) {
			const book = `,say "hi",a\nb,é`
			podtest.Do(t, master, "SET", "guestbook", book)
			podtest.Do(t, master, "SET", "messages", book)
			address := fmt.Sprintf("127.0.0.1:%d", podtest.FreePorts(t).API)
			standIn := exec.CommandContext(t.Context(), program, "-listen", address, "-ports", fmt.Sprintf("%d,%d", pod.Ports.Master, pod.Ports.Slave), edition)
			standIn.Env = []string{"GET_HOSTS_FROM=env"}
			for _, role := range []string{"MASTER", "SLAVE", "LEADER", "FOLLOWER"} {
				standIn.Env = append(standIn.Env, "REDIS_"+role+"_SERVICE_HOST=127.0.0.1")
			}
			if err := standIn.Start(); err != nil {
				t.Fatal(err)
			}
			podtest.Await(t, pod.Master, func(ctx context.Context) error {
				c, err := net.Dial("tcp", address)
				if err == nil {
					c.Close()
				}
				return err
			})
			if code, said, _ := try(t, "-url", "http://"+address, "-known", "known/"+list+".txt"); code != 0 {
				t.Errorf("exits with %d: %s", code, said)
			}
			for _, key := range []string{"guestbook", "messages"} {
				if got, err := redis.String(master.Do("GET", key)); got != book || err != nil {
					t.Errorf("leaves %q in %s, %v", got, key, err)
				}
			}
		})
	}
}
