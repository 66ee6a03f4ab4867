package contract

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"guestbook/api/test/kit/must"
)

// serveInside runs nginx's start.sh as in a container: in new namespaces, on a read-only root file system, and with a user ID that has no
// user name.
const serveInside = `
echo 80 >/proc/sys/net/ipv4/ip_unprivileged_port_start
mkdir -p /etc/nginx
mount --bind "$FROM" /etc/nginx
mount -t tmpfs tmp /tmp
mount -o remount,bind,ro /
unshare --map-user 12345 --map-group 12345 /etc/nginx/start.sh >/dev/null &
answering() { for ip in 127.0.0.1 '[::1]'; do ! curl -sgfo /dev/null "http://$ip/" || echo "$ip"; done; }
until [ "$(answering)" ]; do sleep 0.02; done
answering # at the first answer, nginx already listens on all its addresses
kill -QUIT $!
wait`

func TestNginxListensOnWhatThereIs(t *testing.T) {
	for _, c := range []struct{ name, network, answer string }{
		{"IPv4 and IPv6", "ip link set lo up", "127.0.0.1\n[::1]\n"},
		{"no IPv4 address", "ip link set lo up; ip address delete 127.0.0.1/8 dev lo", "[::1]\n"},
		{"IPv6 is switched off", "ip link set lo up; echo 1 | tee /proc/sys/net/ipv6/conf/*/disable_ipv6 >/dev/null", "127.0.0.1\n"},
		{"the kernel has no IPv6", "ip link set lo up", "127.0.0.1\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			args := []string{"--net", "--mount", "--pid", "--fork", "--kill-child"}
			if os.Getuid() != 0 {
				args = append(args, "--map-root-user")
			}
			command := exec.CommandContext(ctx, "unshare", append(args, "sh", "-euc", c.network+serveInside)...)
			command.Env = append(os.Environ(), "FROM="+filepath.Join(must.Root(t), "nginx"), "PATH="+os.Getenv("PATH")+":/usr/sbin")
			var said strings.Builder
			command.Stderr = &said
			if c.name == "the kernel has no IPv6" {
				must.OK(t, refuseIPv6())
			}
			if answered, err := command.Output(); err != nil || string(answered) != c.answer {
				t.Errorf("nginx answers at %q, want %q: %v\n%s", answered, c.answer, err, said.String())
			}
		})
	}
}

// refuseIPv6 refuses IPv6 sockets for this goroutine and the processes that it starts, as a kernel without IPv6 does. For this, it uses
// seccomp.
func refuseIPv6() error {
	runtime.LockOSThread()
	const load, jumpIfEqual, answer = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS, unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, unix.BPF_RET | unix.BPF_K
	const number, firstArgument = 0, 16
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
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}
