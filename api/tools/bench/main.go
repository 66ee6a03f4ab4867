// Command bench measures the guestbook beside the least that nginx, net/http and Redis cost on the same machine;
// see the Makefile's target of that name. It prints ratios: they hold where times do not.
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run() error {
	seconds := flag.Int("seconds", 2, "length of a run")
	rounds := flag.Int("rounds", 3, "runs of each, interleaved")
	connections := flag.String("connections", usual, "numbers of connections")
	only := flag.String("only", "", "measure only loads whose name contains this")
	out := flag.String("out", ".build/bench.md", "where the table is written, too")
	apiBinary := flag.String("api", ".build/api", "the API's program")
	floorBinary := flag.String("floor", ".build/floor", "the floor's program")
	flag.Parse()

	b, err := newBench(*apiBinary, *floorBinary, *seconds)
	if err != nil {
		return err
	}
	defer b.stop()
	table := new(strings.Builder)
	print := func(format string, args ...any) {
		fmt.Printf(format, args...)
		fmt.Fprintf(table, format, args...)
	}
	print("%s\n\nMedians of %d runs of %d s, interleaved. All servers share one processor, wrk has another. "+
		"CPU is seconds of processor time for 10,000 requests.\n\n", machine(), *rounds, *seconds)
	print("| Load | Connections | Requests/s | p50 | p99 | Errors | CPU nginx / api / master / slave | MB nginx / api | To the proxy floor | by CPU |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, l := range loads {
		if !strings.Contains(l.name, *only) {
			continue
		}
		for _, c := range strings.Fields(*connections) {
			ours, floor, direct := []result{}, []result{}, []result{}
			for range *rounds {
				for _, m := range []struct {
					results *[]result
					measure func(load, string) (result, error)
				}{{&ours, b.ours}, {&floor, b.floor}, {&direct, b.direct}} {
					r, err := m.measure(l, c)
					if err != nil {
						return fmt.Errorf("%s, %s connections: %w", l.name, c, err)
					}
					*m.results = append(*m.results, r)
				}
			}
			o, f, d := median(ours), median(floor), median(direct)
			row := func(name string, r result, ratio, byCPU string) {
				print("| %s | %s | %.0f | %s | %s | %d | %.2f / %.2f / %.2f / %.2f | %.0f / %.0f | %s | %s |\n", name, c, r.perSecond, r.p50, r.p99, r.errors,
					r.cpu["nginx"], r.cpu["api"], r.cpu["master"], r.cpu["slave"], float64(r.memory["nginx"])/1e6, float64(r.memory["api"])/1e6, ratio, byCPU)
			}
			row(l.name, o, fmt.Sprintf("**%.2f**", o.perSecond/f.perSecond), fmt.Sprintf("%.2f", o.cpuPerSecond/f.cpuPerSecond))
			row("… the API alone", d, "", "")
			row("… proxy floor", f, "1", "1")
		}
	}
	return errors.Join(b.waitCost(print, *rounds), b.nginxFloor(print), b.redisFloor(print), b.startup(print), os.WriteFile(*out, []byte(table.String()), 0o644))
}

func median(results []result) result {
	slices.SortFunc(results, func(a, b result) int { return int(a.perSecond - b.perSecond) })
	m := results[len(results)/2]
	for _, r := range results {
		m.errors = max(m.errors, r.errors)
	}
	byCPU := make([]float64, len(results))
	for i, r := range results {
		byCPU[i] = r.cpuPerSecond
	}
	slices.Sort(byCPU)
	m.cpuPerSecond = byCPU[len(byCPU)/2]
	return m
}

// machine says what was measured where.
func machine() string {
	version := func(name string, args ...string) string {
		out, _ := exec.Command(name, args...).CombinedOutput() // what is not there has no version
		line, _, _ := strings.Cut(string(out), "\n")
		return line
	}
	cpu := version("sh", "-c", "grep -m1 'model name' /proc/cpuinfo | cut -d: -f2; nproc")
	return fmt.Sprintf("Measured on %s, %s: %s; %s; %s.", strings.TrimSpace(cpu), time.Now().UTC().Format(time.DateOnly),
		version("go", "version"), version("/usr/sbin/nginx", "-v"), version("redis-server", "--version"))
}
