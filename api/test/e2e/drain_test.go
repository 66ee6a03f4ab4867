//go:build e2e

package e2e

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// watchEnds is an output format of "kubectl get pods --watch" that the function "ends" parses.
const watchEnds = `jsonpath={.metadata.name}|{.metadata.deletionTimestamp}|{.metadata.deletionGracePeriodSeconds}|` +
	`{.status.initContainerStatuses[0].state.terminated.finishedAt}|{"\n"}`

// ends returns the time from a pod's deletion to the end of its container "api", for each pod that has ended.
func ends(watched string) map[string]time.Duration {
	deleted, took := map[string]time.Time{}, map[string]time.Duration{}
	for line := range strings.Lines(watched) {
		fields := strings.Split(line, "|")
		if len(fields) < 5 {
			break // kubectl has not yet written the whole line
		}
		at, _ := time.Parse(time.RFC3339, fields[1])
		if grace, _ := time.ParseDuration(fields[2] + "s"); grace > 0 { // the kubelet sets the grace period of a stopped pod to 0
			deleted[fields[0]] = at.Add(-grace)
		}
		if ended, err := time.Parse(time.RFC3339, fields[3]); err == nil {
			took[fields[0]] = ended.Sub(deleted[fields[0]])
		}
	}
	return took
}

// While visitors read and write, 50 frontend pods are deleted, five at a time. No visitor's request fails, and viewers reconnect within 2
// s.
func TestFiftyPodsLeave(t *testing.T) {
	n := newNamespace(t, "restricted")
	// The containers request less CPU and memory than usual, so that twenty pods fit on a small cluster.
	text := strings.NewReplacer("replicas: 3", "replicas: 20", "minReplicas: 3", "minReplicas: 20", "maxReplicas: 10", "maxReplicas: 20",
		"cpu: 75m", "cpu: 10m", "cpu: 25m", "cpu: 10m", "memory: 68Mi", "memory: 32Mi").Replace(n.kubectl("kustomize", manifests))
	must.Get(n.try(text, "create", "-f", "-"))(t)
	n.ready()
	load := n.startLoad("-viewers=100", "-pause=50ms")
	watched := n.background("get", "pods", "-l", frontend, "--watch", "-o", watchEnds)
	const rounds, atOnce = 10, 5
	for range rounds {
		leaving := n.names("pods", frontend)[:atOnce]
		n.kubectl(append([]string{"delete", "pod", "--wait=false"}, leaving...)...)
		n.await("the pods leave, and others are ready", 2*time.Minute, func() bool {
			took := ends(watched.String())
			lives := func(pod string) bool { return took[pod] == 0 }
			return !slices.ContainsFunc(leaving, lives) && len(n.names("pods", frontend)) == 20 &&
				n.kubectl("get", "deployment", "frontend", "-o", "jsonpath={.status.readyReplicas}") == "20"
		})
	}
	r := load.stop("")
	took := slices.Sorted(maps.Values(ends(watched.String())))
	half := took[len(took)/2]
	t.Logf("%d pods left, half of them within %s, the last %s after it was told; %d streams began, a viewer was without for %s at most",
		len(took), half, took[len(took)-1], r.Streams, r.LongestGap)
	// The test allows 20 s for a pod's shutdown, because the machine stops and starts five pods at the same time.
	if half >= 20*time.Second {
		t.Errorf("half of the pods took %s or longer to leave", half)
	}
	// The test allows 2 s for a reconnect, because the machine starts five pods at the same time.
	if r.LongestGap > 2*time.Second || r.Streams < 200 {
		t.Errorf("%d streams began, a viewer was without for %s", r.Streams, r.LongestGap)
	}
}
