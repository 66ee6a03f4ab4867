//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

func TestRollingRestart(t *testing.T) {
	n := newGuestbook(t)
	load := n.startLoad()
	n.kubectl("rollout", "restart", "deployment/frontend")
	n.ready()
	load.more()
	load.stop("")
}

func TestScaling(t *testing.T) {
	n := newGuestbook(t)
	n.kubectl("delete", "horizontalpodautoscaler", "frontend") // otherwise, the autoscaler could change the number of pods
	load := n.startLoad()
	for _, replicas := range []string{"10", "2"} {
		n.kubectl("scale", "deployment/frontend", "--replicas="+replicas)
		n.ready()
		load.more()
	}
	load.stop("")
}

func TestLosingTheMaster(t *testing.T) {
	n := newGuestbook(t)
	n.kubectl("set", "env", "deployment/frontend", "-c", "api", "ALLOWED_KEYS-") // allows all keys, because each message has a key of its own
	n.ready()
	load := n.startLoad("-keys")
	before := n.restarts()
	for _, how := range [][]string{nil, {"--force", "--grace-period=0"}} {
		failed := load.failedWrites()
		pod := n.names("pods", master)[0]
		n.kubectl(append([]string{"delete", "pod", pod, "--wait=false"}, how...)...)
		n.await("writes fail", 30*time.Second, func() bool { return load.failedWrites() > failed })
		n.ready()
		load.more()
	}
	load.stop("503 ")
	if after := n.restarts(); after != before {
		t.Errorf("frontend pods and restarts were %s, are %s", before, after)
	}
}

// restarts returns how often the containers of each frontend pod have restarted.
func (n namespace) restarts() string {
	n.Helper()
	return n.kubectl("get", "pods", "-l", frontend, "-o", `jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[*].restartCount}; {end}`)
}

func TestLosingAllSlaves(t *testing.T) {
	n := newGuestbook(t)
	load := n.startLoad()
	n.kubectl("delete", "pods", "-l", slaves)
	load.more()
	n.ready()
	load.more()
	load.stop("")
}

func TestSlaveIsReadyOnlyWithTheMessages(t *testing.T) {
	n := newGuestbook(t)
	old := n.names("pods", slaves)
	n.kubectl("scale", "deployment/redis-master", "--replicas=0")
	n.ready()
	n.kubectl("scale", "deployment/redis-slave", "--replicas=3")
	var fresh string
	n.await("a fresh slave's readiness was probed", time.Minute, func() bool {
		for _, pod := range n.names("pods", slaves) {
			if pod != old[0] && pod != old[1] {
				fresh = pod
			}
		}
		return fresh != "" && strings.Contains(n.kubectl("get", "events", "--field-selector", "involvedObject.name="+fresh), "Readiness probe failed")
	})
	if n.isReady(fresh) {
		t.Error("the fresh slave is ready, with nothing to tell")
	}
	for _, pod := range old {
		if !n.isReady(pod) {
			t.Error("without the master, a slave that has the messages is not ready:", pod)
		}
	}
	n.kubectl("scale", "deployment/redis-master", "--replicas=1")
	n.ready()
	if !n.isReady(fresh) {
		t.Error("the fresh slave is not ready after the master's return")
	}
}

