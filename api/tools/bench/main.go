// Command bench measures the speed of the guestbook and of the two minimal servers in ./floor, on this machine. bench prints ratios of
// speeds, because the speeds themselves differ more from machine to machine. "make bench" starts "bench", and with it all servers, on the
// first processor. wrk runs on the second processor.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"runtime"
	"strings"
	"time"
)

func main() {
	if err := run(); err != nil {
		log.Fatal("bench: ", err)
	}
}

const (
	floor  = ".build/floor"
	rounds = 3 // number of runs for each load
)

// section is one table of the report. The table compares the results of the first stack with the results of every other stack.
type section struct {
	title  string
	stacks []*stack
	writes bool // true if the table compares only requests that write
}

func run() error {
	seconds := flag.Int("seconds", 2, "length of a run")
	only := flag.String("only", "", "measure only loads whose name contains this")
	base := flag.String("base", "", "another version of the API's program")
	flag.Parse()

	with := func(masterArgs, env []string) []*stack {
		stacks := []*stack{
			{name: "guestbook", program: ".build/api", masterArgs: masterArgs, env: env},
			{name: "plain handler", program: floor, masterArgs: masterArgs},
		}
		if *base != "" {
			stacks = append(stacks, &stack{name: *base, program: *base, masterArgs: masterArgs, env: env})
		}
		return stacks
	}
	memory, disk := []string{"--appendonly", "no"}, []string{"--appendonly", "yes", "--appendfsync", "always"}
	sections := []section{
		{"Redis in memory", append(with(memory, nil), &stack{name: "constant", program: floor, env: []string{"FLOOR=constant"}}), false},
		{"Writes with appendfsync always, as in `k8s/`", with(disk, nil), true},
		{"Writes that wait for a slave (REDIS_WAIT_SLAVES=1)", with(memory, []string{"REDIS_WAIT_SLAVES=1"}), true},
	}
	fmt.Printf("Measured with %s on %s. Medians of %d runs of %d s, interleaved. All servers share %d processor, wrk has another. CPU is seconds of "+
		"processor time of all servers for 10,000 requests; a ratio above 1 says that the guestbook is faster.\n", runtime.Version(), time.Now().UTC().Format(time.DateOnly), rounds, *seconds, runtime.NumCPU())
	for _, s := range sections {
		fmt.Printf("\n%s:\n\n| Load | Connections | Requests/s | p99 | Errors | CPU |", s.title)
		for _, other := range s.stacks[1:] {
			fmt.Printf(" to the %s; by CPU |", other.name)
		}
		fmt.Printf("\n|---|--:|--:|--:|--:|--:|%s\n", strings.Repeat("--:|", len(s.stacks)-1))
		if err := s.measure(*only, *seconds); err != nil {
			return err
		}
	}
	return nil
}

func (s section) measure(only string, seconds int) error {
	for _, one := range s.stacks {
		if err := one.start(context.Background()); err != nil {
			return err
		}
		defer one.stop()
	}
	for _, l := range loads {
		if !strings.Contains(l.name, only) || s.writes && !l.writes {
			continue
		}
		for _, c := range []string{"1", "64"} {
			results := make([][]result, len(s.stacks))
			for range rounds {
				for i, one := range s.stacks {
					r, err := one.measure(l, c, seconds)
					if err != nil {
						return fmt.Errorf("%s, %s connections, %s: %w", l.name, c, one.name, err)
					}
					results[i] = append(results[i], r)
				}
			}
			ours := median(results[0])
			fmt.Printf("| %s | %s | %.0f | %s | %d | %.2f |", l.name, c, ours.perSecond, ours.p99.Round(10*time.Microsecond), ours.errors, ours.cpu)
			for _, other := range results[1:] {
				m := median(other)
				fmt.Printf(" **%.2f**; %.2f |", ours.perSecond/m.perSecond, m.cpu/ours.cpu)
			}
			fmt.Printf("\n")
		}
	}
	return nil
}
