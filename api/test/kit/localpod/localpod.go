// Package localpod runs the guestbook as four local processes: a Redis master, a Redis slave, the API, and nginx. The command `make run`
// and the tests use this package.
package localpod

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

// Ports holds the ports of a Pod's processes.
type Ports struct{ Nginx, API, Master, Slave int }

// Pod holds the four processes of a guestbook: nginx, the API, the Redis slave and the Redis master.
type Pod struct {
	Nginx, API, Slave, Master *Process
	Ports                     Ports

	password string
}

// Options holds the settings of a Pod.
type Options struct {
	Dir        string
	Ports      Ports
	APIBinary  string
	APIEnv     []string                       // additional environment variables of the API
	MasterArgs []string                       // additional arguments of the master
	SlaveArgs  []string                       // additional arguments of the slave
	Password   string                         // the password of master and slave; "" means no password
	Programs   string                         // the folder of the redis-server to run; "" means the redis-server of PATH
	Output     func(process string) io.Writer // returns the writer for the output of a process
}

// New returns a pod whose processes do not run yet.
func New(o Options) (*Pod, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	for _, dir := range []string{"master", "slave", "nginx"} {
		err = errors.Join(err, os.MkdirAll(filepath.Join(o.Dir, dir), 0o755))
	}
	if err := errors.Join(err, adaptNginx(root, o)); err != nil {
		return nil, err
	}
	p := &Pod{Ports: o.Ports, password: o.Password}
	process := func(name string, ready func(context.Context) error, path string, args ...string) *Process {
		return &Process{name: name, path: path, programs: o.Programs, args: args, stop: syscall.SIGTERM, ready: ready, out: o.Output(name)}
	}
	redisArgs := func(role string, port int, more ...string) []string {
		return append([]string{"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--dir", filepath.Join(o.Dir, role), "--save", ""}, more...)
	}
	masterArgs := redisArgs("master", o.Ports.Master, "--appendonly", "yes", "--appendfsync", "always", "--repl-diskless-sync-delay", "0")
	p.Master = process("master", p.redisReady(o.Ports.Master), "redis-server", append(masterArgs, o.MasterArgs...)...)
	p.Slave = process("slave", p.redisReady(o.Ports.Slave), filepath.Join(root, "redis-slave", "run.sh"), redisArgs("slave", o.Ports.Slave, o.SlaveArgs...)...)
	p.Slave.env = []string{"GET_HOSTS_FROM=env", "REDIS_MASTER_SERVICE_HOST=127.0.0.1", fmt.Sprint("REDIS_MASTER_SERVICE_PORT=", o.Ports.Master)}
	p.API = process("api", answers(p.APIURL()+"/readyz"), o.APIBinary)
	p.API.env = []string{"LISTEN_ADDR=" + local(o.Ports.API), "REDIS_MASTER_ADDR=" + local(o.Ports.Master), "REDIS_SLAVE_ADDR=" + local(o.Ports.Slave)}
	if o.Password != "" {
		p.Master.args = append(p.Master.args, "--requirepass", o.Password, "--masterauth", o.Password)
		p.Slave.Setenv("REDIS_PASSWORD=" + o.Password)
		p.API.Setenv("REDIS_PASSWORD=" + o.Password)
	}
	p.API.Setenv(o.APIEnv...)
	nginxGlobals := "daemon off;"
	if os.Getuid() == 0 {
		nginxGlobals += " user root;" // workers of the user "nobody" could not read a page below /root
	}
	p.Nginx = process("nginx", answers(p.URL()+"/nginx-health"), "nginx", "-e", "/dev/stderr", "-p", ".", "-c", "nginx.conf", "-g", nginxGlobals)
	p.Nginx.dir, p.Nginx.stop = o.Dir, syscall.SIGQUIT
	return p, nil
}

// adaptNginx writes a copy of nginx.conf with this pod's ports and temporary folder, beside links to nginx/html and csp.conf. The copy has
// relative paths, because nginx would take a "$" in a full path for the beginning of a variable.
func adaptNginx(root string, o Options) error {
	conf, err := os.ReadFile(filepath.Join(root, "nginx", "nginx.conf"))
	if err != nil {
		return err
	}
	for _, change := range [][2]string{
		{"listen 80 ", "listen " + local(o.Ports.Nginx) + " "},
		{"server 127.0.0.1:8080;", "server " + local(o.Ports.API) + ";"},
		{" /tmp/", " nginx/"},
	} {
		if !strings.Contains(string(conf), change[0]) {
			return fmt.Errorf("nginx.conf has no %q to adapt", change[0])
		}
		conf = []byte(strings.ReplaceAll(string(conf), change[0], change[1]))
	}
	for _, name := range []string{"html", "csp.conf"} {
		link := filepath.Join(o.Dir, name)
		if err := errors.Join(os.RemoveAll(link), os.Symlink(filepath.Join(root, "nginx", name), link)); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(o.Dir, "nginx.conf"), conf, 0o600)
}

