// Package contract tests what clients of guestbook.php rely on, on any deployment.
package contract

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
)

// Redis runs a command on the master.
type Redis interface {
	Do(command string, args ...any) (any, error)
}

const (
	key     = "messages"
	updated = `{"message": "Updated"}`
	old     = ",first,second" // a guestbook that the original page has written
)

var client = &http.Client{Timeout: 10 * time.Second}

// Run runs the conformance program on the guestbook at base, such as http://127.0.0.1:8000, whose master is redis, and what
// only Redis can show. It overwrites the key messages.
func Run(t *testing.T, base string, master Redis) {
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	put(t, master, old)
	awaitGet(t, base, 200, `{"data": "`+old+`"}`)
	program := exec.CommandContext(t.Context(), "go", "run", "./api/test/conformance", "-url", base, "-key", key, "-profiles", "php,entries,live,concurrent,limits,origin")
	program.Dir = root
	program.Env = append(os.Environ(), "GOOS=", "GOARCH=") // it runs here, wherever the guestbook does
	if report, err := program.CombinedOutput(); err != nil {
		t.Errorf("conformance: %v\n%s", err, report)
	}
	if got := held(t, master); got != old {
		t.Errorf("conformance leaves %.100q, it was %q", got, old)
	}

	// A key that holds another type.
	if _, err := master.Do("DEL", key); err != nil {
		t.Fatal(err)
	}
	if _, err := master.Do("RPUSH", key, "a"); err != nil {
		t.Fatal(err)
	}
	checkError(t, awaitGet(t, base, http.StatusConflict, ""))
	var every strings.Builder
	for c := range 256 {
		every.WriteByte(byte(c))
	}
	expect(t, base+"/guestbook/?cmd=set&key="+key+"&value="+url.QueryEscape(every.String()), 200, updated)
	if got := held(t, master); got != every.String() {
		t.Errorf("of a set of every byte over a list Redis holds %q", got)
	}
}

// awaitGet waits until a get of the key is answered so, and returns the answer; "" is any body. A slave follows its master with
// some delay.
func awaitGet(t *testing.T, base string, status int, want string) string {
	t.Helper()
	for start := time.Now(); ; time.Sleep(10 * time.Millisecond) {
		response, body := ask(t, base+"/guestbook/?cmd=get&key="+key)
		if response.StatusCode == status && (want == "" || body == want) {
			checkHeader(t, response)
			return body
		}
		if time.Since(start) > 5*time.Second {
			t.Fatalf("get answers %d %.200s, want %d %s", response.StatusCode, body, status, want)
		}
	}
}

// ask requests a path and gives the answer's status and body.
func ask(t *testing.T, url string) (*http.Response, string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response, string(body)
}

func expect(t *testing.T, url string, status int, body string) {
	t.Helper()
	if response, got := ask(t, url); response.StatusCode != status || body != "" && got != body {
		t.Errorf("%s answers %d %q, want %d %q", url, response.StatusCode, got, status, body)
	}
}

func checkHeader(t *testing.T, response *http.Response) {
	t.Helper()
	for name, want := range map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"} {
		if got := response.Header.Values(name); len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want exactly %s", name, got, want)
		}
	}
}

func checkError(t *testing.T, body string) {
	t.Helper()
	var answer struct{ Error string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == "" {
		t.Errorf("%q is not a JSON error: %v", body, err)
	}
}

func put(t *testing.T, master Redis, text string) {
	t.Helper()
	if _, err := master.Do("SET", key, text); err != nil {
		t.Fatal(err)
	}
}

// held returns the text on the master.
func held(t *testing.T, master Redis) string {
	t.Helper()
	text, err := redis.String(master.Do("GET", key))
	if err != nil {
		t.Error(err)
	}
	return text
}
