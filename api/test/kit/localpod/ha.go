package localpod

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
	"golang.org/x/sync/errgroup"
)

// HA runs the processes of k8s/ha/ on this machine: three Redis, three sentinels, and two proxies to the master. Each Redis and each proxy
// has a loopback address of its own, such as 127.6.37.1, instead of a DNS name.
type HA struct {
	Redis, Sentinels [3]*Process
	Proxies          [2]*Process

	single *Process // a single Redis, whose data the three Redis copy at their first start
	o      HAOptions
}

// HAOptions holds the options of NewHA.
type HAOptions struct {
	Dir      string
	Net      string // the first three numbers of the loopback addresses, such as 127.6.37
	Port     int    // the port of each Redis; the sentinels listen on the next port
	Programs string // the folder of the redis-server to run; "" means the redis-server of PATH
	Password string // the password of every Redis and sentinel; "" means no password
	Output   func(process string) io.Writer
	Nodes    []string                 // the addresses of the relays in front of the Redis servers; nil means no relays
	Edit     func(text string) string // if not nil, changes the text of each file in k8s/ha/scripts/
}

// NewHA returns an HA whose processes do not run yet.
func NewHA(o HAOptions) (*HA, error) {
	h := &HA{o: o}
	if o.Nodes == nil {
		h.o.Nodes = []string{h.host(1), h.host(2), h.host(3)}
	}
	process := func(name string, ready func(context.Context) error, path string, args ...string) *Process {
		return &Process{name: name, path: path, programs: o.Programs, args: args, stop: syscall.SIGTERM, ready: ready, out: o.Output(name)}
	}
	script := func(name string, ready func(context.Context) error, file string, env ...string) *Process {
		p := process(name, ready, "sh", "-u", h.script(file))
		p.env = slices.Concat(env, []string{
			"HOSTS=" + strings.Join(h.o.Nodes, " "), "SINGLE=" + h.host(9), "DOMAIN=", fmt.Sprint("PORT=", o.Port),
			fmt.Sprint("SENTINEL_PORT=", o.Port+1), "REDIS_PASSWORD=" + o.Password, "REDISCLI_AUTH=" + o.Password,
		})
		return p
	}
	single := filepath.Join(o.Dir, "single")
	err := errors.Join(WriteScripts(filepath.Join(o.Dir, "scripts"), o.Edit), os.MkdirAll(single, 0o755))
	for i := range h.Redis {
		host := h.host(1 + i)
		env := []string{"ME=" + h.o.Nodes[i], "LOCAL=" + host, "BIND=" + host, "DATA=" + h.Disk(i)}
		h.Redis[i] = script(fmt.Sprint("redis-", i), h.pong(h.Addr(i)), "redis.sh", env...)
		h.Sentinels[i] = script(fmt.Sprint("sentinel-", i), h.pong(h.sentinelAddr(i)), "sentinel.sh", env...)
		err = errors.Join(err, os.MkdirAll(h.Disk(i), 0o755))
	}
	for i := range h.Proxies {
		host := h.host(11 + i)
		h.Proxies[i] = script(fmt.Sprint("proxy-", i), answers("http://"+host+":8404/health"), "start.sh", "LISTEN="+host, "HEALTH="+host)
	}
	// In protected mode, Redis would refuse clients whose address is not 127.0.0.1.
	h.single = process("single", h.pong(fmt.Sprintf("%s:%d", h.host(9), o.Port)), "redis-server", "--bind", h.host(9),
		"--port", strconv.Itoa(o.Port), "--protected-mode", "no", "--dir", single, "--save", "", "--repl-diskless-sync-delay", "0", "--requirepass", o.Password)
	return h, err
}

// WriteScripts copies the files of k8s/ha/scripts/ to a folder. If the function "edit" is not nil, it changes the text of each file.
func WriteScripts(folder string, edit func(string) string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, "k8s", "ha", "scripts", "*"))
	err = errors.Join(err, os.MkdirAll(folder, 0o755))
	for _, file := range files {
		text, readErr := os.ReadFile(file)
		if edit != nil {
			text = []byte(edit(string(text)))
		}
		err = errors.Join(err, readErr, os.WriteFile(filepath.Join(folder, filepath.Base(file)), text, 0o644))
	}
	return err
}

func (h *HA) script(name string) string { return filepath.Join(h.o.Dir, "scripts", name) }

// host returns the loopback address whose last number is n: 1 to 3 for Redis and sentinels, 9 for h.single, and 11 or 12 for proxies.
func (h *HA) host(n int) string { return fmt.Sprintf("%s.%d", h.o.Net, n) }

// Disk returns the path of the data folder of Redis number i.
func (h *HA) Disk(i int) string { return filepath.Join(h.o.Dir, fmt.Sprint("disk-", i)) }

// Addr returns the address at which Redis number i listens.
func (h *HA) Addr(i int) string { return fmt.Sprintf("%s:%d", h.host(1+i), h.o.Port) }

func (h *HA) sentinelAddr(i int) string { return fmt.Sprintf("%s:%d", h.host(1+i), h.o.Port+1) }

// ProxyAddr returns the address at which proxy number i accepts Redis clients, on the port in haproxy.cfg.
func (h *HA) ProxyAddr(i int) string { return h.host(11+i) + ":6380" }

