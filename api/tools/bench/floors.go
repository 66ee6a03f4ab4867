package main

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// waitCost prints what a post costs that waits until a slave has it, too (REDIS_WAIT_SLAVES=1), beside one that does not.
func (b *bench) waitCost(print func(string, ...any), rounds int) error {
	print("\nPosts that wait until a slave has them, too:\n\n| Load | Connections | Requests/s | with REDIS_WAIT_SLAVES=1 | Ratio |\n|---|---|---|---|---|\n")
	for _, l := range loads {
		if !strings.HasPrefix(l.name, "post entry") {
			continue
		}
		for _, connections := range strings.Fields(usual) {
			var without, with []result
			for range rounds {
				a, err := b.ours(l, connections)
				if err != nil {
					return err
				}
				w, err := b.measure(l, connections, b.waiting.URL()+l.path, b.waiting)
				if err != nil {
					return err
				}
				without, with = append(without, a), append(with, w)
			}
			a, w := median(without), median(with)
			print("| %s | %s | %.0f | %.0f | **%.2f** |\n", l.name, connections, a.perSecond, w.perSecond, w.perSecond/a.perSecond)
		}
	}
	return nil
}

// nginxFloor prints what nginx itself answers to as many connections: /nginx-health is a "return 200", without a log.
func (b *bench) nginxFloor(print func(string, ...any)) error {
	print("\nnginx itself, \"return 200\", requests/s:\n\n| 1 | 16 | 64 | 256 |\n|---|---|---|---|\n|")
	for _, connections := range strings.Fields(usual) {
		r, err := b.measure(load{entries: 10}, connections, b.pod.URL()+"/nginx-health", b.pod)
		if err != nil {
			return err
		}
		print(" %.0f |", r.perSecond)
	}
	print("\n")
	return nil
}

// redisFloor prints what Redis itself answers to as many connections.
func (b *bench) redisFloor(print func(string, ...any)) error {
	if err := b.fill(10); err != nil {
		return err
	}
	print("\nRedis itself, by redis-benchmark, requests/s:\n\n| Command | 1 | 16 | 64 | 256 |\n|---|---|---|---|---|\n")
	for _, command := range []string{"GET messages", "SET messages " + strings.Repeat("x", 300), "APPEND book ,A.message.of.thirty.bytes......"} {
		name, _, _ := strings.Cut(command, " ")
		print("| %s |", name)
		for _, connections := range strings.Fields(usual) {
			args := append([]string{"-c", "1", "redis-benchmark", "-p", strconv.Itoa(b.pod.Ports.Master), "-c", connections, "-n", "20000", "--csv"}, strings.Fields(command)...)
			out, err := exec.Command("taskset", args...).Output()
			if err != nil {
				return fmt.Errorf("redis-benchmark: %w", err)
			}
			lines := strings.Split(strings.TrimSpace(string(out)), "\n")
			fields := strings.Split(lines[len(lines)-1], `","`) // the command's name has commas
			if len(fields) < 2 {
				return fmt.Errorf("redis-benchmark says %s", out)
			}
			print(" %s |", strings.Trim(fields[1], `"`))
		}
		print("\n")
	}
	return nil
}

// startup prints how soon the API answers, and its memory then.
func (b *bench) startup(print func(string, ...any)) error {
	var took []time.Duration
	for range 7 {
		if err := b.pod.API.Stop(); err != nil {
			return err
		}
		start := time.Now()
		if err := b.pod.API.Start(context.Background()); err != nil { // until it is ready
			return err
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	print("\nFrom the API's start until it is ready: %s (median of %d; it is asked every 10 ms). Its memory then: %.0f MB.\n",
		took[len(took)/2].Round(time.Millisecond), len(took), float64(b.pod.API.Usage().Memory)/1e6)
	return nil
}
