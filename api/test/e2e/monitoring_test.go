//go:build e2e

package e2e

import (
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

// operator is a Go module that contains the CustomResourceDefinitions of the Prometheus operator.
const operator = "github.com/prometheus-operator/prometheus-operator@v0.70.0"

// A Prometheus on this machine can scrape the pods and the port that the PodMonitor selects. The NetworkPolicies allow Prometheus, but no
// other pod, to scrape the metrics. A Redis exporter can connect to Redis.
func TestMonitoring(t *testing.T) {
	n := newGuestbook(t)
	cluster := namespace{T: t}
	download := exec.Command("sh", "-c", `go mod download -json "$0" 2>/dev/null | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'`, operator)
	definitions := filepath.Join(strings.TrimSpace(must.Run(t, download)), "example/prometheus-operator-crd")
	for _, kind := range []string{"podmonitors", "prometheusrules"} {
		if _, err := cluster.try("", "get", "crd", kind+".monitoring.coreos.com"); err != nil {
			file := filepath.Join(definitions, "monitoring.coreos.com_"+kind+".yaml")
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

	// kubectl prints the labels as {"app":"guestbook","tier":"frontend"}.
	labels := n.kubectl("get", "podmonitor", "frontend", "-o", "jsonpath={.spec.selector.matchLabels}")
	selector := strings.NewReplacer("{", "", "}", "", `"`, "", ":", "=").Replace(labels)
	endpoint := n.kubectl("get", "podmonitor", "frontend", "-o", "jsonpath={.spec.podMetricsEndpoints[0].port}")
	// Kubernetes lists the container "api" under initContainers, because this container is a sidecar.
	port := n.kubectl("get", "pods", "-l", selector, "-o",
		`jsonpath={.items[0].spec.initContainers[*].ports[?(@.name=="`+endpoint+`")].containerPort}`)
	var pods []promtest.Target
	ips := strings.Fields(n.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.podIP}"))
	for _, ip := range ips {
		pods = append(pods, func() string { return net.JoinHostPort(ip, port) })
	}
	prometheus := promtest.Start(t, 15, func() string { return "" }, pods...)
	n.await("each frontend pod is scraped", time.Minute, func() bool {
		return len(prometheus.Query(t, `guestbook_build_info`)) == len(pods) && len(pods) > 1
	})

	// A pod without the labels of Prometheus and of the Redis exporter reaches neither Redis nor /metrics.
	n.kubectl("rollout", "status", "deployment/redis-proxy", "--timeout=120s")
	proxy := n.ip("app=redis,role=proxy")
	prometheusPod, exporter, somebody := "{app.kubernetes.io/name: prometheus}", "{app: redis-exporter}", "{run: NAME}"
	refused, open := 0, []string{}
	for name, c := range map[string]struct {
		from               namespace
		labels, host, port string
		reaches            bool
	}{
		"prometheus-frontend": {namespace{T: t, name: "monitoring"}, prometheusPod, ips[0], port, true},
		"prometheus-proxy":    {namespace{T: t, name: "monitoring"}, prometheusPod, proxy, "8404", true},
		"exporter-master":     {n, exporter, n.ip(master), "6379", true},
		"exporter-proxy":      {n, exporter, proxy, "6380", true},
		"somebody-frontend":   {n, somebody, ips[0], port, false},
		"somebody-metrics":    {n, somebody, proxy, "8404", false},
		"somebody-proxy":      {n, somebody, proxy, "6380", false},
	} {
		pod := name + "-" + n.name
		args := fmt.Sprintf(`["-dial", %q]`, net.JoinHostPort(c.host, c.port))
		c.from.create(strings.NewReplacer("{run: NAME}", strings.ReplaceAll(c.labels, "NAME", pod), "NAME", pod, "ARGS", args).Replace(must.Read(t, "testdata", "load.yaml")))
		t.Cleanup(func() { c.from.try("", "delete", "pod", pod, "--wait=false") })
		switch reached := c.from.ended(pod); {
		case c.reaches && !reached:
			t.Errorf("%s reaches nothing", name)
		case reached && !c.reaches:
			open = append(open, name)
		case !reached:
			refused++
		}
	}
	if refused == 0 {
		t.Log("this cluster's network does not enforce NetworkPolicies")
	} else if len(open) > 0 {
		t.Error("these pods must not connect: ", open)
	}
}
