// Package promtest starts a Prometheus server for a test, with the alerting rules of k8s/monitoring.
package promtest

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

// manifest decodes a YAML file in the folder k8s/monitoring.
func manifest(t testing.TB, name string, into any) {
	t.Helper()
	must.OK(t, yaml.Unmarshal([]byte(must.Read(t, must.Root(t), "k8s/monitoring", name)), into))
}

var minutes = regexp.MustCompile(`(\[|for: )(\d+)m`)

// Rules writes the alerting rules of k8s/monitoring to a file, with each number of minutes divided by the parameter "speed".
func Rules(t testing.TB, file string, speed float64) {
	t.Helper()
	var rule struct{ Spec any }
	manifest(t, "guestbook-prometheusrule.yaml", &rule)
	rules := string(must.Get(yaml.Marshal(rule.Spec))(t))
	must.Write(t, file, minutes.ReplaceAllStringFunc(rules, func(match string) string {
		part := minutes.FindStringSubmatch(match)
		n, _ := strconv.ParseFloat(part[2], 64)
		return fmt.Sprintf("%s%dms", part[1], int(n*60_000/speed))
	}))
}

// Prometheus is a running Prometheus server.
type Prometheus struct{ url string }

// Target returns the address that Prometheus scrapes, in the form host:port, or "" if no server runs.
type Target func() string

// Start runs Prometheus and a Redis exporter until the test ends. Prometheus scrapes the exporter and the APIs. The scrape interval of 15 s
// and the times in the alerting rules are divided by the parameter "speed".
func Start(t testing.TB, speed float64, master Target, apis ...Target) *Prometheus {
	t.Helper()
	dir := t.TempDir()
	ports := must.Get(localpod.FreePorts())(t)
	exporter, server := fmt.Sprint("127.0.0.1:", ports.API), fmt.Sprint("127.0.0.1:", ports.Nginx)
	targets := http.NewServeMux()
	targets.Handle("/redis", forward(master, "http://"+exporter+"/scrape?target=redis://%s"))
	front := httptest.NewServer(targets)
	t.Cleanup(front.Close)
	address := front.Listener.Addr().String()
	Rules(t, filepath.Join(dir, "rules.yml"), speed)
	config := fmt.Sprintf(`
global: {scrape_interval: %[1]dms, scrape_timeout: %[1]dms, evaluation_interval: %[1]dms}
rule_files: [rules.yml]
scrape_configs:
  - {job_name: guestbook/redis-exporter, metrics_path: /redis, static_configs: [{targets: ["%[2]s"]}]}
`, int(15_000/speed), address)
	for i, api := range apis {
		targets.Handle(fmt.Sprint("/", i), forward(api, "http://%s/metrics"))
		config += fmt.Sprintf(`  - {job_name: "%[1]d/frontend", metrics_path: /%[1]d, static_configs: [{targets: ["%[2]s"], labels: {pod: frontend-%[1]d}}]}`+"\n", i, address)
	}
	must.Write(t, filepath.Join(dir, "prometheus.yml"), config)
	run(t, "prometheus-redis-exporter", "-redis.addr", "", "-web.listen-address", exporter)
	run(t, "prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", server, "--log.level", "error")
	p := &Prometheus{url: "http://" + server}
	// Prometheus itself stores the metric `up` for each target: 1 if the target answers, and otherwise 0.
	must.Hold(t, "Prometheus scrapes", time.Minute, func() bool {
		response, err := must.Client.Get(p.url + "/-/ready")
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK && len(p.Query(t, "up")) > len(apis)
	})
	return p
}

// forward returns a handler that forwards requests to the target. The parameter "at" is a URL in which %s stands for the target's address.
// If there is no target, the handler answers 502.
func forward(target Target, at string) http.Handler {
	return &httputil.ReverseProxy{Transport: must.Client.Transport, ErrorLog: log.New(io.Discard, "", 0), Rewrite: func(r *httputil.ProxyRequest) {
		r.Out.URL = &url.URL{}
		if address := target(); address != "" {
			r.Out.URL, _ = url.Parse(fmt.Sprintf(at, address))
		}
	}}
}

// run starts a program, and kills the program at the end of the test.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	program := exec.CommandContext(t.Context(), name, args...)
	program.Stderr = t.Output()
	must.OK(t, program.Start())
	t.Cleanup(func() { _ = program.Wait() })
}

// Series is one time series in the answer to a query.
type Series struct {
	Metric map[string]string
	Value  [2]any // a Unix time, and the value as a string
}

// Query returns the current values of an expression in PromQL.
func (p *Prometheus) Query(t testing.TB, expr string) []Series {
	t.Helper()
	response := must.Get(must.Client.PostForm(p.url+"/api/v1/query", url.Values{"query": {expr}}))(t)
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []Series }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || answer.Error != "" {
		t.Fatalf("%s: %v %s", expr, err, answer.Error)
	}
	return answer.Data.Result
}

// Fired returns the names of the alerts that have fired since this time.
func (p *Prometheus) Fired(t testing.TB, since time.Time) (names []string) {
	t.Helper()
	query := fmt.Sprintf(`group by (alertname) (count_over_time(ALERTS{alertstate="firing"}[%dms]))`, max(time.Since(since).Milliseconds(), 1))
	for _, s := range p.Query(t, query) {
		names = append(names, s.Metric["alertname"])
	}
	slices.Sort(names)
	return names
}

// Panel is one diagram of the Grafana dashboard.
type Panel struct {
	Title, Description string
	Targets            []struct{ Expr, LegendFormat string }
}

// Panels returns the diagrams of the Grafana dashboard in k8s/monitoring. The queries compute rates over the time in the parameter
// "window", such as 5m.
func Panels(t testing.TB, window string) []Panel {
	t.Helper()
	var config struct{ Data map[string]string }
	manifest(t, "guestbook-dashboard.yaml", &config)
	var dashboard struct{ Panels []Panel }
	text := strings.ReplaceAll(config.Data["guestbook.json"], "$__rate_interval", window)
	must.OK(t, json.Unmarshal([]byte(text), &dashboard))
	return dashboard.Panels
}
