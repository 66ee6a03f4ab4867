package manifests

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/promtest"
)

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
	cases := must.Get(os.ReadFile("alerts.yml"))(t)
	must.OK(t, os.WriteFile(filepath.Join(dir, "alerts.yml"), cases, 0o644))
	if out, err := exec.Command("promtool", "test", "rules", filepath.Join(dir, "alerts.yml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	names := alerts(t)
	if len(names) < 10 {
		t.Errorf("%d alerts", len(names))
	}
	for _, name := range names {
		if fires, quiet := strings.Count(string(cases), "alertname: "+name+"\n        exp_alerts:\n")+strings.Count(string(cases), "alertname: "+name+"\n        exp_alerts: &"), strings.Count(string(cases), "alertname: "+name+"\n        exp_alerts: []\n"); fires == 0 || quiet == 0 {
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
			response := must.Get(client.Get(fmt.Sprintf("http://127.0.0.1:%d%s", pod.Ports.Nginx, path)))(t)
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

// One refused post is enough, also if it is the first request of its kind that the pod has had.
func TestTheFirstRefusedPostFiresAnAlert(t *testing.T) {
	// Redis itself takes more than this.
	pod, _ := podtest.Pod(t, localpod.Options{MasterArgs: []string{"--maxmemory", "100kb", "--maxmemory-policy", "volatile-ttl"}})
	start := time.Now()
	at := func(port int) promtest.Target { return func() string { return fmt.Sprintf("127.0.0.1:%d", port) } }
	prometheus := promtest.Start(t, 30, at(pod.Ports.Master), at(pod.Ports.API))
	wait := func(what string, holds func() bool) {
		t.Helper()
		for until := time.Now().Add(30 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("not within 30 s: %s", what)
			}
		}
	}
	wait("the pod is scraped", func() bool { return len(prometheus.Query(t, "guestbook_build_info")) == 1 })
	response := must.Get(http.PostForm(pod.URL()+"/guestbook/entries", url.Values{"text": {"x"}}))(t)
	response.Body.Close()
	if response.StatusCode != http.StatusInsufficientStorage {
		t.Fatalf("a post is answered %s", response.Status)
	}
	wait("GuestbookWritesRefused fires", func() bool { return slices.Contains(prometheus.Fired(t, start), "GuestbookWritesRefused") })
}

// Every selector of an alert that names commands and statuses finds them on a pod that nobody has visited.
func TestSeriesThatAlertsReadAreThereFromTheStart(t *testing.T) {
	pod, _ := podtest.Pod(t, localpod.Options{})
	response := must.Get(http.Get(pod.APIURL() + "/metrics"))(t)
	defer response.Body.Close()
	metrics := must.Get(io.ReadAll(response.Body))(t)
	for _, series := range []string{
		`guestbook_redis_errors_total{role="master"} 0`, "guestbook_redis_fallbacks_total 0", "guestbook_redis_unconfirmed_total 0",
		`guestbook_http_request_duration_seconds_count{command="set",status="503"} 0`,
		`guestbook_http_request_duration_seconds_count{command="set",status="507"} 0`,
		`guestbook_http_request_duration_seconds_count{command="post",status="503"} 0`,
		`guestbook_http_request_duration_seconds_count{command="post",status="507"} 0`,
		`guestbook_http_request_duration_seconds_count{command="get",status="200"} 0`,
		`guestbook_http_request_duration_seconds_count{command="set",status="200"} 0`,
		`guestbook_http_request_duration_seconds_count{command="entries",status="200"} 0`,
		`guestbook_http_request_duration_seconds_count{command="post",status="201"} 0`,
	} {
		if !strings.Contains(string(metrics), "\n"+series+"\n") {
			t.Errorf("there is no %s", series)
		}
	}
}
