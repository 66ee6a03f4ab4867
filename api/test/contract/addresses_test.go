package contract

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"guestbook/api/test/kit/must"
)

// anyUser is a user ID that does not exist in any container image.
const anyUser = 12345

func TestNginxListensOnWhatThereIs(t *testing.T) {
	for _, c := range []struct{ name, network, answer string }{
		{"IPv4 and IPv6", "both", "127.0.0.1 ::1"},
		{"no IPv4 address", "ipv6", "::1"},
		{"IPv6 is switched off", "ipv4", "127.0.0.1"},
		{"the kernel has no IPv6", "no-ipv6", "127.0.0.1"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			self := exec.CommandContext(ctx, "/proc/self/exe")
			self.Env = append(os.Environ(), "GUESTBOOK_TEST=inside", "NETWORK="+c.network, "NGINX="+filepath.Join(must.Root(t), "nginx"))
			self.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
			if os.Getuid() != 0 { // the child process becomes root of a new user namespace
				self.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
				self.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
				self.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
			}
			var said strings.Builder
			self.Stderr = &said
			answered, err := self.Output()
			if err != nil || string(answered) != c.answer {
				t.Errorf("nginx answers at %q, want %q: %v\n%s", answered, c.answer, err, said.String())
			}
		})
	}
}

// serveInside runs nginx's start.sh in this network namespace as in a container: on a read-only root file system, as an arbitrary
// user. serveInside prints the addresses at which nginx answers.
func serveInside() error {
	network := os.Getenv("NETWORK")
	conf := "/proc/sys/net/ipv6/conf/"
	settings := map[string]string{"/proc/sys/net/ipv4/ip_unprivileged_port_start": "80"}
	if network == "ipv4" {
		settings[conf+"all/disable_ipv6"], settings[conf+"default/disable_ipv6"], settings[conf+"lo/disable_ipv6"] = "1", "1", "1"
	}
	for file, value := range settings {
		if err := os.WriteFile(file, []byte(value), 0); err != nil {
			return err
		}
	}
	if err := raiseLoopback(network == "ipv6"); err != nil {
		return fmt.Errorf("loopback: %w", err)
	}
	if err := os.MkdirAll("/etc/nginx", 0o755); err != nil {
		return err
	}
	for _, m := range []struct {
		from, to, kind string
		flags          uintptr
	}{
		{"", "/", "", syscall.MS_REC | syscall.MS_PRIVATE},
		{os.Getenv("NGINX"), "/etc/nginx", "", syscall.MS_BIND},
		{"tmp", "/tmp", "tmpfs", 0},
		{"", "/", "", syscall.MS_REMOUNT | syscall.MS_BIND | syscall.MS_RDONLY},
	} {
		if err := syscall.Mount(m.from, m.to, m.kind, m.flags, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.to, err)
		}
	}

	start := exec.Command("/etc/nginx/start.sh")
	start.Env = []string{"PATH=" + os.Getenv("PATH") + ":/usr/sbin"}
	if network == "no-ipv6" {
		start.Path, start.Env = "/proc/self/exe", append(start.Env, "GUESTBOOK_TEST=without-ipv6")
	}
	start.Stderr = os.Stderr
	start.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if mapped() {
		start.SysProcAttr.Credential = &syscall.Credential{Uid: anyUser, Gid: anyUser}
		if err := os.Stderr.Chown(anyUser, anyUser); err != nil { // nginx opens /dev/stderr by name
			return err
		}
	}
	if err := start.Start(); err != nil {
		return err
	}
	defer func() {
		_ = start.Process.Signal(syscall.SIGQUIT)
		_ = start.Wait()
	}()
	for until := time.Now().Add(20 * time.Second); len(answering()) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(until) {
			return errors.New("nginx answers nowhere")
		}
	}
	fmt.Print(strings.Join(answering(), " ")) // at the first answer, nginx already listens on all its addresses
	return nil
}

// answering returns the addresses at which nginx serves the page.
func answering() (addresses []string) {
	for _, ip := range []string{"127.0.0.1", "::1"} {
		response, err := http.Get("http://" + net.JoinHostPort(ip, "80") + "/")
		if err == nil {
			response.Body.Close()
			addresses = append(addresses, ip)
		}
	}
	return addresses
}

// mapped reports whether anyUser exists in this user namespace. A user namespace may have only one user.
func mapped() bool {
	users, _ := os.ReadFile("/proc/self/uid_map")
	return len(strings.Fields(string(users))) == 3 && strings.Fields(string(users))[2] != "1"
}

// raiseLoopback enables the loopback interface with the addresses 127.0.0.1 and ::1, or only with ::1.
func raiseLoopback(ipv6Only bool) error {
	s, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(s)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	if err := unix.IoctlIfreq(s, unix.SIOCSIFFLAGS, lo); err != nil || !ipv6Only {
		return err
	}
	// The address 0.0.0.0 removes the interface's IPv4 address.
	if err := lo.SetInet4Addr(make([]byte, 4)); err != nil {
		return err
	}
	return unix.IoctlIfreq(s, unix.SIOCSIFADDR, lo)
}

// execWithoutIPv6 executes start.sh under a seccomp filter. The filter refuses IPv6 sockets with the error of a kernel without IPv6.
func execWithoutIPv6() error {
	runtime.LockOSThread()
	const load, jumpIfEqual, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const number, firstArgument = 0, 16 // offsets in struct seccomp_data
	filter := []unix.SockFilter{
		{Code: load, K: number},
		{Code: jumpIfEqual, K: unix.SYS_SOCKET, Jf: 3},
		{Code: load, K: firstArgument},
		{Code: jumpIfEqual, K: unix.AF_INET6, Jf: 1},
		{Code: answer, K: unix.SECCOMP_RET_ERRNO | uint32(unix.EAFNOSUPPORT)},
		{Code: answer, K: unix.SECCOMP_RET_ALLOW},
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0); err != nil {
		return err
	}
	return syscall.Exec("/etc/nginx/start.sh", []string{"start.sh"}, os.Environ())
}