// If a setting of the API is wrong, the new pod logs the error, the rolling update stops, and the old pods still serve.
func TestWrongSettings(t *testing.T) {
	n := newNamespace(t, "restricted")
	// Every Redis server of this test requires a password from its clients.
	n.kubectl("create", "secret", "generic", "redis", "--from-literal=password=Pass \"w\\ord")
	n.kubectl("create", "-f", manifests)
	n.ready()
	if reply := n.kubectl("exec", "deployment/redis-master", "--", "env", "-u", "REDISCLI_AUTH", "redis-cli", "ping"); !strings.Contains(reply, "NOAUTH") {
		t.Errorf("without the password, Redis replies %q", reply)
	}
	load := n.startLoad()
	for setting, said := range map[string]string{
		"REDIS_PASSWORD=wrong":                "WRONGPASS",
		"REDIS_MASTER_ADDR=no-such-host:6379": "lookup no-such-host",
	} {
		t.Run(setting, func(t *testing.T) {
			n := n
			n.T = t
			n.kubectl("set", "env", "deployment/frontend", "-c", "api", setting)
			var pod string
			n.await("a new pod says "+said, time.Minute, func() bool {
				pods := n.names("pods", frontend)
				pod = pods[len(pods)-1]
				log, _ := n.try("", "logs", pod, "-c", "api")
				return len(pods) == 4 && strings.Contains(log, said)
			})
			if n.isReady(pod) {
				t.Error("it is ready nevertheless")
			}
			load.more()
			if available := n.kubectl("get", "deployment", "frontend", "-o", "jsonpath={.status.availableReplicas}"); available != "3" {
				t.Errorf("the update has left %s old pods", available)
			}
			n.kubectl("rollout", "undo", "deployment/frontend")
			n.ready()
		})
	}
	load.stop("")
}

func TestEvictionKeepsTheBudget(t *testing.T) {
	n := newGuestbook(t)
	load := n.startLoad()
	refused := 0
	for _, pod := range n.names("pods", frontend) {
		n.await("eviction of "+pod, time.Minute, func() bool {
			_, err := n.try(fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q}}`, pod),
				"create", "--raw", "/api/v1/namespaces/"+n.name+"/pods/"+pod+"/eviction", "-f", "-")
			if err != nil && strings.Contains(err.Error(), "disruption budget") {
				refused++
				return false
			}
			must.OK(t, err)
			return true
		})
	}
	if refused == 0 {
		t.Error("all pods could be evicted at once")
	}
	n.ready()
	load.more()
	load.stop("")
}

// ip returns the IP address of the pod that matches a label selector.
func (n namespace) ip(selector string) string {
	n.Helper()
	return n.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[0].status.podIP}")
}

func TestNetworkPolicies(t *testing.T) {
	n := newGuestbook(t)
	n.startLoad()
	dialled := 0
	reaches := func(address string) bool {
		dialled++
		pod := fmt.Sprintf("dial-%d", dialled)
		n.pod(pod, "-dial", address)
		reached := n.ended(pod)
		t.Logf("a foreign pod dials %s: %v", address, reached)
		return reached
	}
	n.create(`{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nobody"},
		"spec": {"podSelector": {"matchLabels": {"run": "load"}}, "policyTypes": ["Ingress"]}}`)
	load := n.ip("run=load") + ":8000"
	if open := reaches(load); open && reaches(load) {
		t.Skip("this cluster's network does not enforce NetworkPolicies")
	}
	pod := n.ip(frontend)
	for _, open := range []string{"frontend:80", pod + ":80"} {
		if !reaches(open) {
			t.Error("cannot be reached:", open)
		}
	}
	for _, closed := range []string{pod + ":8080", "redis-master:6379", n.ip(master) + ":6379", "redis-slave:6379", n.ip(slaves) + ":6379"} {
		if reaches(closed) {
			t.Error("can be reached:", closed)
		}
	}
}

// After nginx has closed a slow visitor's connection, "kubectl port-forward" still serves the next visitor.
func TestAForwardOutlivesASlowVisitor(t *testing.T) {
	n := newGuestbook(t)
	address := n.forward("service/frontend", "80")
	for name, half := range map[string]string{
		"a header": "GET / HTTP/1.1\r\nHost: ",
		"a body":   "POST /guestbook/entries HTTP/1.1\r\nHost: gb\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{",
	} {
		slow, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatalf("before half of %s: %v", name, err)
		}
		must.Get(slow.Write([]byte(half)))(t)
		start := time.Now()
		_ = slow.SetReadDeadline(start.Add(time.Minute))
		said, err := io.ReadAll(slow)
		t.Logf("half of %s: answered %.40q after %s, %v", name, said, time.Since(start), err)
		slow.Close()
		must.Fetch(t, "http://"+address+"/nginx-health")
	}
}
