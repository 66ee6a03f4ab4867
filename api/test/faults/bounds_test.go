//go:build faults

package faults

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
)

// settled waits until the API has about as many goroutines and open files as before the fault, but at most ten seconds.
func (r *rig) settled(pod *localpod.Pod, before usage, slack int) (now usage) {
	r.Helper()
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		now = r.usage(pod)
		if now.goroutines <= before.goroutines+slack && now.files <= before.files+slack || time.Now().After(until) {
			return now
		}
	}
}

// checkBounds reports a problem for each request or measurement that exceeds its limit. Each time limit grows by four times the longest
// measured delay, because a busy machine may delay every step.
func (result *row) checkBounds(r *rig) {
	problem := func(format string, args ...any) {
		if text := fmt.Sprintf(format, args...); len(result.problems) < 20 && !slices.Contains(result.problems, text) {
			result.problems = append(result.problems, text)
		}
	}
	const unnoticed = 300 * time.Millisecond
	grace := 4 * result.hiccup
	result.recovery = -1
	late, written := 0, r.started // written is the time of the latest successful write
	var away, inAll time.Duration
	for _, q := range r.load.requests {
		write, withSeen := q.What == "post" || q.What == "set", q.What == "page as new as one seen"
		ok := q.Err == nil && (q.Status == http.StatusOK || q.Status == http.StatusCreated)
		end := q.Start.Add(q.Took)
		if end.Before(r.started) {
			if !ok {
				problem("before the fault a %s failed: %d, %v", q.What, q.Status, q.Err)
			}
			continue
		}
		result.requests++
		result.slowest = max(result.slowest, q.Took)
		if ok && write {
			gap := end.Sub(written)
			away, written = max(away, gap), end
			if gap > unnoticed {
				inAll += gap
			}
		}
		if ok && write && result.recovery < 0 && end.After(r.ended) {
			result.recovery = end.Sub(r.ended)
		}
		if ok {
			continue
		}
		result.failed[q.Status]++
		if result.rollback && withSeen && q.Status == http.StatusBadRequest {
			continue
		}
		allowed := result.reads
		if write || withSeen {
			// A read with seen=ID may return 503 while the master is down, because the API asks the master for an entry that the slave
			// lacks.
			allowed = result.writes
		}
		if q.What == longGet {
			allowed = []int{http.StatusRequestEntityTooLarge, http.StatusServiceUnavailable}
		}
		if !slices.Contains(allowed, q.Status) {
			problem("a %s failed: %d, %v", q.What, q.Status, q.Err)
		}
		if q.Start.After(r.ended.Add(recovered + grace)) {
			late++
		}
	}
	if late > 0 {
		problem("%d requests failed that were sent more than %s after the fault", late, recovered+grace)
	}
	if result.slowest > deadline+grace {
		problem("a request took %s; at most %s are allowed", result.slowest, deadline+grace)
	}
	if !result.alone && (result.recovery < 0 || result.recovery > recovered+grace) {
		problem("writes succeeded again after %s; at most %s are allowed", result.recovery, recovered+grace)
	}
	if result.away > 0 {
		r.addNote("writes were away for %.1f s at most, %.1f s in all", away.Seconds(), inAll.Seconds())
		if most := result.away + grace; away > most || result.awayInAll && inAll > most {
			problem("writes were away for %s, %s in all; at most %s are allowed", away, inAll, most)
		}
	}
	for i, limit := range memoryLimits {
		if result.memory[i] > limits.Figure(r, limit)>>20 {
			problem("%d MB are more than the %s", result.memory[i], limit)
		}
	}
	before, now := result.before, result.after
	if most := slack + result.keeps; now.goroutines > before.goroutines+most || now.files > before.files+most {
		problem("the API has %d goroutines and %d open files, before it had %d and %d", now.goroutines, now.files, before.goroutines, before.files)
	}
}
