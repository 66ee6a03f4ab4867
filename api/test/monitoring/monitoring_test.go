// Package monitoring tests the alerts and the dashboard of k8s/monitoring, with a real Prometheus.
package monitoring

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
	"guestbook/api/test/promtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// alerts are those of the manifest.
func alerts(t *testing.T) (names []string) {
	var rule struct {
		Spec struct {
			Groups []struct{ Rules []struct{ Alert string } }
		}
	}
	promtest.Manifest(t, "guestbook-prometheusrule.yaml", &rule)
	for _, group := range rule.Spec.Groups {
		for _, r := range group.Rules {
			names = append(names, r.Alert)
		}
	}
	return names
}

// Each alert has a case in which it fires, and one in which it does not.
func TestAlerts(t *testing.T) {
	dir := t.TempDir()
	promtest.Rules(t, filepath.Join(dir, "rules.yml"), 1)
	cases, err := os.ReadFile("alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "alerts.yml"), cases, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("promtool", "test", "rules", filepath.Join(dir, "alerts.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	names := alerts(t)
	if len(names) < 7 {
		t.Errorf("%d alerts", len(names))
	}
	for _, name := range names {
		if fires, quiet := strings.Count(string(cases), "alertname: "+name+"\n        exp_alerts:\n"), strings.Count(string(cases), "alertname: "+name+"\n        exp_alerts: []\n"); fires == 0 || quiet == 0 {
			t.Errorf("%s has %d cases in which it fires, and %d in which it does not", name, fires, quiet)
		}
	}
}

// Each query of the dashboard gives a series while visitors are there, and no alert fires.
func TestTheDashboardShowsAPodAtWork(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{MasterArgs: []string{"--maxmemory", "100mb"}})
	start := time.Now()
	at := func(port int) promtest.Target { return func() string { return fmt.Sprintf("127.0.0.1:%d", port) } }
	prometheus := promtest.Start(t, 30, at(pod.Ports.Master), at(pod.Ports.API))
	panels := promtest.Panels(t, "4s")
	if len(panels) < 8 {
		t.Errorf("%d panels", len(panels))
	}
	client := http.Client{Timeout: 10 * time.Second}
	visit := func() {
		for _, path := range []string{"/guestbook/?cmd=get&key=messages", "/guestbook/entries", "/guestbook/?cmd=set&key=messages&value=,a"} {
			response, err := client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", pod.Ports.Nginx, path))
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
		}
	}
	for _, panel := range panels {
		if panel.Description == "" {
			t.Errorf("%s has no description", panel.Title)
		}
		for _, target := range panel.Targets {
			for until := time.Now().Add(30 * time.Second); len(prometheus.Query(t, target.Expr)) == 0; time.Sleep(50 * time.Millisecond) {
				if visit(); time.Now().After(until) {
					t.Errorf("%s: %s has no series", panel.Title, target.Expr)
					break
				}
			}
		}
	}
	if fired := prometheus.Fired(t, start); len(fired) > 0 {
		t.Errorf("alerts fire: %v", fired)
	}
}
