//go:build e2e

package e2e

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// The CPU and memory of running pods grow and shrink while visitors read and write. No container restarts, and no visitor's request fails.
func TestResize(t *testing.T) {
	n := newGuestbook(t)
	n.kubectl("delete", "horizontalpodautoscaler", "frontend") // otherwise, the autoscaler could change the number of pods
	load := n.startLoad()
	pods := n.names("pods", frontend)
	for _, size := range []struct{ cpu, memory string }{{"150m", "768Mi"}, {"25m", "512Mi"}} {
		for _, pod := range pods {
			for kind, name := range map[string]string{"containers": "nginx", "initContainers": "api"} {
				n.kubectl("patch", "pod", pod, "--subresource", "resize", "--patch", fmt.Sprintf(
					`{"spec": {%q: [{"name": %q, "resources": {"requests": {"cpu": %q}, "limits": {"memory": %q}}}]}}`, kind, name, size.cpu, size.memory))
				status := map[string]string{"containers": "containerStatuses", "initContainers": "initContainerStatuses"}[kind]
				want := size.cpu + " " + size.memory
				n.await(pod+": "+name+" has "+want, time.Minute, func() bool {
					return want == n.kubectl("get", "pod", pod, "-o", fmt.Sprintf(`jsonpath={.status.%s[0].resources.requests.cpu} {.status.%[1]s[0].resources.limits.memory}`, status))
				})
			}
		}
	}
	n.await("3,000 requests are answered", 2*time.Minute, func() bool {
		r := load.report()
		return r.Reads+r.Writes >= 3000
	})
	restarts := n.kubectl("get", "pods", "-l", frontend, "-o",
		"jsonpath={.items[*].status['initContainerStatuses','containerStatuses'][*].restartCount}")
	if after := n.names("pods", frontend); restarts != "0 0 0 0 0 0" || !slices.Equal(after, pods) {
		t.Errorf("the pods were %q and are %q, and their containers were started again so often: %s", pods, after, restarts)
	}
	load.stop("")
}
