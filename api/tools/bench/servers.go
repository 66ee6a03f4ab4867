package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/localpod"
)

type bench struct {
	dir        string
	seconds    int
	pod, proxy *localpod.Pod // the guestbook, and nginx before the floor
	waiting    *localpod.Pod // nginx and an API that waits for the slave, on the same Redis
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
	// The servers run on one processor from their start on, so that Go makes one thread for it. wrk has the other.
	if err = pin(os.Getpid(), "0"); err != nil {
		return nil, err
	}
	// Redis without fsync: the disk is not to be measured.
	if b.pod, err = newPod(filepath.Join(b.dir, "ours"), apiBinary, func(o *localpod.Options) { o.MasterArgs = []string{"--appendonly", "no"} }); err != nil {
		return nil, err
	}
	if b.proxy, err = newPod(filepath.Join(b.dir, "floor"), floorBinary, func(*localpod.Options) {}); err != nil {
		return nil, err
	}
	if b.waiting, err = newPod(filepath.Join(b.dir, "waiting"), apiBinary, func(o *localpod.Options) {
		o.Ports.Master, o.Ports.Slave = b.pod.Ports.Master, b.pod.Ports.Slave
		o.APIEnv = append(o.APIEnv, "REDIS_WAIT_SLAVES=1")
	}); err != nil {
		return nil, err
	}
	for _, p := range []*localpod.Process{b.pod.Master, b.pod.Slave, b.pod.API, b.pod.Nginx, b.proxy.API, b.proxy.Nginx, b.waiting.API, b.waiting.Nginx} {
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

func newPod(dir, apiBinary string, change func(*localpod.Options)) (*localpod.Pod, error) {
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
	o := localpod.Options{
		Dir: dir, Ports: ports, APIBinary: binary,
		APIEnv: []string{"FLOOR_SIZES=" + strings.Join(sizes, " ")},
		Output: func(string) io.Writer { return io.Discard },
	}
	change(&o)
	return localpod.New(o)
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
	for _, pod := range []*localpod.Pod{b.waiting, b.proxy, b.pod} {
		if pod != nil {
			if err := pod.Stop(); err != nil {
				fmt.Fprintln(os.Stderr, "bench:", err)
			}
		}
	}
	os.RemoveAll(b.dir)
}

// usage is what each process takes, by its name.
func (b *bench) usage(pod *localpod.Pod) map[string]localpod.Usage {
	processes := []*localpod.Process{pod.Nginx, pod.API}
	if pod == b.pod {
		processes = append(processes, pod.Master, pod.Slave)
	}
	all := map[string]localpod.Usage{}
	for _, p := range processes {
		all[p.Name()] = p.Usage()
	}
	return all
}
