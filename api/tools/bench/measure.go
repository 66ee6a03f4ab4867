package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"guestbook/api/test/localpod"
)

// result is what one run measured.
type result struct {
	perSecond    float64
	p50, p99     string
	errors       int
	cpu          map[string]float64 // seconds for 10,000 requests, by process
	memory       map[string]int64   // bytes, by process
	cpuPerSecond float64            // requests for one second of the servers' processor time
}

func (b *bench) ours(l load, connections string) (result, error) {
	return b.measure(l, connections, b.pod.URL()+l.path, b.pod)
}

func (b *bench) direct(l load, connections string) (result, error) {
	return b.measure(l, connections, b.pod.APIURL()+l.path, b.pod)
}

// floor sends the same requests to the floor, which takes the size of its answer from the end of the address.
func (b *bench) floor(l load, connections string) (result, error) {
	separator := "?"
	if strings.Contains(l.path, "?") {
		separator = "&"
	}
	l.script = strings.ReplaceAll(l.script, `"/guestbook/entries"`, "nil")
	return b.measure(l, connections, fmt.Sprintf("%s%s%ssize=%d", b.proxy.URL(), l.path, separator, l.size), b.proxy)
}

// measure lets wrk run once.
func (b *bench) measure(l load, connections, url string, pod *localpod.Pod) (r result, err error) {
	b.runs++
	if err := b.fill(l.entries); err != nil {
		return r, err
	}
	script := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(script, fmt.Appendf(nil, "run = %q\n%s", strconv.Itoa(b.runs), l.script), 0o600); err != nil {
		return r, err
	}
	before := b.usage(pod)
	args := []string{"-c", "1", "wrk", "-t1", "-c" + connections, fmt.Sprintf("-d%ds", b.seconds), "--latency", "--timeout", "5s"}
	if l.script != "" {
		args = append(args, "-s", script)
	}
	out, err := exec.Command("taskset", append(args, url)...).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w: %s", err, out)
	}
	after := b.usage(pod)
	field := func(expression string) string {
		if found := regexp.MustCompile(expression).FindSubmatch(out); found != nil {
			return string(found[1])
		}
		return ""
	}
	requests, err := strconv.ParseFloat(field(`(\d+) requests in`), 64)
	if err != nil {
		return r, fmt.Errorf("wrk says %s", out)
	}
	r.perSecond, err = strconv.ParseFloat(field(`Requests/sec: +([\d.]+)`), 64)
	if err != nil {
		return r, fmt.Errorf("wrk says %s", out)
	}
	r.p50, r.p99 = field(`50% +(\S+)`), field(`99% +(\S+)`)
	r.errors, _ = strconv.Atoi(field(`Non-2xx or 3xx responses: (\d+)`)) // no such line: none
	for _, n := range regexp.MustCompile(`(?m)^  Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)`).FindStringSubmatch(string(out)) {
		if n, err := strconv.Atoi(n); err == nil {
			r.errors += n
		}
	}
	r.cpu, r.memory = map[string]float64{}, map[string]int64{}
	total := 0.0
	for name, u := range after {
		spent := u.CPU - before[name].CPU
		total += spent
		r.cpu[name] = spent / requests * 10_000
		r.memory[name] = u.Memory
	}
	r.cpuPerSecond = requests / total
	return r, nil
}

func (b *bench) fill(entries int) error {
	_, err := b.master.Do("FLUSHALL")
	if err == nil {
		_, err = b.master.Do("SET", "messages", strings.Repeat(message, entries))
	}
	if err == nil {
		_, err = b.master.Do("WAIT", 1, 5000)
	}
	return err
}
