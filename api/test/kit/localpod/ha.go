package localpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
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
	env    []string
}

// HAOptions holds the settings of an HA.
type HAOptions struct {
	Dir      string
	Net      string // the first three numbers of the loopback addresses, such as 127.6.37
	Port     int    // the port of each Redis; the sentinels listen on the next port
	Programs string // the folder of the redis-server to run; "" means the redis-server of PATH
	Password string // the password of every Redis and sentinel; "" means no password
	Output   func(process string) io.Writer
	Nodes    []string // the addresses of a relay in front of each Redis; nil means no relays
	// Edit, if not nil, changes the text of each file in k8s/ha/scripts/.
	Edit func(text string) string
}

// The first Redis has an IP address that ends with firstNode. The addresses of the first proxy and of the single Redis end with firstProxy
// and singleNode.
const (
	firstNode   = 1
	firstProxy  = 11
	singleNode  = 9
	proxyPort   = 6380 // the port for Redis clients in haproxy.cfg
	proxyHealth = 8404
)

// NewHA returns an HA whose processes do not run yet.
func NewHA(o HAOptions) (*HA, error) {
	h := &HA{o: o}
	scripts := filepath.Join(o.Dir, "scripts")
	if err := WriteScripts(scripts, o.Edit); err != nil {
		return nil, err
	}
	if o.Nodes == nil {
		h.o.Nodes = []string{h.host(firstNode), h.host(firstNode + 1), h.host(firstNode + 2)}
	}
	h.env = []string{
		"PATH=" + o.Programs + ":" + os.Getenv("PATH") + ":/usr/sbin", "HOSTS=" + strings.Join(h.o.Nodes, " "), "SINGLE=" + h.host(singleNode),
		"PORT=" + strconv.Itoa(o.Port), "SENTINEL_PORT=" + strconv.Itoa(o.Port+1), "DOMAIN=",
		"REDIS_PASSWORD=" + o.Password, "REDISCLI_AUTH=" + o.Password,
	}
	for i := range h.Redis {
		if err := os.MkdirAll(h.Disk(i), 0o755); err != nil {
			return nil, err
		}
		h.Redis[i] = h.process(fmt.Sprint("redis-", i), "redis.sh", h.nodeEnv(i), h.pong(firstNode+i, o.Port))
		h.Sentinels[i] = h.process(fmt.Sprint("sentinel-", i), "sentinel.sh", h.nodeEnv(i), h.pong(firstNode+i, o.Port+1))
	}
	for i := range h.Proxies {
		host := h.host(firstProxy + i)
		h.Proxies[i] = h.process(fmt.Sprint("proxy-", i), "start.sh", []string{"LISTEN=" + host, "HEALTH=" + host}, answers(fmt.Sprintf("http://%s:%d/health", host, proxyHealth)))
	}
	single := filepath.Join(o.Dir, "single")
	h.single = &Process{
		name: "single", out: o.Output("single"), stop: syscall.SIGTERM, path: "redis-server", programs: o.Programs,
		ready: h.pong(singleNode, o.Port),
		// In protected mode, Redis would refuse clients whose address is not 127.0.0.1.
		args: []string{"--bind", h.host(singleNode), "--port", strconv.Itoa(o.Port), "--protected-mode", "no", "--dir", single, "--save", "", "--repl-diskless-sync-delay", "0", "--requirepass", h.o.Password},
	}
	return h, os.MkdirAll(single, 0o755)
}

// WriteScripts copies the files of k8s/ha/scripts/ to a folder. If "edit" is not nil, it changes the text of each file.
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

func (h *HA) process(name, script string, env []string, ready func(context.Context) error) *Process {
	return &Process{
		name: name, out: h.o.Output(name), stop: syscall.SIGTERM, ready: ready, group: true,
		path: "sh", args: []string{"-u", h.script(script)}, env: append(env, h.env...),
	}
}

func (h *HA) script(name string) string { return filepath.Join(h.o.Dir, "scripts", name) }
func (h *HA) host(n int) string         { return fmt.Sprintf("%s.%d", h.o.Net, n) }

