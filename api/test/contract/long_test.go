//go:build long

package contract

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// hold opens n connections to nginx, writes the text to each connection, and keeps all of them open until the test ends.
func hold(t *testing.T, pod *localpod.Pod, n int, text string) []net.Conn {
	t.Helper()
	conns := make([]net.Conn, n)
	for i := range conns {
		c := must.Get(net.Dial("tcp", strings.TrimPrefix(pod.URL(), "http://")))(t)
		t.Cleanup(func() { c.Close() })
		_ = c.(*net.TCPConn).SetReadBuffer(4096) // the client's kernel buffers only 4 KB of a response
		conns[i] = c
	}
	sendAll(conns, text)
	return conns
}

func sendAll(conns []net.Conn, text string) {
	var sending sync.WaitGroup
	for _, c := range conns {
		sending.Go(func() {
			_ = c.SetWriteDeadline(time.Now().Add(time.Second))
			_, _ = io.WriteString(c, text)
		})
	}
	sending.Wait()
}

// kernel returns the number of bytes in the kernel's buffers for a process's connections.
func kernel(t *testing.T, own, other int) (bytes int64) {
	t.Helper()
	for line := range strings.Lines(must.Read(t, "/proc/net/tcp")) {
		var n, ip, local, remote, state int
		var sent, received int64
		_, err := fmt.Sscanf(line, " %d: %x:%x %x:%x %x %x:%x", &n, &ip, &local, &ip, &remote, &state, &sent, &received)
		if err == nil && (local == own || remote == other) {
			bytes += sent + received
		}
	}
	return bytes
}

// files returns the total size of the temporary files that nginx's workers have open, even if the files are already deleted.
func files(t *testing.T, pod *localpod.Pod) (bytes int64) {
	t.Helper()
	for _, pid := range pod.Nginx.Children() {
		open := must.Get(filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)))(t)
		for _, name := range open {
			if target, _ := os.Readlink(name); !strings.Contains(target, "client_body") && !strings.Contains(target, "/proxy/") {
				continue
			}
			if file, err := os.Stat(name); err == nil {
				bytes += file.Size()
			}
		}
	}
	return bytes
}

// servesWithinMemory expects that nginx uses at most a fifth of its memory limit, because viewers and unread answers need the rest.
func servesWithinMemory(t *testing.T, pod *localpod.Pod) {
	t.Helper()
	if took, limit := pod.Nginx.Usage().Peak, limits.Figure(t, "frontend nginx resources limits memory"); took > limit/5 {
		t.Errorf("nginx takes %d MB, its container may have %d", took>>20, limit>>20)
	}
	expect(t, pod.URL()+readPath, 200, "")
}

// Many clients send the largest headers that nginx accepts, and never finish their requests.
func TestHeadersThatDoNotEnd(t *testing.T) {
	for _, c := range []struct{ name, text string }{
		{"a request line of 256 KB", "GET /guestbook/?" + strings.Repeat("a", 256<<10-20)},
		{"a thousand headers", "GET /guestbook/ HTTP/1.1\r\nHost: x\r\n" + strings.Repeat("X: "+strings.Repeat("a", 1000)+"\r\n", 1000)},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, _ := podtest.Pod(t, localpod.Options{})
			hold(t, pod, 420, c.text)
			servesWithinMemory(t, pod)
		})
	}
}

// nginx still serves visitors if many clients never finish their requests.
func TestBodiesThatDoNotEnd(t *testing.T) {
	const post = "POST /guestbook/entries HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n"
	most := limits.Figure(t, "nginx http limit_conn bodies")
	for _, c := range []struct{ name, head, body string }{
		{"of 1 MiB", post + "Content-Length: 1048576\r\n\r\n", strings.Repeat("a", 1<<20-10)},
		{"of unknown length", post + "Transfer-Encoding: chunked\r\n\r\n", chunk(strings.Repeat("a", 900_000))},
		{"with a long address", "POST /guestbook/entries?" + strings.Repeat("a", 250_000) + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n", "a"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, _ := podtest.Pod(t, localpod.Options{})
			conns := hold(t, pod, int(most)+44, c.head)
			must.Await(t, "nginx keeps the most that it may", 5*time.Second, func() error {
				conns = slices.DeleteFunc(conns, func(c net.Conn) bool {
					_ = c.SetReadDeadline(time.Now().Add(5 * time.Millisecond))
					_, err := c.Read(make([]byte, 1))
					return !errors.Is(err, os.ErrDeadlineExceeded)
				})
				if len(conns) != int(most) {
					return fmt.Errorf("%d are kept, want %d", len(conns), most)
				}
				return nil
			})
			sendAll(conns, c.body)
			if took := files(t, pod); took > most<<20 {
				t.Errorf("%d MB are on disk", took>>20)
			}
			servesWithinMemory(t, pod)
			if response, body := send(t, pod, post+length("text=small")+"text=small"); response.StatusCode != 201 {
				t.Errorf("a small post is answered %d %s", response.StatusCode, body)
			}
		})
	}
}

