//go:build e2e

package e2e

import (
	"fmt"
	"testing"
	"time"
)

// While the CPU and memory of running pods grow and shrink, no container restarts, and no visitor's request fails.
func TestResize(t *testing.T) {
	n := newGuestbook(t)
	n.kubectl("delete", "horizontalpodautoscaler", "frontend") // otherwise, the autoscaler could change the number of pods
	load, before := n.startLoad(), n.restarts()
	for _, size := range []struct{ cpu, memory string }{{"150m", "768Mi"}, {"25m", "512Mi"}} {
		resources := fmt.Sprintf(`"resources": {"requests": {"cpu": %q}, "limits": {"memory": %q}}`, size.cpu, size.memory)
		patch := fmt.Sprintf(`{"spec": {"containers": [{"name": "nginx", %s}], "initContainers": [{"name": "api", %[1]s}]}}`, resources)
		for _, pod := range n.names("pods", frontend) {
			n.kubectl("patch", "pod", pod, "--subresource", "resize", "--patch", patch)
			want := size.cpu + " " + size.memory
			// If the node has no room for a resize, the kubelet retries the resize after at most three minutes.
			n.await("both containers of "+pod+" have "+want, 4*time.Minute, func() bool {
				return want+" "+want == n.kubectl("get", "pod", pod, "-o",
					"jsonpath={range .status['initContainerStatuses','containerStatuses'][*].resources}{.requests.cpu} {.limits.memory} {end}")
			})
		}
	}
	n.await("3,000 requests are answered", 2*time.Minute, func() bool {
		r := load.report()
		return r.Reads+r.Writes >= 3000
	})
	if after := n.restarts(); after != before {
		t.Errorf("frontend pods and restarts were %s, are %s", before, after)
	}
	load.stop("")
}
