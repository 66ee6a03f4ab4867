package store_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// BenchmarkLengthOfBook compares a guestbook of a million entries with a guestbook of a hundred entries. The result is the ratio of the two
// median times, for a post and for a read of the newest page.
func BenchmarkLengthOfBook(b *testing.B) {
	s, master := openShared(b)
	sizes := []int{100, 1_000_000}
	for _, size := range sizes {
		podtest.Do(b, master, "SET", fmt.Sprint(size), strings.Repeat(",A message of thirty bytes.....", size))
	}
	podtest.Do(b, master, "WAIT", 1, 10_000)
	ctx := within(b, 5*time.Minute)
	var posts, pages [2][]float64
	for range max(b.N, 300) {
		for i, size := range sizes { // alternates between the two sizes, so that the machine's load affects both alike
			key := fmt.Sprint(size)
			start := time.Now()
			_, _, err := s.Append(ctx, key, "", "A message of thirty bytes.....")
			must.OK(b, err)
			posted := time.Now()
			_, _, err = s.Page(ctx, key, -1, -1, 50)
			must.OK(b, err)
			posts[i] = append(posts[i], posted.Sub(start).Seconds())
			pages[i] = append(pages[i], time.Since(posted).Seconds())
		}
	}
	ratio := func(times [2][]float64) float64 {
		for i := range times {
			slices.Sort(times[i])
		}
		return times[1][len(times[1])/2] / times[0][len(times[0])/2]
	}
	b.ReportMetric(ratio(posts), "post-ratio")
	b.ReportMetric(ratio(pages), "page-ratio")
}
