package main

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// result holds the measurements of one run of wrk.
type result struct {
	perSecond float64
	p99       time.Duration
	errors    int
	cpu       float64 // seconds of processor time for 10,000 requests
}

// summary is a script for wrk that prints the number of requests, the duration in microseconds, the 99th percentile of the latency, and the
// number of errors.
const summary = `
function done(all, latency)
  local e = all.errors
  print(("measured: %d %d %d %d"):format(all.requests, all.duration, latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end`

// measure runs wrk once with a load, and returns the results.
func (s *stack) measure(l load, connections string, seconds int) (r result, err error) {
	if err := s.fill(l.entries); err != nil {
		return r, err
	}
	url := s.pod.URL() + l.path
	if slices.Contains(s.env, "FLOOR=constant") { // the number "size" in the URL tells the program "floor" how many bytes to send
		url += map[bool]string{true: "&", false: "?"}[strings.Contains(url, "?")] + "size=" + strconv.Itoa(l.size)
	}
	script := fmt.Sprintf("posts, keyed, run = %d, %t, '%x-'\n", l.posts, l.keyed, time.Now().UnixNano()) + summary
	if l.posts > 0 {
		script += posting
	}
	file := s.dir + "/wrk.lua"
	if err := os.WriteFile(file, []byte(script), 0o600); err != nil {
		return r, err
	}
	before := s.cpu()
	out, err := exec.Command("taskset", "-c", "1", "wrk", "-t1", "-c"+connections, fmt.Sprintf("-d%ds", seconds), "--timeout=5s", "-s", file, url).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w: %s", err, out)
	}
	spent := s.cpu() - before
	_, numbers, _ := strings.Cut(string(out), "measured:")
	var requests, microseconds float64
	if _, err := fmt.Sscan(numbers, &requests, &microseconds, &r.p99, &r.errors); err != nil {
		return r, fmt.Errorf("wrk says %s", out)
	}
	r.p99 *= time.Microsecond
	r.perSecond = requests / microseconds * 1e6
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
