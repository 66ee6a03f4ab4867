package browser

import (
	"encoding/json"
	"fmt"
	"net/http"
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

func TestThePageWorksWithAnOldPodAndMovesOn(t *testing.T) {
	t.Parallel()
	pod, master := podtest.Pod(t, localpod.Options{})
	old := podtest.Dial(t, pod.Ports.Master)
	rollout := newFront(t, pod)
	rollout.serveOld(oldPod(t, old))
	podtest.Do(t, master, "SET", key, ",by PHP,100%25 sure,tea%2C or coffee%252C")
	p := visit(t, rollout.URL, visitor{hurried: true})
	p.expect(outage) // of the addresses that the old pod does not know
	texts := []string{"by PHP", "100%25 sure", "tea, or coffee%2C"}
	p.awaitEntries(texts...)
	p.awaitState("legacy")

	p.sign("by the new page, at 100%2C")
	texts = append(texts, "by the new page, at 100%2C")
	p.awaitEntries(texts...)
	const raw = ",by PHP,100%25 sure,tea%2C or coffee%252C,by the new page%2C at 100%252C"
	if got, err := redis.String(master.Do("GET", key)); err != nil || got != raw {
		t.Errorf("Redis holds %q, %v", got, err)
	}
	podtest.Do(t, master, "SET", key, raw+",by an old page")
	texts = append(texts, "by an old page")
	p.awaitEntries(texts...)
	if got := book(t, master); fmt.Sprint(got) != fmt.Sprint(texts) {
		t.Errorf("the new API reads it as %q", got)
	}

	rollout.serveOld(nil)
	p.awaitState("live")
	p.sign("live")
	texts = append(texts, "live")
	p.awaitEntries(texts...)
	write(t, master, "from elsewhere")
	p.awaitEntries(append(texts, "from elsewhere")...)
	if posts := p.sent("POST", "/guestbook/entries"); posts[len(posts)-1].status != http.StatusCreated {
		t.Errorf("the last entry was not posted by itself: %+v", posts)
	}
}
