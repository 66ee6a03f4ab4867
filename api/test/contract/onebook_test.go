package contract

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// The leader and follower edition ignores the key in a request: its one book is under the key guestbook.
func TestOneBookWhateverKeyIsNamed(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{APIEnv: []string{"GUESTBOOK_KEY=guestbook"}})
	podtest.Kill(t, pod.Slave) // so that each read is of what was just written
	base := pod.URL() + "/guestbook.php?"
	for i, key := range []string{"", "&key=messages", "&key=", "&key[]=x", "&key=other"} {
		value := ",from" + strings.Repeat("!", i)
		expect(t, base+"cmd=set"+key+"&value="+value, 200, updated)
		if got, err := redis.String(master.Do("GET", "guestbook")); got != value {
			t.Errorf("set with %q: the master holds %q, %v", key, got, err)
		}
		expect(t, base+"cmd=get"+key, 200, `{"data": "`+value+`"}`)
	}

	before, _ := redis.String(master.Do("GET", "guestbook"))
	v := visitors.Visitor{Base: pod.URL(), Client: &http.Client{Timeout: 5 * time.Second}}
	defer v.Client.CloseIdleConnections()
	id, err := v.Post(t.Context(), "posted")
	if err != nil || int(id) != len(before) {
		t.Errorf("an entry has the id %d, %v, want %d", id, err, len(before))
	}
	if entries, err := v.Page(t.Context(), -1); err != nil || len(entries) != 2 || entries[1].Text != "posted" {
		t.Errorf("the page has %v, %v", entries, err)
	}
	expect(t, pod.URL()+"/guestbook/entries?key=other&limit=1", 200, "")
	if err := v.Watch(t.Context(), -1, func(_ int64, text string) bool { return text != "posted" }); err != nil {
		t.Errorf("watching: %v", err)
	}

	// A repeated post is recognised although it names another key.
	post := func(key string) string {
		request, err := http.NewRequest(http.MethodPost, pod.URL()+"/guestbook/entries", strings.NewReader(url.Values{"text": {"once"}, "key": {key}}.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		request.Header.Set("Idempotency-Key", "k")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusCreated {
			t.Errorf("a post to %q answers %d", key, response.StatusCode)
		}
		held, _ := redis.String(master.Do("GET", "guestbook"))
		return held
	}
	if first, second := post("a"), post("b"); first != before+",posted,once" || first != second {
		t.Errorf("after a post and its repeat under another key: %q, %q", first, second)
	}
	if keys, err := redis.Strings(master.Do("KEYS", "*messages*")); err != nil || len(keys) > 0 {
		t.Errorf("other keys were written: %q, %v", keys, err)
	}
}
