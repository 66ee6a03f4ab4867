//go:build faults

// Package faults injects one fault at a time while visitors use the guestbook, and checks that the bounds hold.
//
// FAULT_SCALE, 1 unless set, shortens the time that faults last: 0.3 for 30 %.
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
	warmUp = 1500 * time.Millisecond // before each fault
	after  = 2 * time.Second
	// deadline limits the API's answers: settings.RequestTimeout and some grace.
	deadline = 2500 * time.Millisecond
	// recovered limits the time after a fault until writes succeed.
	recovered = time.Second
	// slack is by how many goroutines and files an API may differ from before, because its connections come and go.
	slack = 30
)

// fault is one row of the table.
type fault struct {
	name, bound string
	setup       setup
	// prepare, if not nil, runs before the visitors come.
	prepare func(*rig)
	// inject makes the fault, and returns when the fault is over.
	inject func(*rig)
	// instead, if not nil, replaces load and inject.
	instead func(*rig)
	// reads and writes are the statuses with which reads and writes may fail until the fault is over.
	reads, writes []int
	// keeps is by how much more than slack the API may hold afterwards.
	keeps int
	// away limits how long writes are away at one time, or with awayInAll in sum.
	away      time.Duration
	awayInAll bool
	// measured is the index of the pod whose API is measured.
	measured int
	// rollback means that readers may see entries that nobody acknowledges and that vanish again.
	rollback bool
}

// row is the outcome of one fault.
type row struct {
	fault
	requests      int
	failed        map[int]int // by status; 0: no answer
	slowest       time.Duration
	recovery      time.Duration
	violation     error // of the history
	before, after usage
	memory        []int64 // at most, of each of measuredMemory
	hiccup        time.Duration
	problems      []string
	wrong         bool // something other than times
	skipped       bool // this machine does not allow it
	notes         []string
	alerts        []string // that have fired
}

// quiet is a row without a fault.
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
			t.Log(result)
		})
	}
}

// scaled returns the length of a fault that lasts d unless it is shortened.
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
