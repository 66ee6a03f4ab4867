package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// try runs the conformance program, and returns the exit code, the output, and the names of the failed test cases.
func try(t *testing.T, args ...string) (code int, said string, failed []string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), append([]string{"-format", "junit"}, args...), &stdout, &stderr)
	for _, row := range regexp.MustCompile(`<testcase classname="(.*?)" name="(.*?)" time=".*?"><failure>`).FindAllStringSubmatch(stdout.String(), -1) {
		failed = append(failed, row[1]+"/"+html.UnescapeString(row[2]))
	}
	return code, stdout.String() + stderr.String(), failed
}

// The published versions of guestbook.php fail exactly the test cases that the files known/*.txt list. At its end, the conformance program
// restores the guestbooks in Redis.
func TestEditionsOfGuestbookPHP(t *testing.T) {
	pod := podtest.Redis(t, localpod.Options{})
	master := podtest.Dial(t, pod.Ports.Master)
	podtest.Await(t, pod.Slave, pod.Synced)
	program := filepath.Join(t.TempDir(), "phpstandin")
	must.Run(t, exec.CommandContext(t.Context(), "go", "build", "-o", program, "../e2e/phpstandin"))
	for list, edition := range map[string]string{"php-a": "master-slave", "php-b": "replica", "php-c": "leader-follower"} {
		t.Run(list, func(t *testing.T) {
			const book = `,say "hi",a\nb,é`
			podtest.Do(t, master, "MSET", "guestbook", book, "messages", book)
			podtest.Do(t, master, "WAIT", 1, 5000) // waits until the slave, from which phpstandin reads, has the guestbooks
			address := fmt.Sprintf("127.0.0.1:%d", podtest.FreePorts(t).API)
			standIn := exec.CommandContext(t.Context(), program, "-listen", address, "-ports", fmt.Sprintf("%d,%d", pod.Ports.Master, pod.Ports.Slave), edition)
			standIn.Env = []string{"GET_HOSTS_FROM=env"}
			for _, role := range []string{"MASTER", "SLAVE", "LEADER", "FOLLOWER"} {
				standIn.Env = append(standIn.Env, "REDIS_"+role+"_SERVICE_HOST=127.0.0.1")
			}
			must.OK(t, standIn.Start())
			must.Await(t, "the stand-in listens", 20*time.Second, func() error {
				_, err := must.Client.Head("http://" + address)
				return err
			})
			if code, said, _ := try(t, "-url", "http://"+address, "-known", "known/"+list+".txt"); code != 0 {
				t.Errorf("exits with %d: %s", code, said)
			}
			if got, err := redis.Strings(master.Do("MGET", "guestbook", "messages")); err != nil || !slices.Equal(got, []string{book, book}) {
				t.Errorf("leaves %q, %v", got, err)
			}
		})
	}
}

// The curl commands in the report of the conformance program send the same requests as the program itself.
func TestCurl(t *testing.T) {
	var received []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		for _, name := range []string{"Accept", "Accept-Encoding", "Connection", "Content-Length", "Expect", "User-Agent"} { // net/http and curl add these headers
			r.Header.Del(name)
		}
		received = append(received, fmt.Sprintf("%s %s %v %q %v", r.Method, r.RequestURI, r.Header, body, err))
	}))
	defer server.Close()
	base := must.Get(url.Parse(server.URL))(t)
	b := &book{ctx: t.Context(), base: base, key: "a'b c", path: "/guestbook.php"}
	for _, g := range groups() {
		for _, r := range g.rows {
			if _, err := b.send(r.request); err != nil {
				t.Errorf("%s: %v", r.name, err)
			}
			command := b.curl(b.asked[len(b.asked)-1])
			out, err := exec.CommandContext(t.Context(), "bash", "-c", command).CombinedOutput()
			if n := len(received); err != nil || len(command) > 10_000 || n < 2 || received[n-1] != received[n-2] {
				t.Errorf("%s: %v %s, received %.2000q", command, err, out, received[max(0, n-2):])
			}
		}
	}
}

// If the server is not a guestbook, the conformance program ends and fails.
func TestServersThatAreNoGuestbook(t *testing.T) {
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
	for name, answer := range map[string]string{
		"no answer":            "",
		"no HTTP":              "220 smtp.example ESMTP\r\n",
		"another length":       head + "Content-Length: 1000000\r\n\r\n{",
		"a long body":          head + "\r\n" + `{"data": "` + strings.Repeat("a", 8<<20),
		"a redirect to itself": "HTTP/1.1 302 Found\r\nLocation: /guestbook.php?cmd=get\r\nContent-Length: 0\r\n\r\n",
		"the same always":      head + "Content-Length: 12\r\n\r\n{\"data\": \"\"}",
		"another type of data": head + "Content-Length: 14\r\n\r\n{\"data\": [{}]}",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				c, _, _ := w.(http.Hijacker).Hijack()
				t.Cleanup(func() { c.Close() })
				_, _ = io.WriteString(c, answer)
			}))
			defer server.Close()
			if code, said, _ := try(t, "-url", server.URL, "-timeout", "3s", "-skip", "concurrent"); code == 0 {
				t.Errorf("exits with 0: %s", said)
			}
		})
	}
}

// The conformance program fails if a test case in the list of known failures passes or does not exist. The report of the conformance
// program lists every test case.
func TestListsAndReports(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	wrong := filepath.Join(t.TempDir(), "wrong")
	for row, want := range map[string]int{"origin//env tells nothing": 1, "php/no such row": 2} {
		must.Write(t, wrong, row+" # reason")
		if code, said, _ := try(t, "-url", pod.URL(), "-profiles", "php,origin", "-known", wrong); code != want || !strings.Contains(said, row[strings.Index(row, "/")+1:]) {
			t.Errorf("%s is known: exits with %d: %s", row, code, said)
		}
	}
	rows := 0
	for _, g := range slices.Concat(php, entries, origin) {
		rows += len(g.rows)
	}
	code, said, failed := try(t, "-url", pod.URL()+"/other", "-profiles", "php,entries,origin")
	if err := xml.Unmarshal([]byte(said), new(struct{})); err != nil || code != 1 || strings.Count(said, "<testcase ") != rows || failed[0] != "php/"+php[0].rows[0].name {
		t.Errorf("exits with %d, %v: %s", code, err, said)
	}
}
