package browser

import (
	"net/http"
	"slices"
	"testing"

	"guestbook/api/test/kit/must"
)

// oldPod behaves like a pod of the PHP guestbook: it forwards requests for guestbook.php, and answers all other requests with 404.
func (f *proxy) oldPod() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/guestbook.php", f.pod)
	mux.Handle("/", html(http.StatusNotFound, "<h1>Not Found</h1>"))
	return mux
}

// During a rollout, the PHP guestbook's page may load controllers.js from a new pod. The new controllers.js reloads the PHP page once.
func TestAPHPPageWithOurScriptLoadsItselfAgainOnce(t *testing.T) {
	front := newProxy(t, newBook(t))
	const page = `<html ng-app="redis"><title>PHP</title><link rel="icon" href="data:,"><script src="controllers.js"></script></html>`
	front.serve(document, html(http.StatusOK, page))
	p := load(t, front.URL, visitor{})
	p.await("the page to have loaded itself again", `performance.getEntriesByType("navigation")[0].type === "reload" && document.readyState === "complete"`)
	if loads := slices.DeleteFunc(p.sent("GET", front.URL), func(r request) bool { return r.kind != "Document" }); len(loads) != 2 {
		t.Errorf("the page was loaded %d times", len(loads))
	}
	front.serve(document, nil) // from now on, the new pod serves the document
	p.reload()
	p.awaitState("live")
}

// While only a pod of the PHP guestbook answers, the page reads from this pod. A visitor's entry waits until a new pod answers, because a
// PHP pod can only overwrite the whole guestbook.
func TestThePageReadsFromAnOldPodAndWritesToANewOne(t *testing.T) {
	b := newBook(t)
	front := newProxy(t, b)
	front.serve(api, front.oldPod())
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
	p.await("what others write to be shown", `shownEntries().some(({ Text }) => Text === "by an old page")`)
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
