//go:build faults

package faults

import (
	"sync/atomic"
	"testing"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/promtest"
)

// watch is a Prometheus with the alerts of k8s/monitoring. It follows one rig after the other.
type watch struct {
	prometheus *promtest.Prometheus
	master     atomic.Pointer[string] // its address
	apis       [2]atomic.Int64        // their ports
}

var alarms *watch

func newWatch(t *testing.T) *watch {
	w := &watch{}
	w.master.Store(new(string))
	api := func(port *atomic.Int64) promtest.Target { return func() string { return addr(int(port.Load())) } }
	// A minute of an alert's rule is a second here.
	w.prometheus = promtest.Start(t, 60, func() string { return *w.master.Load() }, api(&w.apis[0]), api(&w.apis[1]))
	return w
}

// follow makes Prometheus scrape the rig and waits until it does, so that no alert fires for want of a scrape.
func (w *watch) follow(r *rig) {
	master := addr(r.masterPort)
	if r.ha != nil {
		master = r.ha.ProxyAddr(0) // as the Service redis-master leads there
	}
	w.master.Store(&master)
	for i, pod := range r.pods {
		w.apis[i].Store(int64(pod.Ports.API))
	}
	query := `absent(guestbook_build_info) or ALERTS{alertname="GuestbookNoFrontend",alertstate="firing"}`
	if r.ha == nil || r.ha.password == "" { // the exporter has no password
		query += ` or absent(redis_up == 1) or ALERTS{alertname="GuestbookNoRedisFigures",alertstate="firing"}`
	}
	must.Hold(r, "Prometheus scrapes the rig", waitLimit, func() bool { return len(w.prometheus.Query(r, query)) == 0 })
}