func (h *HA) nodeEnv(i int) []string {
	host := h.host(firstNode + i)
	return []string{"ME=" + h.o.Nodes[i], "LOCAL=" + host, "BIND=" + host, "DATA=" + h.Disk(i)}
}

// Disk returns the path of the data folder of Redis number i.
func (h *HA) Disk(i int) string { return filepath.Join(h.o.Dir, fmt.Sprint("disk-", i)) }

// Addr returns the address at which Redis number i listens.
func (h *HA) Addr(i int) string { return fmt.Sprintf("%s:%d", h.host(firstNode+i), h.o.Port) }

// ProxyAddr returns the address at which proxy number i accepts Redis clients.
func (h *HA) ProxyAddr(i int) string { return fmt.Sprintf("%s:%d", h.host(firstProxy+i), proxyPort) }

// Start starts every process, and waits until Healthy returns nil. At the first start, Redis number 0 copies the data of the single Redis.
func (h *HA) Start(ctx context.Context) error {
	_, err := os.Stat(filepath.Join(h.Disk(0), "copied"))
	fresh := err != nil
	if fresh {
		if err := h.single.Start(ctx); err != nil {
			return err
		}
	}
	if err := h.StartAll(ctx); err != nil {
		return err
	}
	if fresh {
		if err := h.Redis[0].Await(ctx, func(ctx context.Context) error { return h.Run(ctx, 0, "take-over.sh") }); err != nil {
			return err
		}
	}
	return errors.Join(h.single.Stop(), h.Redis[0].Await(ctx, h.Healthy))
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
func (h *HA) Stop() error {
	var err error
	for _, p := range append(h.all(), h.single) {
		err = errors.Join(err, p.Stop())
	}
	return err
}

func (h *HA) all() []*Process {
	return append(append(h.Proxies[:len(h.Proxies):len(h.Proxies)], h.Sentinels[:]...), h.Redis[:]...)
}

// SetPassword changes the password with which HA itself connects to Redis. The running processes keep their old password.
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
	for i := range h.Redis {
		if info, err := h.info(i); err == nil && strings.Contains(info, "role:master") && h.named(i) >= 2 {
			return i
		}
	}
	return -1
}

// Healthy returns nil if the master has two slaves in sync and all three sentinels know the master.
func (h *HA) Healthy(context.Context) error {
	master := h.Master()
	if master < 0 {
		return errors.New("there is no master")
	}
	info, err := h.info(master)
	switch {
	case err != nil:
		return err
	case !strings.Contains(info, "min_slaves_good_slaves:2"):
		return errors.New("the master has not two slaves")
	case h.named(master) < 3:
		return errors.New("some sentinel does not know the master")
	}
	for i := range h.Redis {
		state, err := redis.StringMap(h.do(h.host(firstNode+i), h.o.Port+1, "SENTINEL", "MASTER", "guestbook"))
		if err != nil {
			return err
		}
		if state["flags"] != "master" {
			return fmt.Errorf("a sentinel sees it as %s", state["flags"])
		}
		if reply, err := redis.String(h.do(h.host(firstNode+i), h.o.Port+1, "SENTINEL", "CKQUORUM", "guestbook")); err != nil || !strings.HasPrefix(reply, "OK 3") {
			return errors.Join(err, errors.New(reply))
		}
	}
	return nil
}

func (h *HA) named(i int) (n int) {
	for j := range h.Redis {
		reply, err := redis.Strings(h.do(h.host(firstNode+j), h.o.Port+1, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", "guestbook"))
		if err == nil && reply[0] == h.o.Nodes[i] {
			n++
		}
	}
	return n
}

func (h *HA) info(i int) (string, error) {
	return redis.String(h.do(h.host(firstNode+i), h.o.Port, "INFO", "replication"))
}

// pong returns a function that sends PING to the server, and returns an error if no answer arrives.
func (h *HA) pong(host, port int) func(context.Context) error {
	return func(context.Context) error {
		_, err := h.do(h.host(host), port, "PING")
		return err
	}
}

func (h *HA) do(host string, port int, command string, args ...any) (any, error) {
	c, err := h.Dial(fmt.Sprintf("%s:%d", host, port), 500*time.Millisecond)
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
