//go:build e2e

package e2e

import (
	"bufio"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

// An end holds the time of a pod's deletion, and the times at which the containers "nginx" and "api" ended.
type end struct{ deleted, nginx, api time.Time }

// ends records when frontend pods are deleted and when they end. The returned function returns these times by the pods' names.
func (n namespace) ends() func() map[string]end {
	n.Helper()
	out := n.background("get", "pods", "-l", frontend, "--watch", "-o",
		`jsonpath={.metadata.name}|{.metadata.deletionTimestamp}|{.metadata.deletionGracePeriodSeconds}|`+
			`{.status.containerStatuses[0].state.terminated.finishedAt}|{.status.initContainerStatuses[0].state.terminated.finishedAt}{"\n"}`)
	var mu sync.Mutex
	ended := map[string]end{}
	go func() {
		deleted := map[string]time.Time{}
		for pods := bufio.NewScanner(out); pods.Scan(); {
			fields := strings.Split(pods.Text(), "|")
			at, err := time.Parse(time.RFC3339, fields[1])
			if grace, _ := time.ParseDuration(fields[2] + "s"); grace > 0 { // after the containers' end, the grace period is 0
				deleted[fields[0]] = at.Add(-grace)
			}
			nginx, err2 := time.Parse(time.RFC3339, fields[3])
			api, err3 := time.Parse(time.RFC3339, fields[4])
			if errors.Join(err, err2, err3) == nil {
				mu.Lock()
				ended[fields[0]] = end{deleted[fields[0]], nginx, api}
				mu.Unlock()
			}
		}
	}()
	return func() map[string]end {
		mu.Lock()
		defer mu.Unlock()
		return maps.Clone(ended)
	}
}

// While visitors read and write, 50 frontend pods are deleted, five at a time. No visitor's request fails, and viewers reconnect within 2
// s.
func TestFiftyPodsLeave(t *testing.T) {
	n := newNamespace(t, "restricted")
	dir := t.TempDir()
	must.OK(t, os.CopyFS(dir, os.DirFS(manifests)))
	deployment := filepath.Join(dir, "frontend-deployment.yaml")
	// The containers request less CPU and memory than usual, so that twenty pods fit on a small cluster.
	text := strings.NewReplacer("replicas: 3", "replicas: 20", "cpu: 75m", "cpu: 10m", "cpu: 25m", "cpu: 10m", "memory: 68Mi", "memory: 32Mi").Replace(must.Read(n, deployment))
	must.OK(t, errors.Join(os.WriteFile(deployment, []byte(text), 0o600), os.Remove(filepath.Join(dir, "frontend-hpa.yaml"))))
	n.kubectl("create", "-f", dir)
	n.ready()
	load := n.startLoad("-viewers=100", "-pause=50ms")
	ends := n.ends()
	const rounds, atOnce = 10, 5
	var gone []string
	for range rounds {
		leaving := n.names("pods", frontend)[:atOnce]
		gone = append(gone, leaving...)
		n.kubectl(append([]string{"delete", "pod", "--wait=false"}, leaving...)...)
		n.await("the pods leave, and others are ready", 2*time.Minute, func() bool {
			ended := ends()
			for _, pod := range leaving {
				if _, ok := ended[pod]; !ok {
					return false
				}
			}
			return len(n.names("pods", frontend)) == 20 && n.kubectl("get", "deployment", "frontend", "-o", "jsonpath={.status.readyReplicas}") == "20"
		})
	}
	r := load.stop("")
	ended := ends()
	var took []time.Duration
	for _, pod := range gone {
		e := ended[pod]
		if e.api.Before(e.nginx) {
			t.Errorf("in %s the API ended at %s, nginx at %s", pod, e.api, e.nginx)
		}
		took = append(took, e.api.Sub(e.deleted))
	}
	slices.Sort(took)
	half := took[len(took)/2]
	t.Logf("%d pods left, half of them within %s, the last %s after it was told; %d streams began, a viewer was without for %s at most", len(gone), half, took[len(took)-1], r.Streams, r.LongestGap)
	// The test allows 20 s between a pod's deletion and its end. A pod alone needs at most 11 s, but here the machine starts and stops
	// several pods at the same time.
	if half >= 20*time.Second {
		t.Errorf("half of the pods took %s or longer to leave", half)
	}
	// The test allows 2 s for a reconnect, because the machine starts five pods at the same time.
	if r.LongestGap > 2*time.Second || r.Streams < 200 {
		t.Errorf("%d streams began, a viewer was without for %s", r.Streams, r.LongestGap)
	}
}
