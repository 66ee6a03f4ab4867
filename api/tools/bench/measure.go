package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result holds the measurements of one run of wrk.
type result struct {
	perSecond float64
	p99       string
	errors    int
	cpu       float64 // seconds of processor time for 10,000 requests
}

// measure runs wrk once with a load, and returns what wrk and the stack's processes report.
func (s *stack) measure(l load, connections string, seconds int) (r result, err error) {
	if err := s.fill(l.entries); err != nil {
		return r, err
	}
	url := s.pod.URL() + l.path
	if slices.Contains(s.env, "FLOOR=constant") { // the program floor reads the length of its answer from the end of the URL
		l.script = strings.ReplaceAll(l.script, `"/guestbook/entries"`, "nil")
		url += map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + "size=" + strconv.Itoa(l.size)
	}
	script := s.dir + "/wrk.lua"
	if err := os.WriteFile(script, fmt.Appendf(nil, "run = %q\n%s", time.Now().Format(time.RFC3339Nano), l.script), 0o600); err != nil {
		return r, err
	}
	before := s.cpu()
	args := []string{"-c", "1", "wrk", "-t1", "-c" + connections, fmt.Sprintf("-d%ds", seconds), "--latency", "--timeout", "5s"}
	if l.script != "" {
		args = append(args, "-s", script)
	}
	out, err := exec.Command("taskset", append(args, url)...).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w: %s", err, out)
	}
	spent := s.cpu() - before
	field := func(expression string) string {
		if found := regexp.MustCompile(expression).FindSubmatch(out); found != nil {
			return string(found[1])
		}
		return ""
	}
	requests, requestsErr := strconv.ParseFloat(field(`(\d+) requests in`), 64)
	r.perSecond, err = strconv.ParseFloat(field(`Requests/sec: +([\d.]+)`), 64)
	if requestsErr != nil || err != nil {
		return r, fmt.Errorf("wrk says %s", out)
	}
	r.p99 = field(`99% +(\S+)`)
	for _, n := range regexp.MustCompile(`(?:connect|read|write|timeout|responses:) (\d+)`).FindAllSubmatch(out, -1) {
		failed, _ := strconv.Atoi(string(n[1])) // Atoi does not fail, because n[1] consists of digits
		r.errors += failed
	}
	r.cpu = spent / requests * 10_000
	return r, nil
}

// median returns the median speed and the median processor time of the results, and the largest number of errors.
func median(results []result) result {
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.perSecond, b.perSecond) })
	m := results[len(results)/2]
	slices.SortFunc(results, func(a, b result) int { return cmp.Compare(a.cpu, b.cpu) })
	m.cpu = results[len(results)/2].cpu
	for _, r := range results {
		m.errors = max(m.errors, r.errors)
	}
	return m
}