// If many clients never finish small bodies, others can still read.
func TestSmallBodiesThatDoNotEnd(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	most := int(limits.Figure(t, "nginx http limit_conn requests"))
	for _, request := range []string{"POST /guestbook/entries", "GET /guestbook/events", "GET /guestbook/?cmd=get&key=messages"} {
		hold(t, pod, most/2, request+" HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
	}
	must.Hold(t, "nginx has as many as it may", 5*time.Second, func() bool {
		response, _ := must.Do(t, "POST", pod.URL()+"/guestbook/entries", nil)
		return response.StatusCode == 503
	})
	servesWithinMemory(t, pod)
}

// Even if many clients never read their event streams or pages, nginx and the API stay within the pod's limits of memory and disk.
func TestClientsThatReadNothing(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "api") // without Go's race detector, which needs much memory
	must.OK(t, localpod.Build(t.Context(), binary))
	long, many, random := ",x"+strings.Repeat("\x01", 1<<20), strings.Repeat(",x"+strings.Repeat("\x01", 3998), 500), make([]byte, 240_000)
	for i, source := 0, rand.New(rand.NewPCG(0, 0)); i < len(random); i++ {
		random[i] = byte('-' + source.IntN('~'-'-'))
	}
	for _, c := range []struct {
		name, before, path, headers string
		clients, live               int
	}{
		{"events: a long entry that is there", long, "events?after=-1", "", 300, 0},
		{"events: many long entries that are there", many, "events?after=-1", "", 300, 0},
		{"events: long entries that come", ",x", "events?after=-1", "", 300, 5},
		{"the newest page of one long entry", long, "entries?seen=0", "", 3000, 0},
		{"the first page of many long entries", many, "entries?after=-1&limit=500", "", 3000, 0},
		{"the last page of many long entries", many, "entries?seen=0&limit=500", "", 3000, 0},
		{"the page's own request", many, "entries?limit=50", "", 3000, 0},
		{"a get of 240 KB", many[:60*4000], "?cmd=get&key=messages", "", 3000, 0},
		{"a get of 240 KB that gzip hardly compresses", string(random), "?cmd=get&key=messages", "Accept-Encoding: gzip\r\n", 3000, 0},
		{"a get of 2 MB", many, "?cmd=get&key=messages", "", 3000, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			pod, master := podtest.Pod(t, localpod.Options{APIBinary: binary, APIEnv: []string{fmt.Sprint("GOMEMLIMIT=", limits.Figure(t, "GOMEMLIMIT"))}})
			podtest.Do(t, master, "SET", key, c.before)
			podtest.Do(t, master, "WAIT", 1, 10_000) // the API reads from the slave
			conns := hold(t, pod, c.clients, "GET /guestbook/"+c.path+" HTTP/1.1\r\nHost: x\r\n"+c.headers+"\r\n")
			var nginx, api, disk int64
			for i := range 20 {
				if i < c.live {
					podtest.Do(t, master, "APPEND", key, long)
				}
				nginx = max(nginx, pod.Nginx.Usage().Memory+kernel(t, pod.Ports.Nginx, pod.Ports.API))
				api = max(api, pod.API.Usage().Memory+kernel(t, pod.Ports.API, pod.Ports.Master))
				disk = max(disk, files(t, pod))
				time.Sleep(200 * time.Millisecond)
			}
			t.Logf("nginx %d MB and %d MB on disk, API %d MB", nginx>>20, disk>>20, api>>20)
			if limit := limits.Figure(t, "frontend nginx resources limits memory") / 3; nginx > limit {
				t.Errorf("nginx takes %d MB, want at most %d", nginx>>20, limit>>20)
			}
			if limit := limits.Figure(t, "frontend volumes tmp emptyDir sizeLimit"); disk > limit {
				t.Errorf("nginx takes %d MB on disk, Kubernetes evicts the pod at %d", disk>>20, limit>>20)
			}
			if limit := limits.Figure(t, "frontend api resources limits memory"); api > limit {
				t.Errorf("the API takes %d MB, its container may have %d", api>>20, limit>>20)
			}
			for _, c := range conns {
				c.Close()
			}
			must.Hold(t, "the next visitor is served", 5*time.Second, func() bool {
				response, _ := must.Fetch(t, pod.URL()+"/guestbook/entries?limit=1&before=0")
				return response.StatusCode == 200
			})
		})
	}
}

// The API for linux/arm64 passes the contract tests in the emulator QEMU.
func TestContractOnARM64(t *testing.T) {
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Fatal("this test needs qemu-user-static: run it with make test-long, which installs it")
	}
	dir := t.TempDir()
	for name, value := range map[string]string{"GOOS": "linux", "GOARCH": "arm64", "CGO_ENABLED": "0"} {
		t.Setenv(name, value)
	}
	must.OK(t, localpod.Build(t.Context(), filepath.Join(dir, "api"), "-trimpath", "-ldflags", "-s -w"))
	emulated := filepath.Join(dir, "emulated")
	must.OK(t, os.WriteFile(emulated, fmt.Appendf(nil, "#!/bin/sh\nexec %s %s/api\n", emulator, dir), 0o755))
	pod, master := podtest.Pod(t, localpod.Options{APIBinary: emulated})
	podtest.Await(t, pod.Slave, pod.Synced)
	Run(t, pod.URL(), master)
}
