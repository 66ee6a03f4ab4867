//go:build e2e

package e2e

import (
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
const operator = "github.com/prometheus-operator/prometheus-operator@v0.85.0"

// A Prometheus on this machine can scrape the pods and the port that the PodMonitor selects. The NetworkPolicies allow Prometheus, but no
// other pod, to scrape the metrics. A Redis exporter can connect to Redis.
func TestMonitoring(t *testing.T) {
	n := newGuestbook(t)
	cluster := namespace{T: t}
	download := exec.Command("sh", "-c", `go mod download -json "$0" 2>/dev/null | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'`, operator)
	definitions := filepath.Join(strings.TrimSpace(must.Run(t, download)), "example/prometheus-operator-crd")
	for _, kind := range []string{"podmonitors", "prometheusrules"} {
		file := filepath.Join(definitions, "monitoring.coreos.com_"+kind+".yaml")
		if _, err := cluster.try("", "create", "-f", file); err == nil {
			t.Cleanup(func() { cluster.try("", "delete", "-f", file) })
		}
		cluster.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", file)
	}
	if _, err := cluster.try("", "create", "namespace", "monitoring"); err == nil {
		t.Cleanup(func() { cluster.try("", "delete", "namespace", "monitoring", "--wait=false") })
	}
	n.kubectl("create", "-f", filepath.Join(manifests, "monitoring"), "-f", filepath.Join(manifests, "ha"))

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

	n.kubectl("rollout", "status", "deployment/redis-proxy", "--timeout=120s")
	metrics, proxy := net.JoinHostPort(ips[0], port), n.ip("app=redis,role=proxy")
	monitoring, prometheusPod, exporter := namespace{T: t, name: "monitoring"}, "{app.kubernetes.io/name: prometheus}", "{app: redis-exporter}"
	for what, reached := range map[string]bool{
		"Prometheus reaches a frontend": monitoring.reaches(metrics, prometheusPod),
		"Prometheus reaches the proxy":  monitoring.reaches(net.JoinHostPort(proxy, "8404"), prometheusPod),
		"an exporter reaches Redis":     n.reaches(net.JoinHostPort(n.ip(master), "6379"), exporter),
		"an exporter reaches the proxy": n.reaches(net.JoinHostPort(proxy, "6380"), exporter),
	} {
		if !reached {
			t.Errorf("it is not true that %s", what)
		}
	}
	// A pod without the labels of Prometheus and of the Redis exporter reaches neither Redis nor /metrics.
	var open []string
	forbidden := []string{metrics, net.JoinHostPort(proxy, "8404"), net.JoinHostPort(proxy, "6380")}
	for _, address := range forbidden {
		if n.reaches(address, "{run: dial}") {
			open = append(open, address)
		}
	}
	if len(open) == len(forbidden) {
		t.Log("this cluster's network does not enforce NetworkPolicies")
	} else if len(open) > 0 {
		t.Error("a foreign pod reaches ", open)
	}
}
