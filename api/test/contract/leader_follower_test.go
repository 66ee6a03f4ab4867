package contract

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// With GUESTBOOK_KEY=guestbook, the API ignores the parameter "key" of a request, and always uses the Redis key "guestbook". A request
// without the parameter "key" succeeds.
func TestOneBookWhateverKeyIsNamed(t *testing.T) {
	pod, master := podtest.Pod(t, localpod.Options{APIEnv: []string{"GUESTBOOK_KEY=guestbook"}})
	known := filepath.Join(t.TempDir(), "known")
	must.Write(t, known, strings.Join([]string{
		"php/a key names a book", "php/set without key", "php/set with an empty key", "php/set with a list as key",
		"php/get without key", "php/get with an empty key", "entries/entries of an empty key",
	}, "\n"))
	conform(t, pod.URL(), "-skip", "concurrent", "-known", known)
	// The API recognises a repeated post, even if the first post and the repeat have different parameters "key".
	keys := must.Get(redis.Strings(master.Do("KEYS", "*")))(t)
	if others := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return strings.HasPrefix(key, "{guestbook}:") }); !slices.Equal(others, []string{"guestbook"}) {
		t.Errorf("Redis holds the keys %q", keys)
	}
}
