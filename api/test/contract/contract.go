// Package contract tests that a deployment of the guestbook behaves as clients of guestbook.php expect.
package contract

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/must"
)

// Redis is a connection to the Redis master.
type Redis interface {
	Do(command string, args ...any) (any, error)
}

const (
	key     = "messages"
	updated = `{"message": "Updated"}`
	old     = ",first,second"
)

// Run runs the conformance program on the guestbook at the URL base, such as http://127.0.0.1:8000. Then Run tests the guestbook while it
// changes the Redis master directly. Run overwrites the Redis key "messages".
func Run(t *testing.T, base string, master Redis) {
	put(t, master, old)
	awaitGet(t, base, 200, `{"data": "`+old+`"}`)
	conform(t, base, "-key", key, "-profiles", "php,entries,live,concurrent,limits,origin")
	if got := held(t, master); got != old {
		t.Errorf("conformance leaves %.100q, it was %q", got, old)
	}

	// The Redis key of the guestbook now holds a list instead of a string.
	must.Get(master.Do("DEL", key))(t)
	must.Get(master.Do("RPUSH", key, "a"))(t)
	awaitGet(t, base, http.StatusConflict, `{"error": "`)
	var every strings.Builder
	for c := range 256 {
		every.WriteByte(byte(c))
	}
	expect(t, base+"/guestbook/?cmd=set&key="+key+"&value="+url.QueryEscape(every.String()), 200, updated)
	if got := held(t, master); got != every.String() {
		t.Errorf("of a set of every byte over a list Redis holds %q", got)
	}
}

func conform(t *testing.T, base string, args ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), "go", append([]string{"run", "./api/test/conformance", "-url", base}, args...)...)
	program.Dir = must.Root(t)
	program.Env = append(os.Environ(), "GOOS=", "GOARCH=") // builds for this machine, even if the API is built for arm64
	if report, err := program.CombinedOutput(); err != nil {
		t.Errorf("conformance: %v\n%s", err, report)
	}
}

// awaitGet repeats a "get" request until the response is right, because a slave replicates with a delay.
func awaitGet(t *testing.T, base string, status int, want string) {
	t.Helper()
	must.Await(t, "the answer to get", 5*time.Second, func() error {
		response, body := must.Fetch(t, base+"/guestbook/?cmd=get&key="+key)
		if response.StatusCode != status || !strings.HasPrefix(body, want) {
			return fmt.Errorf("%d %.200s, want %d %s", response.StatusCode, body, status, want)
		}
		return nil
	})
}

func expect(t *testing.T, url string, status int, body string) {
	t.Helper()
	if response, got := must.Fetch(t, url); response.StatusCode != status || body != "" && got != body {
		t.Errorf("%s answers %d %q, want %d %q", url, response.StatusCode, got, status, body)
	}
}

// checkHeaders expects that the response has the headers in the map "want", and each of them once.
func checkHeaders(t *testing.T, header http.Header, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if got := header.Values(name); len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, want exactly %s", name, got, value)
		}
	}
}

// checkError expects an error response: a JSON object with a message, and headers that forbid caching.
func checkError(t *testing.T, response *http.Response, body string) {
	t.Helper()
	checkHeaders(t, response.Header, map[string]string{"Content-Type": "application/json", "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"})
	var answer struct{ Error string }
	if err := json.Unmarshal([]byte(body), &answer); err != nil || answer.Error == "" {
		t.Errorf("%q is not a JSON error: %v", body, err)
	}
}

func put(t *testing.T, master Redis, text string) {
	t.Helper()
	must.Get(master.Do("SET", key, text))(t)
}

func held(t *testing.T, master Redis) string {
	t.Helper()
	text, err := redis.String(master.Do("GET", key))
	if err != nil && !errors.Is(err, redis.ErrNil) {
		t.Error(err)
	}
	return text
}
