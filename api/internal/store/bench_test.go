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
		b.Run("post/"+key, func(b *testing.B) {
			for b.Loop() {
				_, _, err := s.Append(ctx, key, "", "A message of thirty bytes.....")
				must.OK(b, err)
			}
		})
		b.Run("page/"+key, func(b *testing.B) {
			for b.Loop() {
				_, _, err := s.Page(ctx, key, -1, -1, 50)
				must.OK(b, err)
			}
		})
	}
}
