//go:build faults

package faults

import (
	"os"
	"testing"
	"time"
)

// TestSoak simulates visitors for the time in the environment variable SOAK, such as 10m. The API's memory, files and goroutines must not
// grow without end.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("SOAK says for how long, such as 10m")
	}
	pace *= 10 // fewer writes, because a check of a hundred thousand would take too long
	r := newRig(t, setup{slaves: 2})
	// The page of the PHP guestbook reads the key legacyBook, whose guestbook does not grow. With a growing guestbook, the API's memory
	// would grow even without a leak.
	l := r.startLoad(legacyBook, false)
	t.Cleanup(l.cancel)
	time.Sleep(length / 5) // caches and connection pools fill in this time

	var at []time.Duration
	var held []usage
	for start := time.Now(); time.Since(start) < length*4/5; time.Sleep(min(5*time.Second, length/50)) {
		at = append(at, time.Since(start))
		held = append(held, r.usage(r.pods[0]))
	}
	l.finish()
	if err := l.check("soak", r.book(r.masterPort, book), r.book(r.masterPort, legacyBook)); err != nil {
		t.Error(err)
	}
	failed := 0
	for _, q := range l.requests {
		if q.Err != nil || q.Status >= 400 {
			failed++
		}
	}
	t.Logf("%d requests in %s, %d failed", len(l.requests), length, failed)
	for p := range l.problems {
		t.Error(p)
	}
	const most = 5 // the largest growth in MB, files or goroutines per minute
	for name, value := range map[string]func(usage) float64{
		"MB":         func(u usage) float64 { return float64(u.memory) / (1 << 20) },
		"open files": func(u usage) float64 { return float64(u.files) },
		"goroutines": func(u usage) float64 { return float64(u.goroutines) },
	} {
		perMinute := slope(at, held, value)
		t.Logf("%s: %.1f at first, %.1f at last, %+.2f a minute", name, value(held[0]), value(held[len(held)-1]), perMinute)
		// In less than five minutes, random changes can look like growth.
		if perMinute > most && length >= 5*time.Minute {
			t.Errorf("the API comes to hold more and more %s", name)
		}
	}
}

// slope returns how much a measured value grows per minute, as the slope of the line that fits the values best (least squares).
func slope(at []time.Duration, held []usage, value func(usage) float64) float64 {
	n, x, y, xx, xy := float64(len(at)), 0.0, 0.0, 0.0, 0.0
	for i := range at {
		minutes, v := at[i].Minutes(), value(held[i])
		x, y, xx, xy = x+minutes, y+v, xx+minutes*minutes, xy+minutes*v
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
