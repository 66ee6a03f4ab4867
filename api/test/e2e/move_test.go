//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

// The commands of docs/migrate.md copy the book of each PHP guestbook to the Redis of k8s/ while visitors read and post. No visitor's
// request fails, and no byte of the book is lost.
func TestTheBookMovesToTheRedisHere(t *testing.T) {
	for _, e := range editions {
		t.Run(e.name, func(t *testing.T) { e.move(t) })
	}
}

// forOthers lists, for each version of the PHP guestbook, commands in docs/migrate.md that this version does not need. A command is named
// by its first line.
var forOthers = map[string][]string{
	"master-slave": {
		"kubectl expose service redis-leader --name=redis-master",
		"kubectl create -f k8s/redis-slave-deployment.yaml -f k8s/redis-slave-service.yaml &&",
		"kubectl delete deployment,service redis-replica",
		"kubectl delete deployment redis-follower &&",
	},
	"replica": {
		"kubectl expose service redis-leader --name=redis-master",
		"kubectl replace -f k8s/redis-slave-deployment.yaml &&",
		"kubectl delete deployment redis-follower &&",
	},
	"leader-follower": {
		"kubectl replace -f k8s/redis-slave-deployment.yaml &&",
		"kubectl delete deployment,service redis-replica",
	},
}

func (e edition) move(t *testing.T) {
	n := newNamespace(t, "privileged")
	must.Get(n.try(e.manifests(n, "dns"), "create", "-f", "-"))(t)
	n.ready()
	key := e.key
	if key == "" {
		key = "guestbook"
	}
	// The book has 10 MiB, and its entries contain arbitrary bytes.
	book := strings.Repeat(",hello from before \xff\x00 \"all\"\r\n of you", 300_000)[:10<<20]
	if out, err := n.try(book, "exec", "-i", "service/redis-"+e.master, "--", "redis-cli", "-x", "set", key); err != nil || out != "OK" {
		t.Fatal(out, err)
	}
	n.documented("kubectl replace -f " + e.manifest)
	n.ready()
	load := n.startLoad("-key="+e.key, "-entries")

	shell, typed := n.shell(), 0
	blocks := must.Get(commands.Read(root, "docs/migrate.md"))(t)
	section := slices.IndexFunc(blocks, func(b commands.Block) bool { return strings.HasPrefix(b.Text, "kubectl expose service redis-leader ") })
	for _, b := range blocks[section:] {
		if first, _, _ := strings.Cut(b.Text, "\n"); slices.Contains(forOthers[e.name], first) {
			continue
		}
		typed++
		load.begin()
		start := time.Now()
		output := must.Get(shell.Run(t.Context(), b))(t)
		load.more()
		t.Logf("%s%s(%.1f s; writes were away for %.1f s)", b, output, time.Since(start).Seconds(), load.report().Away)
	}
	if want := len(blocks) - section - len(forOthers[e.name]); typed != want {
		t.Errorf("%d blocks were typed, want %d", typed, want)
	}
	n.ready()
	for _, pod := range n.names("pods", "app=redis") {
		if image := n.kubectl("get", "pod", pod, "-o", "jsonpath={.spec.containers[0].image}"); strings.HasPrefix(image, "redis:") {
			t.Errorf("the old %s is still there", pod)
		}
	}
	redis := []string{"deployment/redis-master"}
	n.hasTheBook(redis, key, book, 0)
	if e.name == "master-slave" {
		there, _, _ := n.moves()
		load.begin()
		t.Log(n.shellOut(there))
		load.more()
		t.Logf("the move to three: writes were away for %.1f s", load.report().Away)
		n.healthy()
		redis = n.names("pods", threeRedis)
	}
	// The test searches Redis itself for lost messages, because the PHP frontend cannot return 10 MiB.
	r := must.Get(load.get("stop"))(t)
	t.Logf("%d reads, %d writes; failed: reads %v, writes %v", r.Reads, r.Writes, r.FailedReads, r.FailedWrites)
	if len(r.FailedReads)+len(r.FailedWrites) > 0 {
		t.Error("some have failed")
	}
	n.hasTheBook(redis, key, book, r.Writes)
}

// hasTheBook waits until each Redis holds the book, followed by this number of messages (m0, m1, …).
func (n namespace) hasTheBook(redis []string, key, book string, messages int) {
	n.Helper()
	for _, pod := range redis {
		n.await(pod+" has what was acknowledged", time.Minute, func() bool {
			got := n.kubectl("exec", pod, "--", "redis-cli", "--raw", "get", key) + ","
			if !strings.HasPrefix(got, book) {
				n.Fatalf("%s has %d bytes, which do not begin as the %d did: %.80q", pod, len(got), len(book), got)
			}
			for i := range messages {
				if !strings.Contains(got[len(book):], fmt.Sprintf(",m%d,", i)) {
					n.Logf("%s lacks m%d", pod, i)
					return false
				}
			}
			return true
		})
	}
}
