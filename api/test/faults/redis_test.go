//go:build faults

package faults

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

var unavailable = []int{503}

var redisFaults = []fault{
	{name: "master stopped (SIGSTOP) for 10 s", bound: "reads go on; every request is answered in time",
		setup: setup{slaves: 2}, writes: unavailable, inject: func(r *rig) {
			must.OK(r, r.pods[0].Master.Signal(syscall.SIGSTOP))
			time.Sleep(scaled(10 * time.Second))
			must.OK(r, r.pods[0].Master.Signal(syscall.SIGCONT))
		}},
	{name: "both slaves killed, back after 3 s", bound: "nothing fails",
		setup: setup{slaves: 2}, inject: func(r *rig) {
			podtest.Kill(r, r.pods[0].Slave, r.pods[1].Slave)
			time.Sleep(time.Second) // a Service of Kubernetes would still send connections to the dead slaves for a second
			r.slaves.to()
			time.Sleep(scaled(2 * time.Second))
			r.slaveBack(0)
			r.slaveBack(1)
		}},
	{name: "a slave emptied, in sync after 5 s", bound: "nothing fails; no empty book is read",
		setup: setup{slaves: 2}, inject: func(r *rig) {
			r.redis(r.pods[0].Ports.Master, "CONFIG", "SET", "repl-diskless-sync-delay", int(scaled(5*time.Second).Seconds()+1))
			podtest.Kill(r, r.pods[1].Slave)
			must.OK(r, os.Remove(filepath.Join(r.dirs[1], "slave", "dump.rdb")))
			r.slaveBack(1)
		}},
	{name: "both slaves cut off from the master for 3 s", bound: "nothing fails; nobody reads less than he has seen",
		setup: setup{slaves: 2}, inject: func(r *rig) {
			for _, pod := range r.pods {
				r.redis(pod.Ports.Slave, "REPLICAOF", "127.0.0.1", 1)
			}
			time.Sleep(scaled(3 * time.Second))
			for _, pod := range r.pods {
				r.redis(pod.Ports.Slave, "REPLICAOF", "127.0.0.1", r.masterPort)
				podtest.Await(r, pod.Slave, pod.Synced)
			}
		}},
	{name: "master and slave swap roles, the address follows after 1 s", bound: "reads go on; writes resume without a restart",
		setup: setup{slaves: 2}, writes: unavailable, inject: func(r *rig) {
			r.swapRoles()
			time.Sleep(scaled(time.Second))
			r.master.to(addr(r.pods[0].Ports.Slave))
			r.slaves.to(addr(r.pods[0].Ports.Master), addr(r.pods[1].Ports.Slave))
		}},
	{name: "master and slave swap roles, the addresses stay", bound: "reads go on; writes resume without a restart",
		setup: setup{cannotHide: true}, writes: unavailable, inject: (*rig).swapRoles},
	{name: "master out of memory for 3 s", bound: "reads go on; writes get 507",
		setup: setup{slaves: 2}, writes: []int{507}, inject: func(r *rig) {
			r.redis(r.pods[0].Ports.Master, "CONFIG", "SET", "maxmemory", 1)
			time.Sleep(scaled(3 * time.Second))
			r.redis(r.pods[0].Ports.Master, "CONFIG", "SET", "maxmemory", 0)
		}},
	{name: "master's disk full: it ends, and is back after 2 s with room", bound: "reads go on; writes are refused in time",
		setup: setup{slaves: 2, masterDisk: "1m"}, writes: unavailable, inject: func(r *rig) {
			filler := filepath.Join(r.dirs[0], "master", "filler")
			if err := os.WriteFile(filler, make([]byte, 2<<20), 0o600); !errors.Is(err, syscall.ENOSPC) {
				r.Fatalf("the disk is not full: %v", err)
			}
			select {
			case <-r.pods[0].Master.Ended():
			case <-time.After(waitLimit):
				r.Fatal("the master goes on without a disk")
			}
			time.Sleep(scaled(2 * time.Second))
			must.OK(r, os.Remove(filler))
			podtest.Start(r, r.pods[0].Master)
		}},
}

// slaveBack starts slave i, and at once sends readers to it, even before the slave is in sync.
func (r *rig) slaveBack(i int) {
	r.Helper()
	podtest.Start(r, r.pods[i].Slave)
	r.slaves.to(addr(r.pods[0].Ports.Slave), addr(r.pods[1].Ports.Slave))
	podtest.Await(r, r.pods[i].Slave, r.pods[i].Synced)
}

// swapRoles blocks writes to the master, makes the first slave the new master, and makes the old master a slave of the new master.
func (r *rig) swapRoles() {
	r.Helper()
	oldPort, newPort := r.pods[0].Ports.Master, r.pods[0].Ports.Slave
	before, next := podtest.Dial(r, oldPort), podtest.Dial(r, newPort)
	if _, err := before.Do("CLIENT", "PAUSE", waitLimit.Milliseconds(), "WRITE"); err == nil {
		defer podtest.Do(r, before, "CLIENT", "UNPAUSE")
	} else {
		// Redis 6.0 has no CLIENT PAUSE WRITE. With a maxmemory of one byte, Redis 6.0 refuses all writes, even writes of scripts.
		podtest.Do(r, before, "CONFIG", "SET", "maxmemory", 1)
		defer podtest.Do(r, before, "CONFIG", "SET", "maxmemory", 0)
	}
	const offset = "master_repl_offset" // a field of INFO: how many bytes of the replication stream a Redis has
	must.Hold(r, "the slave has all", waitLimit, func() bool { return r.info(oldPort, "replication", offset) == r.info(newPort, "replication", offset) })
	podtest.Do(r, next, "REPLICAOF", "NO", "ONE")
	podtest.Do(r, before, "REPLICAOF", "127.0.0.1", newPort)
	r.masterPort = newPort
}

// otherVersions returns test cases for each redis-server in the folders that the environment variable PROGRAMS lists.
func otherVersions(t *testing.T) (faults []fault) {
	t.Helper()
	for _, folder := range strings.Fields(os.Getenv("PROGRAMS")) {
		var program, version string // redis-server --version prints, for example, "Redis server v=6.0.16"
		must.Get(fmt.Sscanf(must.Run(t, exec.Command(filepath.Join(folder, "redis-server"), "--version")), "%s server v=%s", &program, &version))(t)
		if program == "Valkey" && strings.HasPrefix(version, "9") {
			faults = append(faults, handOver("Valkey "+version, folder))
		}
		faults = append(faults, fault{name: fmt.Sprintf("master and slave swap roles, the addresses stay (%s %s)", program, version),
			bound: "reads go on; writes resume without a restart", setup: setup{programs: folder, cannotHide: true}, writes: []int{503, 507}, inject: (*rig).swapRoles})
	}
	return faults
}

// mount mounts a tmpfs of the given size on a folder until the test ends.
func mount(t *testing.T, dir, size string) {
	t.Helper()
	must.OK(t, os.MkdirAll(dir, 0o755))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Skipf("a small disk cannot be mounted here (are you root?): %v", err)
	}
	t.Cleanup(func() { must.OK(t, syscall.Unmount(dir, 0)) })
}
