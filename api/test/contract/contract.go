// Package contract tests that a deployment of the guestbook behaves as clients of guestbook.php expect.
package contract

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/must"
)

const (
	key     = "messages"
	updated = `{"message": "Updated"}`
)

// Run runs the conformance program on the guestbook at the URL base, such as http://127.0.0.1:8000. Run also sets a text of all 256 byte
// values, and expects the same text in the Redis master. Run overwrites the Redis key "messages".
func Run(t *testing.T, base string, master redis.Conn) {
	conform(t, base, "-key", key, "-profiles", "php,entries,live,concurrent,limits,origin")
	var every strings.Builder
	for c := range 256 {
		every.WriteByte(byte(c))
	}
	expect(t, base+"/guestbook/?cmd=set&key="+key+"&value="+url.QueryEscape(every.String()), 200, updated)
	if got := must.Get(redis.String(master.Do("GET", key)))(t); got != every.String() {
		t.Errorf("of a set of every byte Redis holds %q", got)
	}
}

func conform(t *testing.T, base string, args ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), "go", append([]string{"run", "./api/test/conformance", "-url", base}, args...)...)
	program.Dir = must.Root(t)
	program.Env = append(os.Environ(), "GOOS=", "GOARCH=") // builds for this machine, even if the API is built for arm64
	must.Run(t, program)
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
