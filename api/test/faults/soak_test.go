//go:build faults

package faults

import (
	"os"
	"testing"
	"time"
)

// TestSoak has visitors at work for the time SOAK, and reports what the API holds more of each minute.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("SOAK says for how long, such as 10m")
	}
	pace *= 10 // a history of a hundred thousand writes takes too long to check
	r := newRig(t, setup{slaves: 2})
	// Old pages read the short book: the other grows, and with it what one answer takes.
	l := r.startLoad(legacyBook, false)
	t.Cleanup(l.cancel)
	time.Sleep(length / 5) // until caches and pools are what they will be

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
	for _, what := range []struct {
		name, unit string
		most       float64 // per minute
		value      func(usage) float64
	}{
		{"memory", "MB", 5, func(u usage) float64 { return float64(u.memory) / (1 << 20) }},
		{"open files", "", 5, func(u usage) float64 { return float64(u.files) }},
		{"goroutines", "", 5, func(u usage) float64 { return float64(u.goroutines) }},
	} {
		perMinute := slope(at, held, what.value)
		t.Logf("%s: %.1f %s at first, %.1f at last, %+.2f a minute", what.name, what.value(held[0]), what.unit, what.value(held[len(held)-1]), perMinute)
		// In a short soak, noise has a slope as well.
		if perMinute > what.most && length >= 5*time.Minute {
			t.Errorf("the API comes to hold more and more %s", what.name)
		}
	}
}

// slope returns by how much a value grows per minute, by least squares.
func slope(at []time.Duration, held []usage, value func(usage) float64) float64 {
	n, x, y, xx, xy := float64(len(at)), 0.0, 0.0, 0.0, 0.0
	for i := range at {
		minutes, v := at[i].Minutes(), value(held[i])
		x, y, xx, xy = x+minutes, y+v, xx+minutes*minutes, xy+minutes*v
	}
	return (n*xy - x*y) / (n*xx - x*x)
}
