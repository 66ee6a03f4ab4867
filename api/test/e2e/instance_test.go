//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// Two guestbooks in one namespace: what is posted to one is in that one alone.
func TestTwoGuestbooks(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	n.kubectl("apply", "-k", manifests)
	n.kubectl("apply", "-k", n.kustomization("instance"))
	n.ready()
	first, second := "http://"+n.forward("service/frontend", "80"), "http://"+n.forward("service/frontend-second", "80")
	const entries = 8
	for i := range entries {
		for _, base := range []string{first, second} {
			response := must.Get(http.PostForm(base+"/guestbook/entries", url.Values{"text": {fmt.Sprintf("%s %d", base, i)}}))(t)
			response.Body.Close()
			if response.StatusCode != http.StatusCreated {
				t.Fatalf("a post is answered %s", response.Status)
			}
		}
	}
	for _, base := range []string{first, second} {
		var body string
		n.await("all entries are read from "+base, 20*time.Second, func() bool {
			response := must.Get(http.Get(base + "/guestbook/?cmd=get&key=messages"))(t)
			defer response.Body.Close()
			text, _ := io.ReadAll(response.Body)
			body = string(text)
			return strings.Count(body, base+" ") == entries
		})
		if other := map[string]string{first: second, second: first}[base]; strings.Contains(body, other+" ") {
			t.Errorf("%s has entries of %s: %s", base, other, body)
		}
	}
}
