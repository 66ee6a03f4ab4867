//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/promtest"
)

// operator is the Go module that contains the CustomResourceDefinitions of the Prometheus operator.
const operator = "github.com/prometheus-operator/prometheus-operator@v0.70.0"

// A Prometheus on this machine can scrape the pods and the port that the PodMonitor selects. Within the cluster, the NetworkPolicies
// allow only Prometheus to connect to the ports for metrics, and allow the Redis exporter to connect to Redis.
func TestMonitoring(t *testing.T) {
	n := newGuestbook(t)
	cluster := namespace{T: t}
	out, err := exec.Command("go", "mod", "download", "-json", operator).Output()
	var module struct{ Dir string }
	if err := json.Unmarshal(out, &module); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	must.OK(t, err)
	for _, kind := range []string{"podmonitors", "prometheusrules"} {
		if _, err := cluster.try("", "get", "crd", kind+".monitoring.coreos.com"); err != nil {
			file := filepath.Join(module.Dir, "example/prometheus-operator-crd/monitoring.coreos.com_"+kind+".yaml")
			cluster.kubectl("create", "-f", file)
			t.Cleanup(func() { cluster.try("", "delete", "-f", file) })
			cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", file)
		}
	}
	if _, err := cluster.try("", "get", "namespace", "monitoring"); err != nil {
		cluster.kubectl("create", "namespace", "monitoring")
		t.Cleanup(func() { cluster.try("", "delete", "namespace", "monitoring", "--wait=false") })
	}
	n.kubectl("create", "-f", filepath.Join(manifests, "monitoring"), "-f", filepath.Join(manifests, "ha"))
	n.startLoad()

	var monitor struct {
		Spec struct {
			Selector            struct{ MatchLabels map[string]string }
			PodMetricsEndpoints []struct{ Port, Path string }
		}
	}
	must.OK(t, json.Unmarshal([]byte(n.kubectl("get", "podmonitor", "frontend", "-o", "json")), &monitor))
	var selector []string
	for name, value := range monitor.Spec.Selector.MatchLabels {
		selector = append(selector, name+"="+value)
	}
	endpoint := monitor.Spec.PodMetricsEndpoints[0]
	var pods []promtest.Target
	var frontendHost, frontendPort string
	for _, ip := range strings.Fields(n.kubectl("get", "pods", "-l", strings.Join(selector, ","), "-o", "jsonpath={.items[*].status.podIP}")) {
		// The container api is a sidecar, so the pod lists it among its init containers.
		port := n.kubectl("get", "pods", "-l", strings.Join(selector, ","), "-o",
			`jsonpath={.items[0].spec.initContainers[*].ports[?(@.name=="`+endpoint.Port+`")].containerPort}`)
		frontendHost, frontendPort = ip, port
		pods = append(pods, func() string { return net.JoinHostPort(ip, port) })
	}
	prometheus := promtest.Start(t, 15, func() string { return "" }, pods...)
	n.await("each frontend pod is scraped", time.Minute, func() bool {
		return len(prometheus.Query(t, `guestbook_build_info`)) == len(pods) && len(pods) > 1
	})

	// Pods with the labels of Prometheus or of the Redis exporter may connect. Pods with other labels must not reach Redis or /metrics.
	n.kubectl("rollout", "status", "deployment/redis-proxy", "--timeout=120s")
	proxy := n.kubectl("get", "pods", "-l", "app=redis,role=proxy", "-o", "jsonpath={.items[0].status.podIP}")
	masterPod := n.kubectl("get", "pods", "-l", master, "-o", "jsonpath={.items[0].status.podIP}")
	prometheusPod, exporter, somebody := "{app.kubernetes.io/name: prometheus}", "{app: redis-exporter}", "{run: NAME}"
	for name, c := range map[string]struct {
		from               namespace
		labels, host, port string
		reaches            bool
	}{
		"prometheus-frontend": {namespace{T: t, name: "monitoring"}, prometheusPod, frontendHost, frontendPort, true},
		"prometheus-proxy":    {namespace{T: t, name: "monitoring"}, prometheusPod, proxy, "8404", true},
		"exporter-master":     {n, exporter, masterPod, "6379", true},
		"exporter-proxy":      {n, exporter, proxy, "6380", true},
		"somebody-frontend":   {n, somebody, frontendHost, frontendPort, false},
		"somebody-metrics":    {n, somebody, proxy, "8404", false},
		"somebody-proxy":      {n, somebody, proxy, "6380", false},
	} {
		pod := name + "-" + n.name
		args := fmt.Sprintf(`["-dial", %q]`, net.JoinHostPort(c.host, c.port))
		c.from.create(strings.NewReplacer("{run: NAME}", strings.ReplaceAll(c.labels, "NAME", pod), "NAME", pod, "ARGS", args).Replace(must.Read(t, "testdata", "load.yaml")))
		t.Cleanup(func() { c.from.try("", "delete", "pod", pod, "--wait=false") })
		if reached := c.from.ended(pod); reached && !c.reaches {
			t.Logf("%s: this cluster's network does not enforce NetworkPolicies", name)
		} else if reached != c.reaches {
			t.Errorf("%s: it reaches %s", name, map[bool]string{true: "", false: "nothing"}[reached])
		}
	}
}
