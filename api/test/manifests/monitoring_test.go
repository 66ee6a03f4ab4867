package manifests

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/promtest"
)

// In alerts.yml, each alert fires in at least one test case, and stays silent in at least one.
func TestAlerts(t *testing.T) {
	dir, cases := t.TempDir(), must.Read(t, "alerts.yml")
	promtest.Rules(t, filepath.Join(dir, "rules.yml"), 1)
	must.Write(t, filepath.Join(dir, "alerts.yml"), cases)
	must.Run(t, exec.Command("promtool", "test", "rules", filepath.Join(dir, "alerts.yml")))
	names := regexp.MustCompile(`(?m)^ +- alert: (\w+)$`).FindAllStringSubmatch(must.Read(t, must.Root(t), "k8s/monitoring/guestbook-prometheusrule.yaml"), -1)
	if len(names) < 10 {
		t.Errorf("%d alerts", len(names))
	}
	for _, name := range names {
		for _, alerts := range []string{`(\n| &)`, ` \[\]\n`} {
			if !regexp.MustCompile("alertname: " + name[1] + "\n        exp_alerts:" + alerts).MatchString(cases) {
				t.Errorf("no case has alertname: %s and exp_alerts:%s", name[1], alerts)
			}
		}
	}
}

// While visitors use the guestbook, each query of the Grafana dashboard returns data, and no alert fires.
func TestTheDashboardShowsAPodAtWork(t *testing.T) {
	start := time.Now()
	pod, _ := podtest.Pod(t, localpod.Options{MasterArgs: []string{"--maxmemory", "100mb"}})
	at := func(port int) promtest.Target { return func() string { return fmt.Sprintf("127.0.0.1:%d", port) } }
	prometheus := promtest.Start(t, 30, at(pod.Ports.Master), at(pod.Ports.API))
	panels := promtest.Panels(t, "4s")
	if len(panels) < 8 {
		t.Errorf("%d panels", len(panels))
	}
	for _, panel := range panels {
		if panel.Description == "" {
			t.Errorf("%s has no description", panel.Title)
		}
		for _, target := range panel.Targets {
			must.Hold(t, panel.Title+": "+target.Expr+" has a series", 30*time.Second, func() bool {
				for _, path := range []string{"/guestbook/?cmd=get&key=messages", "/guestbook/entries", "/guestbook/?cmd=set&key=messages&value=,a"} {
					must.Fetch(t, pod.URL()+path)
				}
				return len(prometheus.Query(t, target.Expr)) > 0
			})
		}
	}
	if fired := prometheus.Fired(t, start); len(fired) > 0 {
		t.Errorf("alerts fire: %v", fired)
	}
}

// As soon as the API starts, it exports every series that the alerts read, with the value 0.
func TestSeriesThatAlertsReadAreThereFromTheStart(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	_, metrics := must.Fetch(t, pod.APIURL()+"/metrics")
	want := []string{`guestbook_redis_errors_total{role="master"}`, "guestbook_redis_fallbacks_total", "guestbook_redis_unconfirmed_total"}
	for command, statuses := range map[string]string{"get": "200", "set": "200 503 507", "entries": "200", "post": "201 503 507"} {
		for status := range strings.FieldsSeq(statuses) {
			want = append(want, fmt.Sprintf("guestbook_http_request_duration_seconds_count{command=%q,status=%q}", command, status))
		}
	}
	for _, series := range want {
		if !strings.Contains(metrics, "\n"+series+" 0\n") {
			t.Errorf("there is no %s", series)
		}
	}
}
