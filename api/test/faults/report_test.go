//go:build faults

package faults

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

func (r row) failures() string {
	if len(r.failed) == 0 {
		return "0"
	}
	var parts []string
	for _, status := range slices.Sorted(maps.Keys(r.failed)) {
		name := fmt.Sprint(status)
		if status == 0 {
			name = "no answer"
		}
		parts = append(parts, fmt.Sprintf("%d × %s", r.failed[status], name))
	}
	return strings.Join(parts, ", ")
}

// peaks returns the peak memory of the API, nginx and the master, in MB and separated by commas.
func (r row) peaks() string {
	var parts []string
	for _, bytes := range r.memory {
		parts = append(parts, fmt.Sprint(bytes>>20))
	}
	return strings.Join(parts, ", ")
}

func seconds(d time.Duration) string {
	if d < 0 {
		return "never"
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

func (r row) String() string {
	holds := "yes"
	if r.skipped {
		holds = "not run here"
	}
	if len(r.problems) > 0 {
		holds = "**no**: " + r.problems[0]
	}
	name := r.name
	if len(r.notes) > 0 {
		name += " (" + strings.Join(r.notes, "; ") + ")"
	}
	again := seconds(r.recovery)
	if r.instead != nil {
		again = ""
	}
	return fmt.Sprintf("| %s | %s | %s | %d | %s | %s | %s | %d → %d | %d → %d | %s | %s |", name, r.bound, holds, r.requests, r.failures(),
		seconds(r.slowest), again, r.before.goroutines, r.after.goroutines, r.before.files, r.after.files, r.peaks(),
		strings.ReplaceAll(strings.Join(r.alerts, ", "), "Guestbook", ""))
}

// publish writes the outcomes of all faults to .build/faults.md, as a table.
func publish(t *testing.T, rows []row) {
	var b strings.Builder
	var names, most []string
	for _, m := range measuredMemory {
		names, most = append(names, m.name), append(most, fmt.Sprint(limits.Figure(t, m.limit)>>20))
	}
	fmt.Fprintf(&b, "| Fault | What must hold | Holds | Requests | Failed | Slowest | Writes again after | Goroutines | Open files | MB of %s; may be %s | Alerts: Guestbook… |\n",
		strings.Join(names, ", "), strings.Join(most, ", "))
	b.WriteString("|---|---|---|--:|---|--:|--:|--:|--:|--:|---|\n")
	for _, r := range rows {
		fmt.Fprintln(&b, r)
	}
	if scale := os.Getenv("FAULT_SCALE"); scale != "" {
		fmt.Fprintf(&b, "\nFAULT_SCALE=%s: the faults lasted that part of the time that is said.\n", scale)
	}
	must.OK(t, os.WriteFile(buildFile("faults.md"), []byte(b.String()), 0o644))
}

// buildFile returns the path of a file in the folder .build, and creates the folder if it is missing.
func buildFile(name string) string {
	root, err := localpod.Root()
	if err == nil {
		err = os.MkdirAll(filepath.Join(root, ".build"), 0o755)
	}
	if err != nil {
		panic(err)
	}
	return filepath.Join(root, ".build", strings.ReplaceAll(name, "/", " "))
}
