//go:build faults

package faults

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/visitors"
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
func (result *row) checkBounds(r *rig, requests []visitors.Request) {
	problem := func(format string, args ...any) {
		result.problems = append(result.problems, fmt.Sprintf(format, args...))
	}
	grace := 4 * result.hiccup
	result.recovery = -1
	late := 0
	unexpected := map[string]int{}
	for _, q := range requests {
		write := q.What == "post" || q.What == "set"
		ok := q.Err == nil && (q.Status == http.StatusOK || q.Status == http.StatusCreated)
		end := q.Start.Add(q.Took)
		if ok && write && end.After(r.ended) {
			if took := end.Sub(r.ended); result.recovery < 0 || took < result.recovery {
				result.recovery = took
			}
		}
		if end.Before(r.started) {
			if !ok {
				problem("before the fault a %s failed: %d, %v", q.What, q.Status, q.Err)
			}
			continue
		}
		result.requests++
		result.slowest = max(result.slowest, q.Took)
		if ok {
			continue
		}
		status := q.Status
		if q.Err != nil {
			status = 0
		}
		result.failed[status]++
		allowed := result.reads
		if write {
			allowed = result.writes
		} else if q.What == "page as new as one seen" && slices.Contains(result.writes, http.StatusServiceUnavailable) {
			// A read with seen=ID may return 503 while the master is down, because the API asks the master for an entry that the slave
			// lacks.
			allowed = append(slices.Clone(allowed), http.StatusServiceUnavailable)
		}
		if result.rollback && q.What == "page as new as one seen" && status == http.StatusBadRequest {
			continue
		}
		if !slices.Contains(allowed, status) {
			unexpected[fmt.Sprintf("a %s failed: %d, %v", q.What, q.Status, q.Err)]++
		}
		if q.Start.After(r.ended.Add(recovered + grace)) {
			late++
		}
	}
	for what, n := range unexpected {
		problem("%s (%d times)", what, n)
		if len(result.problems) > 10 {
			break
		}
	}
	if late > 0 {
		problem("%d requests failed that were sent more than %s after the fault", late, recovered+grace)
	}
	if result.slowest > deadline+grace {
		problem("a request took %s; at most %s are allowed", result.slowest, deadline+grace)
	}
	if result.instead == nil && (result.recovery < 0 || result.recovery > recovered+grace) {
		problem("writes succeeded again after %s; at most %s are allowed", result.recovery, recovered+grace)
	}
	for i, m := range measuredMemory {
		if result.memory[i] > limits.Figure(r, m.limit) {
			problem("%s took %d MB, more than its limit in the manifest", m.name, result.memory[i]>>20)
		}
	}
	for _, held := range []struct {
		what          string
		before, after int
	}{{"goroutines", result.before.goroutines, result.after.goroutines}, {"open files", result.before.files, result.after.files}} {
		if held.after > held.before+slack+result.keeps {
			problem("the API has %d %s, before it had %d", held.after, held.what, held.before)
		}
	}
}

// checkAway measures how long no write succeeded. If the time exceeds the fault's field "away", checkAway reports a problem.
func (r *rig) checkAway(f fault) {
	const unnoticed = 300 * time.Millisecond
	ends := []time.Time{r.started}
	for _, q := range r.load.requests {
		if end := q.Start.Add(q.Took); (q.What == "post" || q.What == "set") && q.Err == nil && q.Status < 300 && end.After(r.started) {
			ends = append(ends, end)
		}
	}
	slices.SortFunc(ends, time.Time.Compare)
	var longest, sum time.Duration
	for i := range ends[1:] {
		gap := ends[i+1].Sub(ends[i])
		longest = max(longest, gap)
		if gap > unnoticed {
			sum += gap
		}
	}
	r.addNote("writes were away for %.1f s at most, %.1f s in all", longest.Seconds(), sum.Seconds())
	if away := map[bool]time.Duration{false: longest, true: sum}[f.awayInAll]; away > f.away {
		r.slow("writes were away for %s; at most %s are allowed", away, f.away)
	}
}