// Start starts the four processes, and returns when nginx serves the page and the API is ready. Start does not wait until the slave is in
// sync, because the master answers all reads until then.
func (p *Pod) Start(ctx context.Context) error {
	for _, process := range []*Process{p.Master, p.Slave, p.API, p.Nginx} {
		if err := process.Start(ctx); err != nil {
			return errors.Join(err, p.Stop())
		}
	}
	return nil
}

// Stop stops all running processes: nginx, the API, the slave and the master, in this order.
func (p *Pod) Stop() error {
	return errors.Join(p.Nginx.Stop(), p.API.Stop(), p.Slave.Stop(), p.Master.Stop())
}

// URL returns the URL at which nginx serves the page.
func (p *Pod) URL() string { return "http://" + local(p.Ports.Nginx) }

// APIURL returns the URL at which the API answers without nginx.
func (p *Pod) APIURL() string { return "http://" + local(p.Ports.API) }

// Synced returns nil if the slave is in sync with the master.
func (p *Pod) Synced(context.Context) error {
	info, err := redis.String(p.do(p.Ports.Slave, "INFO", "replication"))
	if err == nil && !strings.Contains(info, "master_link_status:up") {
		err = errors.New("the slave is not in sync")
	}
	return err
}

func (p *Pod) redisReady(port int) func(context.Context) error {
	return func(context.Context) error {
		_, err := p.do(port, "PING")
		if err == nil && os.Getenv("REDIS_RULES") == "2.8" {
			// Without lua-always-replicate-commands, Redis 5 and 6 refuse a script that writes after a command with a random result.
			_, err = p.do(port, "DEBUG", "lua-always-replicate-commands", 0)
		}
		if err != nil {
			return err
		}
		return p.recordCommands(port)
	}
}

func (p *Pod) do(port int, command string, args ...any) (any, error) {
	c, err := p.dial(port)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Do(command, args...)
}

func (p *Pod) dial(port int) (redis.Conn, error) {
	return DialOwn(port, redis.DialPassword(p.password), redis.DialConnectTimeout(time.Second), redis.DialReadTimeout(time.Second), redis.DialWriteTimeout(time.Second))
}

// answers returns a function that sends a GET, and returns an error if the status is not 200.
func answers(url string) func(context.Context) error {
	client := &http.Client{Timeout: 5 * time.Second}
	return func(context.Context) error {
		response, err := client.Get(url)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("%s answers %s", url, response.Status)
		}
		return nil
	}
}

func local(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// Root returns the repository's folder. The working directory must be inside the repository.
func Root() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "redis-slave", "run.sh")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("run this inside the repository")
		}
	}
	return "", err
}

// Build compiles the API to a file. The parameter "flags" holds options of "go build".
func Build(ctx context.Context, file string, flags ...string) error {
	root, err := Root()
	if err != nil {
		return err
	}
	build := exec.CommandContext(ctx, "go", append(append([]string{"build", "-o", file}, flags...), "./api")...)
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	return nil
}

// FreePorts returns unused ports of 127.0.0.1. Linux uses ports from 32,768 up for outgoing connections. A returned port plus 10,000
// is below 32,768, because a Redis cluster node also listens on its port plus 10,000.
func FreePorts() (ports Ports, err error) {
	for _, port := range []*int{&ports.Nginx, &ports.API, &ports.Master, &ports.Slave} {
		for range 100 {
			*port = 10_000 + rand.IntN(12_000)
			if err = reserve(*port); err == nil {
				break
			}
		}
		if err != nil {
			return ports, err
		}
	}
	return ports, nil
}

// reserved holds a listener on an abstract Unix socket for each port that this process has reserved.
var reserved sync.Map

// reserve returns an error if a program listens on the port, or if a test process has reserved the port. Without reservations, two test
// processes could choose the same port, because servers begin to listen only later.
func reserve(port int) error {
	listener, err := net.Listen("tcp", local(port))
	if err != nil {
		return err
	}
	defer listener.Close()
	reservation, err := net.Listen("unix", fmt.Sprintf("@guestbook-port-%d", port))
	reserved.Store(reservation, port)
	return err
}
