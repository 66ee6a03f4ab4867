//go:build faults

package faults

import (
	"sync/atomic"
	"testing"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/promtest"
)

// watch runs a Prometheus with the alerts of k8s/monitoring. The Prometheus scrapes the rig of the test case that runs now.
type watch struct {
	prometheus *promtest.Prometheus
	master     atomic.Pointer[string] // address of the master to scrape
	apis       [2]atomic.Int64        // ports of the APIs to scrape
}

var alarms *watch

func newWatch(t *testing.T) *watch {
	w := &watch{}
	w.master.Store(new(string))
	api := func(port *atomic.Int64) promtest.Target { return func() string { return addr(int(port.Load())) } }
	// For the alerts, time runs 60 times as fast: a minute in an alerting rule lasts one second in this test.
	w.prometheus = promtest.Start(t, 60, func() string { return *w.master.Load() }, api(&w.apis[0]), api(&w.apis[1]))
	return w
}

// follow makes Prometheus scrape the rig, and waits for the first scrape, because alerts may fire while there are no measurements.
func (w *watch) follow(r *rig) {
	master := addr(r.masterPort)
	if r.ha != nil {
		master = r.ha.ProxyAddr(0) // with three Redis, Prometheus reaches the master through a proxy, as in k8s/ha/
	}
	w.master.Store(&master)
	for i, pod := range r.pods {
		w.apis[i].Store(int64(pod.Ports.API))
	}
	query := `absent(guestbook_build_info) or ALERTS{alertname="GuestbookNoFrontend",alertstate="firing"}`
	if r.ha == nil || r.ha.password == "" { // the exporter does not know the password, so it cannot scrape a Redis with a password
		query += ` or absent(redis_up == 1) or ALERTS{alertname="GuestbookNoRedisFigures",alertstate="firing"}`
	}
	must.Hold(r, "Prometheus scrapes the rig", waitLimit, func() bool { return len(w.prometheus.Query(r, query)) == 0 })
}
