//go:build faults

// Package faults injects one fault at a time while simulated visitors use the guestbook.
//
// The environment variable FAULT_SCALE (default 1) multiplies the duration of each fault.
package faults

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
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
	// alone is true if the function "inject" sends all requests, and no simulated visitors use the guestbook.
	alone bool
	// reads and writes are the HTTP statuses with which requests may fail during the fault.
	reads, writes []int
	// keeps is how many goroutines or files the API may keep after the fault, in addition to the constant "slack".
	keeps int
	// away is the longest allowed time without a successful write.
	away      time.Duration
	awayInAll bool // true if "away" limits the total time without a successful write
	// measured is the index of the pod whose goroutines and files the test counts before and after the fault.
	measured int
	// rollback is true if an unacknowledged entry may disappear after readers have seen it.
	rollback bool
}

type row struct {
	fault
	requests      int
	failed        map[int]int // number of failed requests by HTTP status (0 if there was no answer); nil if the test ended early
	slowest       time.Duration
	recovery      time.Duration
	before, after usage
	memory        []int64 // peak memory of the API, nginx and the Redis master, in MB
	hiccup        time.Duration
	problems      []string
	wrong         bool // true if an answer or a stored text was wrong; false if there were only delays
	notes, alerts []string
}

// quiet is a test case without a fault: all requests must succeed and no alert may fire.
var quiet = []fault{{
	name: "none, for 10 s", bound: "nothing fails, no alert fires", setup: setup{slaves: 2},
	inject: func(*rig) { time.Sleep(scaled(10 * time.Second)) },
}}

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // silences toxiproxy, which logs by zerolog
	os.Exit(podtest.Main(m))
}

func TestFaults(t *testing.T) {
	var rows []row
	t.Cleanup(func() { publish(t, rows) })
	alarms = newWatch(t)
	for _, f := range slices.Concat(quiet, redisFaults, otherVersions(t), networkFaults, podFaults, abuse, sizes, haFaults) {
		t.Run(f.name, func(t *testing.T) {
			result := row{fault: f}
			defer func() { rows = append(rows, result) }()
			for try := range 2 {
				t.Run("run", func(t *testing.T) { result = f.run(t) })
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

// scale returns the environment variable FAULT_SCALE, or 1.
func scale() float64 {
	scale, err := strconv.ParseFloat(os.Getenv("FAULT_SCALE"), 64)
	if err != nil {
		return 1
	}
	return scale
}

func scaled(d time.Duration) time.Duration { return time.Duration(float64(d) * scale()) }

func (f fault) run(t *testing.T) row {
	r := newRig(t, f.setup)
	alarms.follow(r)
	if f.prepare != nil {
		f.prepare(r)
	}
	hiccup := measureHiccups(t)
	result := row{fault: f, failed: map[int]int{}}
	if !f.alone {
		r.startLoad(book, f.rollback)
		time.Sleep(warmUp)
		must.Hold(r, "visitors use the guestbook", waitLimit, func() bool { return r.load.done() >= 50 })
	}
	result.before = r.usage(r.pods[f.measured])
	r.started = time.Now()
	f.inject(r)
	if r.ended.IsZero() {
		r.ended = time.Now()
	}
	time.Sleep(after)
	result.after = r.settled(r.pods[f.measured], result.before, slack+f.keeps)
	if !f.alone {
		r.load.finish()
		r.checkHistory(f.name, book, legacyBook)
	}
	result.memory, result.alerts = r.peaks(), alarms.prometheus.Fired(t, r.started)
	result.hiccup = time.Duration(hiccup.Load())
	result.checkBounds(r)
	result.notes = r.notes
	if f.name == quiet[0].name && len(result.alerts) > 0 {
		result.problems = append(result.problems, fmt.Sprintf("alerts fire: %v", result.alerts))
	}
	result.wrong = len(r.load.problems) > 0
	result.problems = append(result.problems, slices.Sorted(maps.Keys(r.load.problems))...)
	return result
}
