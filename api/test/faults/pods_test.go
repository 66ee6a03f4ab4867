//go:build faults

package faults

import (
	"syscall"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// keptByNginx is the number of idle connections to the API that nginx may keep open: 256 for each of two worker processes.
const keptByNginx = 512

var podFaults = []fault{
	{name: "one of two pods stops as Kubernetes stops it", bound: "nothing fails",
		// Once the first pod has drained, the second pod answers every request.
		setup: setup{pods: 2, slaves: 2}, measured: 1, keeps: keptByNginx, inject: func(r *rig) {
			pod := r.pods[0]
			// SIGUSR1 makes the API drain, as `api drain` does.
			must.OK(r, pod.API.Signal(syscall.SIGUSR1))
			time.Sleep(500 * time.Millisecond)
			r.frontend.to(addr(r.pods[1].Ports.Nginx))
			time.Sleep(500 * time.Millisecond)
			podtest.Stop(r, pod.Nginx, pod.API)
		}},
	{name: "API killed, and started again at once", bound: "what is in flight or comes before the API is back gets 503, and a repeat is safe",
		setup: setup{slaves: 2}, reads: unavailable, writes: unavailable, inject: func(r *rig) {
			for range 3 {
				podtest.Kill(r, r.pods[0].API)
				podtest.Start(r, r.pods[0].API)
				time.Sleep(scaled(time.Second))
			}
		}},
	{name: "nginx reloads its configuration, 3 times", bound: "nothing fails",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: func(r *rig) {
			for range 3 {
				must.OK(r, r.pods[0].Nginx.Signal(syscall.SIGHUP))
				time.Sleep(scaled(2 * time.Second))
			}
		}},
}
