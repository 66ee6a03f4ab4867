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

// optional lists the commands in docs/migrate.md that only some versions of the PHP guestbook need. Each key of "optional" is the first
// line of a command.
var optional = map[string]string{
	"kubectl expose service redis-leader --name=redis-master":                              "leader-follower",
	"kubectl replace -f k8s/redis-slave-deployment.yaml &&":                                "master-slave",
	"kubectl create -f k8s/redis-slave-deployment.yaml -f k8s/redis-slave-service.yaml &&": "replica leader-follower",
	"kubectl delete deployment,service redis-replica":                                      "replica",
	"kubectl delete deployment redis-follower &&":                                          "leader-follower",
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

	shell, found := n.shell(), 0
	blocks := must.Get(commands.Read(root, "docs/migrate.md"))(t)
	section := slices.IndexFunc(blocks, func(b commands.Block) bool { return strings.HasPrefix(b.Text, "kubectl expose service redis-leader ") })
	for _, b := range blocks[section:] {
		first, _, _ := strings.Cut(b.Text, "\n")
		if versions, ok := optional[first]; ok {
			if found++; !strings.Contains(versions, e.name) {
				continue
			}
		}
		load.during(fmt.Sprint(b.File, ":", b.Line), func() { n.run(shell, b) })
	}
	if found != len(optional) {
		t.Errorf("docs/migrate.md has %d of the optional commands, want %d", found, len(optional))
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
		load.during("the move to three", func() { t.Log(n.shellOut(there)) })
		n.healthy()
		redis = n.names("pods", threeRedis)
	}
	// The test reads the messages from Redis, because the PHP frontend cannot return a book of 10 MiB.
	r := load.ask("stop")
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
