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
	master     atomic.Pointer[string]
	apis       [2]atomic.Int64
}

var alarms *watch

func newWatch(t *testing.T) *watch {
	w := &watch{}
	w.master.Store(new(string))
	api := func(port *atomic.Int64) promtest.Target { return func() string { return addr(int(port.Load())) } }
	// A minute in an alerting rule lasts only one second in this test.
	w.prometheus = promtest.Start(t, 60, func() string { return *w.master.Load() }, api(&w.apis[0]), api(&w.apis[1]))
	return w
}

// follow makes Prometheus scrape the processes of this test, and waits for the first scrape, because alerts may fire before it.
func (w *watch) follow(r *rig) {
	master := addr(r.masterPort)
	if r.ha != nil {
		master = r.ha.ProxyAddr(0) // Prometheus reaches the master of k8s/ha/ through a proxy
	}
	w.master.Store(&master)
	for i, pod := range r.pods {
		w.apis[i].Store(int64(pod.Ports.API))
	}
	query := `absent(guestbook_build_info) or ALERTS{alertname="GuestbookNoFrontend",alertstate="firing"}`
	if r.ha == nil || r.ha.password == "" { // the exporter cannot scrape a Redis with a password
		query += ` or absent(redis_up == 1) or ALERTS{alertname="GuestbookNoRedisFigures",alertstate="firing"}`
	}
	must.Hold(r, "Prometheus scrapes the rig", waitLimit, func() bool { return len(w.prometheus.Query(r, query)) == 0 })
}
