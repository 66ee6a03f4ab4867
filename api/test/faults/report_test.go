//go:build faults

package faults

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/must"
)

func (r row) String() string {
	holds, again := "yes", seconds(r.recovery)
	if r.failed == nil {
		holds = "not run to its end"
	} else if len(r.problems) > 0 {
		holds = "**no**: " + r.problems[0]
	}
	if r.alone {
		again = ""
	}
	name := r.name
	if len(r.notes) > 0 {
		name += " (" + strings.Join(r.notes, "; ") + ")"
	}
	var failures []string
	for _, status := range slices.Sorted(maps.Keys(r.failed)) {
		failures = append(failures, strings.Replace(fmt.Sprintf("%d × %d", r.failed[status], status), "× 0", "× no answer", 1))
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %s | %s | %s | %d → %d | %d → %d | %s | %s |", name, r.bound, holds, r.requests,
		cmp.Or(strings.Join(failures, ", "), "0"), seconds(r.slowest), again, r.before.goroutines, r.after.goroutines, r.before.files, r.after.files,
		list(r.memory), strings.ReplaceAll(list(r.alerts), "Guestbook", ""))
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// list returns the elements of a slice, separated by commas.
func list(slice any) string {
	return strings.ReplaceAll(strings.Trim(fmt.Sprint(slice), "[]"), " ", ", ")
}

// publish writes the outcomes of all faults to .build/faults.md, as a table.
func publish(t *testing.T, rows []row) {
	var most []int64
	for _, limit := range memoryLimits {
		most = append(most, limits.Figure(t, limit)>>20)
	}
	table := fmt.Sprintf("| Fault | What must hold | Holds | Requests | Failed | Slowest | Writes again after | Goroutines | Open files "+
		"| MB of API, nginx, master; may be %s | Alerts: Guestbook… |\n|---|---|---|--:|---|--:|--:|--:|--:|--:|---|\n", list(most))
	for _, r := range rows {
		table += fmt.Sprintln(r)
	}
	must.Write(t, buildFile(t, "faults.md"), table+fmt.Sprintf("\nEach fault lasted %v of its time.\n", scale()))
}

// buildFile returns the path of a file in the folder .build.
func buildFile(t testing.TB, name string) string {
	t.Helper()
	return filepath.Join(must.Root(t), ".build", strings.ReplaceAll(name, "/", " "))
}
