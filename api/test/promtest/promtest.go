// Package promtest gives tests a Prometheus of their own, with the rules of k8s/monitoring.
package promtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/localpod"
)

// timeout is how long each of the programs may take to start, and to answer.
const timeout = 30 * time.Second

// Manifest reads a manifest of k8s/monitoring into what is pointed to.
func Manifest(t testing.TB, name string, into any) {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "k8s/monitoring", name))
	if err != nil {
		t.Fatal(err)
	}
	var content any
	if err := yaml.Unmarshal(text, &content); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	asJSON, err := json.Marshal(content)
	if err == nil {
		err = json.Unmarshal(asJSON, into)
	}
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
}

var minutes = regexp.MustCompile(`(\[|"for":")(\d+)m`)

// Rules writes the alerts to a file, as Prometheus reads them. Their minutes are as many times shorter as speed says.
func Rules(t testing.TB, file string, speed float64) {
	t.Helper()
	var rule struct{ Spec json.RawMessage }
	Manifest(t, "guestbook-prometheusrule.yaml", &rule)
	text := minutes.ReplaceAllFunc(rule.Spec, func(match []byte) []byte {
		part := minutes.FindSubmatch(match)
		n, _ := strconv.Atoi(string(part[2])) // they are digits
		return fmt.Appendf(nil, "%s%dms", part[1], int(float64(n)*60_000/speed))
	})
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
}

// Prometheus is one that runs.
type Prometheus struct{ url string }

// Start runs a Prometheus, with an exporter for the Redis at a port, until the test ends. It scrapes the APIs at the ports
// every 15 s, divided by speed; so are the alerts' times.
func Start(t testing.TB, speed float64, master int, apis ...int) *Prometheus {
	t.Helper()
	dir := t.TempDir()
	ports, err := localpod.FreePorts()
	if err != nil {
		t.Fatal(err)
	}
	exporter, server := addr(ports.API), addr(ports.Nginx)
	Rules(t, filepath.Join(dir, "rules.yml"), speed)
	interval := max(15_000/speed, 100)
	config := fmt.Sprintf(`
global: {scrape_interval: %[1]dms, scrape_timeout: %[1]dms, evaluation_interval: %[1]dms}
rule_files: [rules.yml]
scrape_configs:
  - job_name: guestbook/redis-exporter
    static_configs: [{targets: ["%[2]s"]}]
  - job_name: guestbook/frontend
    static_configs:
`, int(interval), exporter)
	for i, port := range apis {
		config += fmt.Sprintf("      - {targets: [%q], labels: {pod: frontend-%d}}\n", addr(port), i)
	}
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	run(t, "prometheus-redis-exporter", "-redis.addr", "redis://"+addr(master), "-web.listen-address", exporter)
	run(t, "prometheus", "--config.file", filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path", filepath.Join(dir, "data"),
		"--web.listen-address", server, "--log.level", "error")
	p := &Prometheus{url: "http://" + server}
	for _, ready := range []string{"http://" + exporter + "/health", p.url + "/-/ready"} {
		for until := time.Now().Add(timeout); !answers(ready); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(until) {
				t.Fatalf("%s does not answer", ready)
			}
		}
	}
	return p
}

func addr(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

func answers(url string) bool {
	response, err := (&http.Client{Timeout: timeout}).Get(url)
	if err == nil {
		response.Body.Close()
	}
	return err == nil && response.StatusCode == http.StatusOK
}

// run starts a program, which is stopped when the test ends.
func run(t testing.TB, name string, args ...string) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	program := exec.CommandContext(ctx, name, args...)
	program.Stderr = t.Output()
	if err := program.Start(); err != nil {
		stop()
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = program.Wait() // it was killed
	})
}

// Series is one of the answers to a query: its labels, and its value.
type Series struct {
	Metric map[string]string
	Value  [2]any // a time and a text
}

// Query asks for what holds now.
func (p *Prometheus) Query(t testing.TB, expr string) []Series {
	t.Helper()
	response, err := (&http.Client{Timeout: timeout}).PostForm(p.url+"/api/v1/query", url.Values{"query": {expr}})
	if err != nil {
		t.Fatal(err)
	}
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

// Fired gives the names of all alerts that have fired.
func (p *Prometheus) Fired(t testing.TB) (names []string) {
	t.Helper()
	for _, s := range p.Query(t, `group by (alertname) (count_over_time(ALERTS{alertstate="firing"}[1h]))`) {
		names = append(names, s.Metric["alertname"])
	}
	slices.Sort(names)
	return names
}