// Start starts every process, and waits until Healthy returns nil. At the first start, the three Redis copy the data of h.single.
func (h *HA) Start(ctx context.Context) error {
	steps := []func(context.Context) error{h.StartAll}
	if _, err := os.Stat(filepath.Join(h.Disk(0), "copied")); err != nil {
		steps = []func(context.Context) error{h.single.Start, h.StartAll, h.takeOver}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return errors.Join(h.single.Stop(), h.Redis[0].Await(ctx, h.Healthy))
}

// takeOver repeats the script take-over.sh until it succeeds. The script must not end before the sentinels have a quorum.
func (h *HA) takeOver(ctx context.Context) error {
	err := h.Redis[0].Await(ctx, func(ctx context.Context) error { return h.Run(ctx, 0, "take-over.sh") })
	return cmp.Or(err, h.quorum())
}

// StartAll starts the proxies, the sentinels and the three Redis at the same time.
func (h *HA) StartAll(ctx context.Context) error {
	var group errgroup.Group
	for _, p := range h.all() {
		group.Go(func() error { return p.Start(ctx) })
	}
	return group.Wait()
}

// Stop stops all processes: first the proxies, then the sentinels, then the Redis servers.
func (h *HA) Stop() (err error) {
	for _, p := range append(h.all(), h.single) {
		err = errors.Join(err, p.Stop())
	}
	return err
}

func (h *HA) all() []*Process { return slices.Concat(h.Proxies[:], h.Sentinels[:], h.Redis[:]) }

// SetPassword changes the password that the methods of HA send, but not the password that Redis expects.
func (h *HA) SetPassword(password string) { h.o.Password = password }

// Run runs a script of k8s/ha/scripts/ with the environment variables of Redis number i.
func (h *HA) Run(ctx context.Context, i int, script string, lines ...string) error {
	cmd := exec.CommandContext(ctx, "sh", "-u", h.script(script))
	cmd.Env, cmd.Stdin = h.Redis[i].environment(), strings.NewReader(strings.Join(lines, "\n")+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", script, err, out)
	}
	return nil
}

// Master returns the number of the master, or -1 if there is none. A Redis is the master if the Redis itself and two sentinels report so.
func (h *HA) Master() int {
	return slices.IndexFunc([]int{0, 1, 2}, func(i int) bool {
		info, err := redis.String(h.do(h.Addr(i), "INFO", "replication"))
		return err == nil && strings.Contains(info, "role:master") && h.named(i) >= 2
	})
}

// named returns how many sentinels name Redis number i as the master.
func (h *HA) named(i int) (n int) {
	for j := range h.Sentinels {
		reply, err := redis.Strings(h.do(h.sentinelAddr(j), "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "guestbook"))
		if err == nil && reply[0] == h.o.Nodes[i] {
			n++
		}
	}
	return n
}

// Healthy returns nil if the master has two slaves in sync, all three sentinels know the master, and each disk has the file "copied",
// without which a Redis does not start as the master.
func (h *HA) Healthy(context.Context) error {
	master := h.Master()
	if master < 0 {
		return errors.New("there is no master")
	}
	info, err := redis.String(h.do(h.Addr(master), "INFO", "replication"))
	if err != nil || !strings.Contains(info, "min_slaves_good_slaves:2") {
		return errors.Join(err, errors.New("the master has not two slaves"))
	}
	for i := range h.Sentinels {
		if _, err := os.Stat(filepath.Join(h.Disk(i), "copied")); err != nil {
			return err
		}
		state, err := redis.StringMap(h.do(h.sentinelAddr(i), "SENTINEL", "MASTER", "guestbook"))
		if err != nil || state["flags"] != "master" || state["ip"] != h.o.Nodes[master] {
			return errors.Join(err, fmt.Errorf("a sentinel sees the master %s as %s", state["ip"], state["flags"]))
		}
	}
	return h.quorum()
}

// quorum returns nil if each sentinel knows the two others, so that they can elect the leader of a failover.
func (h *HA) quorum() error {
	for i := range h.Sentinels {
		reply, err := redis.String(h.do(h.sentinelAddr(i), "SENTINEL", "CKQUORUM", "guestbook"))
		if err != nil || !strings.HasPrefix(reply, "OK 3") {
			return errors.Join(err, errors.New(reply))
		}
	}
	return nil
}

// pong returns a function that sends PING to the server, and returns an error if no answer arrives.
func (h *HA) pong(addr string) func(context.Context) error {
	return func(context.Context) error {
		_, err := h.do(addr, "PING")
		return err
	}
}

func (h *HA) do(addr, command string, args ...any) (any, error) {
	c, err := h.Dial(addr, 500*time.Millisecond)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Do(command, args...)
}

// Dial connects to a Redis or a sentinel. The timeout applies to the connection attempt and to each reply.
func (h *HA) Dial(addr string, timeout time.Duration) (redis.Conn, error) {
	return redis.Dial("tcp", addr, redis.DialPassword(h.o.Password),
		redis.DialConnectTimeout(timeout), redis.DialReadTimeout(timeout), redis.DialWriteTimeout(timeout))
}
