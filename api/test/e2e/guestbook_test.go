//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// No visitor's request fails during a disruption such as a rolling restart or the loss of all slaves.
func TestDisruptions(t *testing.T) {
	for name, disrupt := range map[string]func(namespace, load){
		"a rolling restart": func(n namespace, _ load) { n.kubectl("rollout", "restart", "deployment/frontend") },
		"scaling": func(n namespace, l load) {
			n.kubectl("scale", "deployment/frontend", "--replicas=10")
			n.ready()
			l.more()
			n.kubectl("scale", "deployment/frontend", "--replicas=2")
		},
		"losing all slaves": func(n namespace, l load) {
			n.kubectl("delete", "pods", "-l", slaves)
			l.more()
		},
		"eviction": func(n namespace, _ load) {
			refused := false
			for _, pod := range n.names("pods", frontend) {
				eviction := fmt.Sprintf(`{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": %q}}`, pod)
				must.Await(n, "eviction of "+pod, time.Minute, func() error {
					_, err := n.try(eviction, "create", "--raw", "/api/v1/namespaces/"+n.name+"/pods/"+pod+"/eviction", "-f", "-")
					refused = refused || err != nil && strings.Contains(err.Error(), "disruption budget")
					return err
				})
			}
			if !refused {
				n.Error("all pods could be evicted at once")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newGuestbook(t)
			n.kubectl("delete", "horizontalpodautoscaler", "frontend") // otherwise, the autoscaler could change the number of pods
			load := n.startLoad()
			disrupt(n, load)
			n.ready()
			load.more()
			load.stop("")
		})
	}
}

func TestLosingTheMaster(t *testing.T) {
	n := newGuestbook(t)
	n.kubectl("set", "env", "deployment/frontend", "-c", "api", "ALLOWED_KEYS-") // allows all keys, because visitors write to many keys
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

// restarts returns the names of the frontend pods, each with its containers' restart counts.
func (n namespace) restarts() string {
	n.Helper()
	return n.kubectl("get", "pods", "-l", frontend, "-o",
		"jsonpath={range .items[*]}{.metadata.name} {.status['initContainerStatuses','containerStatuses'][*].restartCount}; {end}")
}

func TestSlaveIsReadyOnlyWithTheMessages(t *testing.T) {
	n := newGuestbook(t)
	old := n.names("pods", slaves)
	n.kubectl("scale", "deployment/redis-master", "--replicas=0")
	n.ready()
	n.kubectl("scale", "deployment/redis-slave", "--replicas=3")
	var fresh string
	n.await("a fresh slave's readiness was probed", time.Minute, func() bool {
		pods := n.names("pods", slaves)
		fresh = pods[len(pods)-1]
		return len(pods) > len(old) && strings.Contains(n.kubectl("get", "events", "--field-selector", "involvedObject.name="+fresh), "Readiness probe failed")
	})
	for _, pod := range n.names("pods", slaves) {
		if n.isReady(pod) != slices.Contains(old, pod) {
			t.Errorf("without the master, only the slaves %q have the messages, but %s is ready: %v", old, pod, n.isReady(pod))
		}
	}
	n.kubectl("scale", "deployment/redis-master", "--replicas=1")
	n.ready()
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
		n.kubectl("set", "env", "deployment/frontend", "-c", "api", setting)
		var pod string
		n.await("a new pod says "+said, time.Minute, func() bool {
			pods := n.names("pods", frontend)
			pod = pods[len(pods)-1]
			log, _ := n.try("", "logs", pod, "-c", "api")
			return len(pods) == 4 && strings.Contains(log, said)
		})
		if n.isReady(pod) {
			t.Errorf("with %s, it is ready nevertheless", setting)
		}
		load.more()
		if available := n.kubectl("get", "deployment", "frontend", "-o", "jsonpath={.status.availableReplicas}"); available != "3" {
			t.Errorf("the update to %s has left %s old pods", setting, available)
		}
		n.kubectl("rollout", "undo", "deployment/frontend")
		n.ready()
	}
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
	n.create(`{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "nobody"},
		"spec": {"podSelector": {"matchLabels": {"run": "load"}}, "policyTypes": ["Ingress"]}}`)
	const foreign = "{run: dial}"
	load := n.ip("run=load") + ":8000"
	if open := n.reaches(load, foreign); open && n.reaches(load, foreign) {
		t.Skip("this cluster's network does not enforce NetworkPolicies")
	}
	pod := n.ip(frontend)
	for _, open := range []string{"frontend:80", pod + ":80"} {
		if !n.reaches(open, foreign) {
			t.Error("cannot be reached:", open)
		}
	}
	for _, closed := range []string{pod + ":8080", "redis-master:6379", n.ip(master) + ":6379", "redis-slave:6379", n.ip(slaves) + ":6379"} {
		if n.reaches(closed, foreign) {
			t.Error("can be reached:", closed)
		}
	}
}
