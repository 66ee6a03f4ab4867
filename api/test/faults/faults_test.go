//go:build faults

// Package faults injects one fault at a time while simulated visitors use the guestbook.
//
// The environment variable FAULT_SCALE shortens the faults: with 0.3, each fault lasts 30 % of its time. By default, FAULT_SCALE is 1.
package faults

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

const (
	warmUp = 1500 * time.Millisecond // visitors use the guestbook for this time before the fault
	after  = 2 * time.Second
	// deadline is the longest time that a request may take: settings.RequestTimeout and half a second of tolerance.
	deadline = 2500 * time.Millisecond
	// recovered is how long it may take after the end of a fault until a write succeeds.
	recovered = time.Second
	// slack is how many more goroutines or files an API may have after each fault, because connections open and close all the time.
	slack = 30
)

// fault is a test case with one fault.
type fault struct {
	name, bound string
	setup       setup
	// prepare, if not nil, runs before the visitors send their first request.
	prepare func(*rig)
	// inject causes the fault, and returns when the fault is over.
	inject func(*rig)
	// instead, if not nil, replaces the simulated visitors and the function "inject".
	instead func(*rig)
	// Until the fault is over, reads and writes may fail with these statuses.
	reads, writes []int
	// keeps is how many more goroutines and open files the API may have after the fault, in addition to the constant "slack".
	keeps int
	// away limits each period in which no write succeeds. If awayInAll is true, "away" limits the sum of these periods instead.
	away      time.Duration
	awayInAll bool
	// measured is the index of a pod. The test compares the memory, goroutines and files of this pod's API before and after the fault.
	measured int
	// rollback is true if an unacknowledged entry may disappear after readers have seen it.
	rollback bool
}

type row struct {
	fault
	requests      int
	failed        map[int]int // how many requests failed with this HTTP status; 0 means no answer
	slowest       time.Duration
	recovery      time.Duration
	violation     error // not nil if no order of the requests explains the answers
	before, after usage
	memory        []int64 // peak memory of each process in measuredMemory, in bytes
	hiccup        time.Duration
	problems      []string
	wrong         bool // true if an answer or a stored text was wrong; false if there were only delays
	skipped       bool
	notes         []string
	alerts        []string
}

// quiet is a test case without a fault: all requests must succeed and no alert may fire.
var quiet = []fault{{
	name: "none, for 10 s", bound: "nothing fails, no alert fires", setup: setup{slaves: 2},
	inject: func(*rig) { time.Sleep(scaled(10 * time.Second)) },
}}

func TestFaults(t *testing.T) {
	var rows []row
	t.Cleanup(func() { publish(t, rows) })
	alarms = newWatch(t)
	for _, f := range slices.Concat(quiet, redisFaults, otherVersions(t), networkFaults, podFaults, abuse, sizes, haFaults) {
		t.Run(f.name, func(t *testing.T) {
			result := row{fault: f, problems: []string{"it did not come to an end"}}
			defer func() { rows = append(rows, result) }()
			for try := range 2 {
				t.Run("run", func(t *testing.T) {
					defer func() {
						if t.Skipped() {
							result = row{fault: f, skipped: true}
						}
					}()
					result = f.run(t)
				})
				if len(result.problems) == 0 || result.wrong || try > 0 {
					break
				}
				t.Logf("once more, for the bounds are times and others may be at work here: %v: %s", result.problems, result)
			}
			for _, p := range result.problems {
				t.Error(p)
			}
			t.Log(result, "longest hiccup:", result.hiccup)
		})
	}
}

// scaled returns d multiplied by the environment variable FAULT_SCALE.
func scaled(d time.Duration) time.Duration {
	if scale, err := strconv.ParseFloat(os.Getenv("FAULT_SCALE"), 64); err == nil {
		return time.Duration(float64(d) * scale)
	}
	return d
}

func (f fault) run(t *testing.T) row {
	r := newRig(t, f.setup)
	alarms.follow(r)
	if f.prepare != nil {
		f.prepare(r)
	}
	hiccup := measureHiccups(t)
	result := row{fault: f, failed: map[int]int{}, before: r.usage(r.pods[f.measured])}
	if f.instead != nil {
		r.started = time.Now()
		f.instead(r)
		r.ended = time.Now()
		result.after = r.settled(r.pods[f.measured], result.before, slack)
	} else {
		f.underLoad(r, &result)
	}
	if f.away > 0 {
		r.checkAway(f)
	}
	result.memory, result.alerts = r.peaks(), alarms.prometheus.Fired(t, r.started)
	result.notes = r.notes
	result.hiccup = time.Duration(hiccup.Load())
	result.checkBounds(r, r.load.requests)
	result.problems = append(result.problems, r.slower...)
	if f.name == quiet[0].name && len(result.alerts) > 0 {
		result.problems = append(result.problems, fmt.Sprintf("alerts fire: %v", result.alerts))
	}
	if result.violation != nil {
		result.problems = append(result.problems, result.violation.Error())
	}
	result.wrong = result.violation != nil || len(r.load.problems) > 0
	result.problems = append(result.problems, slices.Sorted(maps.Keys(r.load.problems))...)
	return result
}

func (f fault) underLoad(r *rig, result *row) {
	l := r.startLoad(book, f.rollback)
	r.Cleanup(l.cancel)
	r.load = l
	time.Sleep(warmUp)
	for until := time.Now().Add(waitLimit); l.done() < 50 && time.Now().Before(until); {
		time.Sleep(pace)
	}
	result.before = r.usage(r.pods[f.measured])
	r.started = time.Now()
	f.inject(r)
	if r.ended.IsZero() {
		r.ended = time.Now()
	}
	time.Sleep(after)
	result.after = r.settled(r.pods[f.measured], result.before, slack+f.keeps)
	l.finish()
	checking := time.Now()
	result.violation = l.check(f.name, r.stored(book), r.stored(legacyBook))
	r.Logf("the history was checked in %s", time.Since(checking).Round(time.Millisecond))
}
