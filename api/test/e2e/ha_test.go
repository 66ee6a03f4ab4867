//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
)

const threeRedis = "app=redis,role=ha"

// While visitors read and write, the commands of docs/high-availability.md move the book from the Redis of k8s/ to k8s/ha/ and back. The
// test also deletes the disk of the Redis master in k8s/ha/. No acknowledged entry is lost, and no visitor's read fails.
func TestHighAvailability(t *testing.T) {
	n := newNamespace(t, "restricted")
	n.kubectl("create", "secret", "generic", "redis", "--from-literal=password=Pass \"w\\ord")
	n.kubectl("create", "-f", manifests)
	n.kubectl("set", "env", "deployment/frontend", "-c", "api", "ALLOWED_KEYS-") // allows all keys, because visitors write to many keys
	n.ready()
	load := n.startLoad("-keys")

	there, back, watch := n.moves()
	load.during("the move there", func() { t.Log(n.shellOut(there)) })

	for _, how := range []string{"with its claim", "with its claim, by force", "in good order"} {
		n.healthy()
		pod := n.master()
		away := load.during(pod+" deleted "+how, func() {
			switch how {
			case "with its claim":
				n.kubectl("delete", "persistentvolumeclaim", "data-"+pod, "--wait=false")
				n.try("", "exec", pod, "-c", "redis", "--", "redis-cli", "shutdown", "nosave", "now", "force") // a normal shutdown would first promote a slave
				n.kubectl("delete", "pod", pod, "--grace-period=1")
			case "with its claim, by force":
				n.kubectl("delete", "persistentvolumeclaim", "data-"+pod, "--wait=false")
				n.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
			default:
				n.kubectl("delete", "pod", pod)
			}
			n.await("another is the master", time.Minute, func() bool { m := n.master(); return m != "" && m != pod })
		})
		if away > 5 {
			t.Errorf("%s deleted %s: writes were away for %.1f s, at most 5 are allowed", pod, how, away)
		}
	}
	n.healthy()
	t.Log(n.shellOut(watch))

	load.during("all restarted", func() {
		n.kubectl("rollout", "restart", "statefulset/redis-ha", "deployment/redis-proxy")
		n.kubectl("rollout", "status", "statefulset/redis-ha", "--timeout=300s")
		n.healthy()
	})
	load.during("the move back", func() {
		t.Log(n.shellOut(back))
		n.ready()
	})
	load.stop("503 ")
}

// moves returns the first three commands of docs/high-availability.md. The commands "there" and "back" move the book to the Redis of
// k8s/ha/ and back. The command "watch" in docs/high-availability.md shows the state of the Redis servers.
func (n namespace) moves() (there, back, watch string) {
	n.Helper()
	blocks, err := commands.Read(root, "docs/high-availability.md")
	if err != nil || len(blocks) != 4 {
		n.Fatalf("docs/high-availability.md should tell how to move there, back, and to watch it: %d commands, %v", len(blocks), err)
	}
	return blocks[0].Text, blocks[1].Text, blocks[2].Text
}

// master returns the name of the master's pod, or "" if fewer than two sentinels agree.
func (n namespace) master() string {
	votes := map[string]int{}
	for _, pod := range n.names("pods", threeRedis) {
		out, _ := n.try("", "exec", pod, "-c", "sentinel", "--", "redis-cli", "-p", "26379", "sentinel", "get-master-addr-by-name", "guestbook")
		name, _, _ := strings.Cut(out, ".")
		if votes[name]++; votes[name] == 2 {
			return name
		}
	}
	return ""
}

// healthy waits until all three Redis of k8s/ha/ are ready, their master has two slaves, and each sentinel knows the two others.
func (n namespace) healthy() {
	n.Helper()
	n.await("the master has two slaves, and all are ready", 2*time.Minute, func() bool {
		m := n.master()
		if m == "" {
			return false
		}
		for _, pod := range n.names("pods", threeRedis) {
			quorum, _ := n.try("", "exec", pod, "-c", "sentinel", "--", "redis-cli", "-p", "26379", "sentinel", "ckquorum", "guestbook")
			if !strings.HasPrefix(quorum, "OK 3") {
				return false
			}
		}
		info, _ := n.try("", "exec", m, "-c", "redis", "--", "redis-cli", "info", "replication")
		return strings.Contains(info, "min_slaves_good_slaves:2") &&
			n.kubectl("get", "statefulset", "redis-ha", "-o", "jsonpath={.status.readyReplicas}") == "3"
	})
}
