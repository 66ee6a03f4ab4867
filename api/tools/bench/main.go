// Command bench measures the guestbook beside the least that nginx, net/http and Redis cost on the same machine;
// see the Makefile's target of that name. It prints ratios: they hold where times do not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/localpod"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// load is one kind of request.
type load struct {
	name    string
	entries int    // in the book before each run
	path    string // with its query
	script  string // for wrk, where a request is more than its address
	size    int    // of the answer in bytes: what the floor answers with
}

// usual numbers of connections.
const usual = "1 16 64 256"

const message = ",A message of thirty bytes....."

// post makes each request a post of an entry.
const post = `
function request()
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded"}, "text=A+message+of+thirty+bytes....")
end`

// postOnce gives each post an idempotency key of its own.
const postOnce = `
local n = 0
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function request()
  n = n + 1
  return wrk.format("POST", nil, {["Content-Type"] = "application/x-www-form-urlencoded", ["Idempotency-Key"] = id .. "-" .. n .. "-" .. run}, "text=A+message+of+thirty+bytes....")
end`

// mixed is 95 reads of the newest page and 5 posts in a hundred.
const mixed = `
local n = 0
local thread = 0
function setup(t) t:set("id", thread); thread = thread + 1 end
function request()
  n = n + 1
  if n % 20 ~= 0 then return wrk.format("GET") end
  return wrk.format("POST", "/guestbook/entries", {["Content-Type"] = "application/x-www-form-urlencoded", ["Idempotency-Key"] = id .. "-" .. n .. "-" .. run}, "text=A+message+of+thirty+bytes....")
end`

var loads = []load{
	{name: "get, 10 messages", entries: 10, path: "/guestbook/?cmd=get&key=messages", size: 10*len(message) + 12},
	{name: "get, 1,000 messages", entries: 1000, path: "/guestbook/?cmd=get&key=messages", size: 1000*len(message) + 12},
	{name: "set, 10 messages", entries: 10, path: "/guestbook/?cmd=set&key=messages&value=" + strings.Repeat(strings.ReplaceAll(message, " ", "%20"), 10), size: 22},
	{name: "post entry", entries: 10, path: "/guestbook/entries", script: post, size: 56},
	{name: "post entry, Idempotency-Key", entries: 10, path: "/guestbook/entries", script: postOnce, size: 56},
	{name: "newest page of 1,000", entries: 1000, path: "/guestbook/entries", size: 2900},
	{name: "95 pages, 5 posts", entries: 1000, path: "/guestbook/entries", script: mixed, size: 2900},
}

// result is one run.
type result struct {
	perSecond    float64
	p50, p99     string
	errors       int
	cpu          map[string]float64 // seconds for 10,000 requests, by process
	memory       map[string]int64   // bytes, by process
	cpuPerSecond float64            // requests for one second of the servers' processor time
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
	return errors.Join(b.nginxFloor(print), b.redisFloor(print), b.startup(print), os.WriteFile(*out, []byte(table.String()), 0o644))
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

type bench struct {
	dir        string
	seconds    int
	pod, proxy *localpod.Pod // the guestbook, and nginx before the floor
	master     redis.Conn
	runs       int
}

func newBench(apiBinary, floorBinary string, seconds int) (_ *bench, err error) {
	b := &bench{seconds: seconds}
	if b.dir, err = os.MkdirTemp("", "guestbook-bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			b.stop()
		}
	}()
	ctx := context.Background()
	// What is started has one processor from its start on, as Go then uses one, and what measures has the other.
	if err = pin(os.Getpid(), "0"); err != nil {
		return nil, err
	}
	// Redis without fsync: that of the disk is not what is compared here.
	if b.pod, err = newPod(filepath.Join(b.dir, "ours"), apiBinary, "--appendonly", "no"); err != nil {
		return nil, err
	}
	if b.proxy, err = newPod(filepath.Join(b.dir, "floor"), floorBinary); err != nil {
		return nil, err
	}
	for _, p := range []*localpod.Process{b.pod.Master, b.pod.Slave, b.pod.API, b.pod.Nginx, b.proxy.API, b.proxy.Nginx} {
		if err := p.Start(ctx); err != nil {
			return nil, err
		}
	}
	if err := pin(os.Getpid(), "1"); err != nil {
		return nil, err
	}
	if err := b.pod.Slave.Await(ctx, b.pod.Synced); err != nil {
		return nil, err
	}
	b.master, err = redis.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", b.pod.Ports.Master))
	return b, err
}

