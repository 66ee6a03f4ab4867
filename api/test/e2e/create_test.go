//go:build e2e

package e2e

import (
	"net"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/contract"
	"guestbook/api/test/kit/must"
)

// After each documented way to create the guestbook, it passes the tests of api/test/contract, and "kubectl delete" deletes every object.
func TestCreate(t *testing.T) {
	for mode, create := range map[string]string{
		"dns":        "kubectl create -f k8s/",
		"env":        `awk 'FNR == 1 {print "---"} {sub("value: dns", "value: env"); print}' k8s/*.yaml | kubectl create -f -`,
		"all-in-one": "kubectl create -f all-in-one/guestbook-all-in-one.yaml",
		"kustomize":  "kubectl apply -k k8s/",
	} {
		t.Run(mode, func(t *testing.T) {
			n := newNamespace(t, "restricted")
			n.shellOut(create)
			n.ready()

			base := "http://" + n.frontendAddress()
			if _, page := must.Fetch(t, base); !strings.Contains(page, "<title>Guestbook</title>") {
				t.Errorf("the page is %.200q", page)
			}
			master := must.Get(redis.Dial("tcp", n.forward("deployment/redis-master", "6379")))(t)
			defer master.Close()
			contract.Run(t, base, master)

			n.shellOut(strings.NewReplacer("kubectl create", "kubectl delete", "kubectl apply", "kubectl delete").Replace(create))
			n.await("nothing is left", time.Minute, func() bool {
				return n.kubectl("get", everything, "-o", "name") == ""
			})
		})
	}
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

// forwarding matches a line of kubectl such as "Forwarding from 127.0.0.1:40123 -> 80".
var forwarding = regexp.MustCompile(`^Forwarding from (\S+) -> `)

// forward runs "kubectl port-forward" until the test ends, and returns an address of this machine that leads to the Service.
func (n namespace) forward(target, port string) string {
	n.Helper()
	out := n.background("port-forward", target, ":"+port)
	var address []string
	n.await("kubectl forwards to "+target, time.Minute, func() bool {
		address = forwarding.FindStringSubmatch(out.String())
		return address != nil
	})
	return address[1]
}
