//go:build faults

package faults

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// TestSoak simulates visitors for the time in the environment variable SOAK, such as 10m. The API's memory, files and goroutines must not
// grow without end.
func TestSoak(t *testing.T) {
	length, err := time.ParseDuration(os.Getenv("SOAK"))
	if err != nil {
		t.Skip("SOAK says for how long, such as 10m")
	}
	pace *= 10 // visitors send requests less often, because history.Check would be too slow for a hundred thousand writes
	alarms = newWatch(t)
	r := newRig(t, setup{slaves: 2})
	alarms.follow(r)
	// The page of the PHP guestbook reads legacyBook, whose length does not grow. With a growing guestbook, the API's memory would grow
	// even without a leak.
	r.startLoad(legacyBook, false)
	time.Sleep(length)
	// most is the largest allowed growth of the metric per minute. In a test of less than five minutes, random changes of
	// a metric can look like growth.
	for metric, most := range map[string]float64{"process_resident_memory_bytes": 5 << 20, "process_open_fds": 5, "go_goroutines": 5} {
		// The query omits the first fifth of the test, in which caches and connection pools fill.
		query := fmt.Sprintf(`max(60 * deriv(%s{job="0/frontend"}[%dms]))`, metric, (length * 4 / 5).Milliseconds())
		series := alarms.prometheus.Query(t, query)
		if len(series) != 1 {
			t.Fatalf("%s returns %v", query, series)
		}
		growth := must.Get(strconv.ParseFloat(series[0].Value[1].(string), 64))(t)
		t.Logf("%s: %+.2f a minute", metric, growth)
		if growth > most && length >= 5*time.Minute {
			t.Errorf("%s grows by %.2f a minute", metric, growth)
		}
	}
	r.load.finish()
	r.checkHistory("soak", book, legacyBook)
	for p := range r.load.problems {
		t.Error(p)
	}
	t.Logf("%d requests in %s", len(r.load.requests), length)
}
