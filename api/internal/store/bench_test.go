package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// A post and a read of the newest page take as long in a guestbook of a million entries as in a guestbook of a hundred entries.
func BenchmarkLengthOfBook(b *testing.B) {
	s, master := openShared(b)
	ctx := within(b, 5*time.Minute)
	for _, size := range []int{100, 1_000_000} {
		key := fmt.Sprint(size)
		podtest.Do(b, master, "SET", key, strings.Repeat(",A message of thirty bytes.....", size))
		podtest.Do(b, master, "WAIT", 1, 10_000)
		for _, what := range []string{"append", "page"} {
			call := calls(ctx, s, key)[what]
			must.OK(b, call()) // the first call dials Redis
			b.Run(what+"/"+key, func(b *testing.B) {
				for b.Loop() {
					must.OK(b, call())
				}
			})
		}
	}
}
