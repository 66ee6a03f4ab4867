package contract

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// The whole contract, and entries and events, as the user of redis-user.conf and over TLS.
func TestContractAsTheRestrictedUserOverTLS(t *testing.T) {
	const name, password = "redis.example", `hunter2 "\$x'`
	authority := podtest.NewAuthority(t)
	ports, err := localpod.FreePorts()
	if err != nil {
		t.Fatal(err)
	}
	secured := func(port int) []string {
		return append(authority.Issue(t, name, time.Now().Add(time.Hour), port), podtest.User(t, password)...)
	}
	pod, master := podtest.Pod(t, localpod.Options{
		MasterArgs: secured(ports.Master),
		SlaveArgs:  secured(ports.Slave),
		APIEnv: []string{
			"REDIS_USERNAME=api", "REDIS_PASSWORD=" + password,
			"REDIS_TLS=true", "REDIS_TLS_CA_FILE=" + authority.File, "REDIS_TLS_SERVER_NAME=" + name,
			fmt.Sprintf("REDIS_MASTER_ADDR=127.0.0.1:%d", ports.Master),
			fmt.Sprintf("REDIS_SLAVE_ADDR=127.0.0.1:%d", ports.Slave),
		},
	})
	podtest.Await(t, pod.Slave, pod.Synced)
	podtest.Await(t, pod.API, func(context.Context) error {
		if _, body := ask(t, pod.APIURL()+"/readyz"); body != `{"ready":true,"draining":false,"master":"up","slave":"up"}` {
			return errors.New(body)
		}
		return nil
	})
	Run(t, pod.URL(), master)
	expect(t, pod.URL()+"/guestbook/?cmd=get&key=secret", 403, "")

	put(t, master, "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	v := visitors.Visitor{Base: pod.URL(), Client: visitors.NewClient(1)}
	defer v.Client.CloseIdleConnections()
	if _, err := v.Post(ctx, "first"); err != nil {
		t.Fatal(err)
	}
	if err := v.Watch(ctx, -1, func(_ int64, text string) bool {
		if text != "first" {
			t.Errorf("watching, got %q", text)
		}
		return false
	}); err != nil {
		t.Error(err)
	}
	if _, metrics := ask(t, pod.APIURL()+"/metrics"); strings.Contains(metrics, "hunter2") {
		t.Error("the metrics tell the password")
	}
	if strings.Contains(pod.API.Tail(), "hunter2") {
		t.Error("the log tells the password")
	}
}

// Redis gets a certificate of another authority, and the file of authorities the other's certificate. The API reads the file
// again, and needs no restart.
func TestARenewedAuthorityIsTrusted(t *testing.T) {
	const name = "redis.example"
	old, renewed := podtest.NewAuthority(t), podtest.NewAuthority(t)
	ports, err := localpod.FreePorts()
	if err != nil {
		t.Fatal(err)
	}
	issue := func(by *podtest.Authority, port int) []string {
		return by.Issue(t, name, time.Now().Add(time.Hour), port)
	}
	master, slave := issue(old, ports.Master), issue(old, ports.Slave)
	// As in a Secret's volume: the file is a link to one in a folder that is replaced.
	volume := t.TempDir()
	file := filepath.Join(volume, "ca.crt")
	point := func(to string) {
		t.Helper()
		if err := errors.Join(os.Symlink(to, file+".new"), os.Rename(file+".new", file)); err != nil {
			t.Fatal(err)
		}
	}
	point(old.File)
	pod, _ := podtest.Pod(t, localpod.Options{
		MasterArgs: master, SlaveArgs: slave,
		APIEnv: []string{
			"REDIS_TLS=true", "REDIS_TLS_CA_FILE=" + file, "REDIS_TLS_SERVER_NAME=" + name,
			fmt.Sprintf("REDIS_MASTER_ADDR=127.0.0.1:%d", ports.Master),
			fmt.Sprintf("REDIS_SLAVE_ADDR=127.0.0.1:%d", ports.Slave),
		},
	})
	write := pod.URL() + "/guestbook/?" + writeQuery
	expect(t, write, 200, updated)
	restart := func(by *podtest.Authority) {
		t.Helper()
		for _, server := range []struct {
			*localpod.Process
			port int
			args []string
		}{{pod.Master, ports.Master, master}, {pod.Slave, ports.Slave, slave}} {
			for i, file := range issue(by, server.port) {
				if strings.HasPrefix(filepath.Base(file), "tls.") {
					if err := os.Rename(file, server.args[i]); err != nil {
						t.Fatal(err)
					}
				}
			}
			podtest.Kill(t, server.Process)
			podtest.Start(t, server.Process)
		}
	}

	restart(renewed)
	expect(t, write, 503, "")
	point(renewed.File)
	expect(t, write, 200, updated)
	expect(t, pod.URL()+"/guestbook/?"+readQuery, 200, `{"data": ",x"}`)

	// A file that is empty, or away, for a moment: who was trusted still is.
	nothing := filepath.Join(volume, "empty")
	if err := os.WriteFile(nothing, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, to := range []string{nothing, filepath.Join(volume, "nowhere")} {
		point(to)
		restart(renewed)
		expect(t, write, 200, updated)
	}
	point(old.File)
	restart(old)
	expect(t, write, 200, updated)
}