func newPod(dir, apiBinary string, masterArgs ...string) (*localpod.Pod, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	ports, err := localpod.FreePorts()
	if err != nil {
		return nil, err
	}
	var sizes []string
	for _, l := range loads {
		sizes = append(sizes, strconv.Itoa(l.size))
	}
	binary, err := filepath.Abs(apiBinary)
	if err != nil {
		return nil, err
	}
	return localpod.New(localpod.Options{
		Dir: dir, Ports: ports, APIBinary: binary, MasterArgs: masterArgs,
		APIEnv: []string{"FLOOR_SIZES=" + strings.Join(sizes, " ")},
		Output: func(string) io.Writer { return io.Discard },
	})
}

// pin keeps a process, and all that it starts from then on, on one processor.
func pin(pid int, processor string) error {
	out, err := exec.Command("taskset", "-a", "-p", "-c", processor, strconv.Itoa(pid)).CombinedOutput()
	if err != nil {
		return fmt.Errorf("taskset: %w: %s", err, out)
	}
	return nil
}

func (b *bench) stop() {
	for _, pod := range []*localpod.Pod{b.proxy, b.pod} {
		if pod != nil {
			if err := pod.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}
	}
	os.RemoveAll(b.dir)
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
	before, err := b.usage(pod)
	if err != nil {
		return r, err
	}
	args := []string{"-c", "1", "wrk", "-t1", "-c" + connections, fmt.Sprintf("-d%ds", b.seconds), "--latency", "--timeout", "5s"}
	if l.script != "" {
		args = append(args, "-s", script)
	}
	out, err := exec.Command("taskset", append(args, url)...).CombinedOutput()
	if err != nil {
		return r, fmt.Errorf("wrk: %w: %s", err, out)
	}
	after, err := b.usage(pod)
	if err != nil {
		return r, err
	}
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
		spent := u.cpu - before[name].cpu
		total += spent
		r.cpu[name] = spent / requests * 10_000
		r.memory[name] = u.memory
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

type usage struct {
	cpu    float64 // seconds
	memory int64   // bytes
}

func (b *bench) usage(pod *localpod.Pod) (map[string]usage, error) {
	all := map[string]usage{}
	processes := map[string]*localpod.Process{"nginx": pod.Nginx, "api": pod.API}
	if pod == b.pod {
		processes["master"], processes["slave"] = pod.Master, pod.Slave
	}
	for name, p := range processes {
		children, err := exec.Command("pgrep", "-P", strconv.Itoa(p.Pid())).Output()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			return nil, err
		}
		var u usage
		for _, pid := range append(strings.Fields(string(children)), strconv.Itoa(p.Pid())) {
			stat, err := os.ReadFile("/proc/" + pid + "/stat")
			if err != nil {
				return nil, err
			}
			_, rest, _ := strings.Cut(string(stat), ") ")
			f := strings.Fields(rest) // proc(5), from the third field on
			for _, ticks := range f[11:13] {
				n, err := strconv.ParseFloat(ticks, 64)
				if err != nil {
					return nil, err
				}
				u.cpu += n / 100 // USER_HZ
			}
			pages, err := strconv.ParseInt(f[21], 10, 64)
			if err != nil {
				return nil, err
			}
			u.memory += pages * int64(os.Getpagesize())
		}
		all[name] = u
	}
	return all, nil
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
	u, err := b.usage(b.pod)
	print("\nFrom the API's start until it is ready: %s (median of %d; it is asked every 10 ms). Its memory then: %.0f MB.\n",
		took[len(took)/2].Round(time.Millisecond), len(took), float64(u["api"].memory)/1e6)
	return err
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
