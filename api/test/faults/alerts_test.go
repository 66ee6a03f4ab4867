//go:build faults

package faults

import (
	"sync/atomic"
	"testing"

	"guestbook/api/test/promtest"
)

// watch is a Prometheus with the alerts of k8s/monitoring, which follows one rig after the other.
type watch struct {
	prometheus *promtest.Prometheus
	master     atomic.Int64
	apis       [2]atomic.Int64 // their ports
}

var alarms *watch

func newWatch(t *testing.T) *watch {
	w := &watch{}
	target := func(port *atomic.Int64) promtest.Target { return func() string { return addr(int(port.Load())) } }
	// A minute of an alert's rule is a second here.
	w.prometheus = promtest.Start(t, 60, target(&w.master), target(&w.apis[0]), target(&w.apis[1]))
	return w
}

func (w *watch) follow(r *rig) {
	w.master.Store(int64(r.masterPort))
	for i, pod := range r.pods {
		w.apis[i].Store(int64(pod.Ports.API))
	}
}
