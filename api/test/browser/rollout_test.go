package browser

import (
	"encoding/json"
	"net/http"
	"slices"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// oldPod answers as a pod of the PHP guestbook does: it serves guestbook.php with the commands get and set, and nothing else.
func oldPod(t *testing.T, b *book) http.Handler {
	master := podtest.Dial(t, b.Ports.Master)
	requests := make(chan struct{}, 1) // the Redis connection serves one request at a time
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
		_ = json.NewEncoder(w).Encode(answer) // the browser may have closed the connection
	})
}

// During a rollout, a page of the PHP guestbook may load its script from a new pod, and then reloads itself once.
func TestAPHPPageWithOurScriptLoadsItselfAgainOnce(t *testing.T) {
	front := newProxy(t, newBook(t))
	front.serve(document, html(http.StatusOK, `<html ng-app="redis"><title>PHP</title><link rel="icon" href="data:,"><script src="controllers.js"></script></html>`))
	p := load(t, front.URL, visitor{})
	p.await("the page to have loaded itself again", `performance.getEntriesByType("navigation")[0].type === "reload" && document.readyState === "complete"`)
	if loads := slices.DeleteFunc(p.sent("GET", front.URL), func(r request) bool { return r.kind != "Document" }); len(loads) != 2 {
		t.Errorf("the page was loaded %d times", len(loads))
	}
	front.serve(document, nil) // the new pod now answers requests for the document
	p.reload()
	p.awaitState("live")
}

// A pod of the PHP guestbook can only rewrite the whole guestbook, and may lose entries that others write at that moment. So the page reads
// from a pod of the PHP guestbook, but a visitor's entry waits until a new pod answers.
func TestThePageReadsFromAnOldPodAndWritesToANewOne(t *testing.T) {
	b := newBook(t)
	front := newProxy(t, b)
	front.serve(api, oldPod(t, b))
	const raw = ",by PHP,100%25 sure,tea%2C or coffee%252C"
	b.do("SET", key, raw)
	p := load(t, front.URL, visitor{hurried: true})
	texts := []string{"by PHP", "100%25 sure", "tea, or coffee%2C"}
	p.awaitEntries(texts...)
	p.awaitState("polling")

	p.sign("by the new page, at 100%2C")
	p.awaitText(".pending .note", "The guestbook is being updated. Your entry waits here until that is done.")
	p.await("a way to take it back", `document.querySelector(".pending .edit") && document.querySelector(".pending .discard")`)
	if got := b.raw(); got != raw {
		t.Errorf("Redis holds %q", got)
	}
	b.do("SET", key, raw+",by an old page")
	p.await("what others write to be shown", `[...document.querySelectorAll(".words")].some((words) => words.textContent === "by an old page")`)
	tries := len(p.posts())
	must.Hold(t, "it to be tried for as long as it takes", waitLimit, func() bool { return len(p.posts()) >= tries+8 })

	front.serve(api, nil)
	texts = append(texts, "by an old page", "by the new page, at 100%2C")
	p.awaitEntries(texts...)
	p.awaitState("live")
	b.check(texts...)
	b.write("from elsewhere")
	p.awaitEntries(append(texts, "from elsewhere")...)
	if sent, keys := p.posts(), p.idempotencyKeys(); sent[len(sent)-1].status != http.StatusCreated || len(keys) != 1 {
		t.Errorf("posted under the keys %q, at last %+v", keys, sent[len(sent)-1])
	}
}
