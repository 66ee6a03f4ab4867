//go:build faults

package faults

import (
	"sync/atomic"
	"testing"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/promtest"
)

// watch runs Prometheus with the alerting rules of k8s/monitoring. Prometheus always scrapes the processes of the running test case.
type watch struct {
	prometheus *promtest.Prometheus
	ports      [3]atomic.Int64 // of the master and of two APIs
}

var alarms *watch

func newWatch(t *testing.T) *watch {
	w := &watch{}
	target := func(i int) promtest.Target { return func() string { return addr(int(w.ports[i].Load())) } }
	// A minute in an alerting rule lasts only one second in this test.
	w.prometheus = promtest.Start(t, 60, target(0), target(1), target(2))
	return w
}

// follow makes Prometheus scrape the processes of the rig, and waits until alerts about missing processes no longer fire.
func (w *watch) follow(r *rig) {
	for i, port := range []int{r.masterPort, r.pods[0].Ports.API, r.pods[1].Ports.API} {
		w.ports[i].Store(int64(port))
	}
	query := `absent(guestbook_build_info) or ALERTS{alertname="GuestbookNoFrontend",alertstate="firing"}`
	if r.setup.password == "" { // the Redis exporter of package promtest has no password
		query += ` or absent(redis_up == 1) or ALERTS{alertname="GuestbookNoRedisFigures",alertstate="firing"}`
	}
	must.Hold(r, "Prometheus scrapes the rig", waitLimit, func() bool { return len(w.prometheus.Query(r, query)) == 0 })
}
