package contract

import (
	"net/http"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// With GUESTBOOK_KEY=guestbook, the API ignores the parameter key of a request, and always uses the Redis key guestbook.
func TestOneBookWhateverKeyIsNamed(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{APIEnv: []string{"GUESTBOOK_KEY=guestbook"}})
	podtest.Kill(t, pod.Slave) // without the slave, the API sends each read to the master
	base := pod.URL() + "/guestbook.php?"
	for i, key := range []string{"", "&key=messages", "&key=", "&key[]=x", "&key=other"} {
		text := ",from" + strings.Repeat("!", i)
		expect(t, base+"cmd=set"+key+"&value="+text, 200, updated)
		if got := value(t, master); got != text {
			t.Errorf("set with %q: the master holds %q", key, got)
		}
		expect(t, base+"cmd=get"+key, 200, `{"data": "`+text+`"}`)
	}

	before := value(t, master)
	v := visitors.Visitor{Base: pod.URL(), Client: must.Client}
	if id := must.Get(v.Post(t.Context(), "posted"))(t); int(id) != len(before) {
		t.Errorf("an entry has the id %d, want %d", id, len(before))
	}
	if entries := must.Get(v.Page(t.Context(), -1))(t); len(entries) != 2 || entries[1].Text != "posted" {
		t.Errorf("the page has %v", entries)
	}
	expect(t, pod.URL()+"/guestbook/entries?key=other&limit=1", 200, "")
	must.OK(t, v.Watch(t.Context(), -1, func(_ int64, text string) bool { return text != "posted" }))

	// The API recognises a repeated post by its Idempotency-Key, even if the repeat has another value of the parameter key.
	for _, key := range []string{"a", "b"} {
		response, _ := must.Do(t, http.MethodPost, pod.URL()+"/guestbook/entries", strings.NewReader("text=once&key="+key),
			"Content-Type", "application/x-www-form-urlencoded", "Idempotency-Key", "k")
		if held := value(t, master); response.StatusCode != http.StatusCreated || held != before+",posted,once" {
			t.Errorf("a post to %q answers %d, and the book is %q", key, response.StatusCode, held)
		}
	}
	if keys := must.Get(redis.Strings(master.Do("KEYS", "*messages*")))(t); len(keys) > 0 {
		t.Errorf("other keys were written: %q", keys)
	}
}

// value returns the text at the Redis key guestbook.
func value(t *testing.T, master redis.Conn) string {
	t.Helper()
	return must.Get(redis.String(master.Do("GET", "guestbook")))(t)
}
