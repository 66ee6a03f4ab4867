package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
)

// oldPod answers as the PHP frontend does: guestbook.php with its two commands, and nothing else.
func oldPod(t *testing.T, master redis.Conn) http.Handler {
	requests := make(chan struct{}, 1) // the connection serves one at a time
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/guestbook.php" {
			http.Error(w, "<h1>Not Found</h1>", http.StatusNotFound)
			return
		}
		requests <- struct{}{}
		defer func() { <-requests }()
		answer := map[string]string{"message": "Updated"}
		var err error
		if r.FormValue("cmd") == "set" {
			_, err = master.Do("SET", r.FormValue("key"), r.FormValue("value"))
		} else {
			answer = map[string]string{}
			answer["data"], err = redis.String(master.Do("GET", r.FormValue("key")))
		}
		if err != nil {
			t.Error(err)
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(answer) // the browser may have gone
	})
}

// While a new version is rolled out, the files of one page load may come from pods of both. The script does without what
// the version before did not have.
func TestTheScriptWorksInThePageOfTheVersionBefore(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(root, "nginx", "html", "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	var before []string
	for line := range strings.Lines(string(index)) {
		if !strings.Contains(line, `id="notice"`) && !strings.Contains(line, `id="stuck"`) && !strings.Contains(line, `id="answerer"`) {
			before = append(before, line)
		}
	}
	if after := strings.Count(string(index), "\n"); len(before) != after-3 {
		t.Fatalf("%d lines of %d", len(before), after)
	}
	front := newFront(t, pod)
	front.index = strings.Join(before, "")
	write(t, master, "first")
	p := visit(t, front.URL+"/#e3", visitor{})
	p.awaitState("live")
	p.sign("second")
	p.awaitEntries("first", "second")
}

// An old pod can only write the whole book anew, and lose what others write meanwhile. So the page reads through it, and
// what the visitor signs waits for a new pod.
func TestThePageReadsFromAnOldPodAndWritesToANewOne(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	old := podtest.Dial(t, pod.Ports.Master)
	rollout := newFront(t, pod)
	rollout.serveOld(oldPod(t, old))
	const raw = ",by PHP,100%25 sure,tea%2C or coffee%252C"
	podtest.Do(t, master, "SET", key, raw)
	p := visit(t, rollout.URL, visitor{hurried: true})
	p.expect(outage) // of the addresses that the old pod does not know
	texts := []string{"by PHP", "100%25 sure", "tea, or coffee%2C"}
	p.awaitEntries(texts...)
	p.awaitState("polling")

	p.sign("by the new page, at 100%2C")
	p.await("the visitor to be told", `document.querySelector(".pending .note")?.textContent ===
		"The guestbook is being updated. Your entry waits here until that is done."`)
	p.await("a way to take it back", `document.querySelector(".pending .edit") && document.querySelector(".pending .discard")`)
	if got, err := redis.String(master.Do("GET", key)); err != nil || got != raw {
		t.Errorf("Redis holds %q, %v", got, err)
	}
	podtest.Do(t, master, "SET", key, raw+",by an old page")
	p.await("what others write to be shown", `[...document.querySelectorAll(".words")].some((words) => words.textContent === "by an old page")`)
	tries := len(p.sent("POST", "/guestbook/entries"))
	p.awaitNil("it to be tried for as long as it takes", func() error {
		if n := len(p.sent("POST", "/guestbook/entries")); n < tries+8 {
			return fmt.Errorf("%d tries", n)
		}
		return nil
	})

	rollout.serveOld(nil)
	texts = append(texts, "by an old page", "by the new page, at 100%2C")
	p.awaitEntries(texts...)
	p.awaitState("live")
	if got := book(t, master); !slices.Equal(got, texts) {
		t.Errorf("the new API reads it as %q", got)
	}
	write(t, master, "from elsewhere")
	p.awaitEntries(append(texts, "from elsewhere")...)
	if posts, keys := p.sent("POST", "/guestbook/entries"), p.idempotencyKeys(); posts[len(posts)-1].status != http.StatusCreated || len(keys) != 1 {
		t.Errorf("posted under the keys %q, at last %+v", keys, posts[len(posts)-1])
	}
}
