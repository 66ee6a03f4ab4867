//go:build e2e

package e2e

import (
	"bufio"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/contract"
	"guestbook/api/test/kit/must"
)

// The guestbook passes the tests of api/test/contract after each documented way to create it. "kubectl delete" then deletes
// every object.
func TestCreate(t *testing.T) {
	for mode, command := range map[string]func(namespace) string{
		"dns":        func(namespace) string { return "create -f " + manifests },
		"env":        func(n namespace) string { return "create -f " + envManifests(n) },
		"all-in-one": func(namespace) string { return "create -f " + root + "/all-in-one/guestbook-all-in-one.yaml" },
		"kustomize":  func(namespace) string { return "apply -k " + manifests },
	} {
		t.Run(mode, func(t *testing.T) {
			n := newNamespace(t, "restricted")
			words := strings.Fields(command(n))
			n.kubectl(words...)
			n.ready()

			base := "http://" + n.frontendAddress()
			if _, page := must.Fetch(t, base); !strings.Contains(page, "<title>Guestbook</title>") {
				t.Errorf("the page is %.200q", page)
			}
			master := must.Get(redis.Dial("tcp", n.forward("deployment/redis-master", "6379")))(t)
			defer master.Close()
			contract.Run(t, base, master)

			n.kubectl(append([]string{"delete"}, words[1:]...)...)
			n.await("nothing is left", time.Minute, func() bool {
				return n.kubectl("get", everything, "-o", "name") == ""
			})
		})
	}
}

// envManifests returns the path of a copy of k8s/*.yaml with GET_HOSTS_FROM=env.
func envManifests(n namespace) string {
	dir := n.TempDir()
	for _, file := range must.Get(filepath.Glob(manifests + "/*.yaml"))(n) {
		env := strings.ReplaceAll(must.Read(n, file), "value: dns", "value: env")
		must.Write(n, filepath.Join(dir, filepath.Base(file)), env)
	}
	return dir
}

// frontendAddress returns an address of this machine that leads to the Service "frontend".
func (n namespace) frontendAddress() string {
	n.Helper()
	port := n.kubectl("get", "service", "frontend", "-o", "jsonpath={.spec.ports[0].nodePort}")
	nodes := n.kubectl("get", "nodes", "-o", `jsonpath={.items[*].status.addresses[?(@.type=="InternalIP")].address}`)
	for _, node := range strings.Fields(nodes) {
		address := net.JoinHostPort(node, port)
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			c.Close()
			return address
		}
	}
	return n.forward("service/frontend", "80")
}

// forward runs "kubectl port-forward" until the test ends, and returns an address of this machine that leads to the Service.
func (n namespace) forward(target, port string) string {
	n.Helper()
	out := n.background("port-forward", target, ":"+port)
	// kubectl prints a line such as "Forwarding from 127.0.0.1:40123 -> 80".
	line, _ := bufio.NewReader(out).ReadString('\n')
	address, _, found := strings.Cut(strings.TrimPrefix(line, "Forwarding from "), " -> ")
	if !found {
		n.Fatalf("kubectl port-forward %s says %q", target, line)
	}
	go io.Copy(io.Discard, out)
	return address
}
