package browser

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
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

// During a rollout a page of the PHP frontend may get its script from one of our pods.
func TestAPHPPageWithOurScriptLoadsItselfAgainOnce(t *testing.T) {
	t.Parallel()
	pod, _ := podtest.Pod(t, localpod.Options{})
	front := newFront(t, pod)
	var loads atomic.Int32
	php := func(w http.ResponseWriter, _ *http.Request) {
		loads.Add(1)
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, `<html ng-app="redis"><title>PHP</title><link rel="icon" href="data:,"><script src="controllers.js"></script></html>`)
	}
	front.serveDocument(http.HandlerFunc(php))
	p := visit(t, front.URL, visitor{})
	p.await("the page to have loaded itself again", `performance.getEntriesByType("navigation")[0].type === "reload" && document.readyState === "complete"`)
	if n := loads.Load(); n != 2 {
		t.Errorf("the page was loaded %d times", n)
	}
	front.serveDocument(nil) // a new pod has the document, too
	p.reload()
	p.awaitState("live")
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
