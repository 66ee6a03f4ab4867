//go:build faults

package faults

import (
	"context"
	"net/http"
	"strings"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// toMaster returns a fault that toxiproxy causes in the connections between the API and the master.
func toMaster(name string, d time.Duration, toxics ...string) fault {
	return fault{name: name, bound: "reads go on; every request is answered in time", setup: setup{slaves: 2}, writes: unavailable,
		inject: func(r *rig) { r.toxic(r.masterProxy, scaled(d), toxics...) }}
}

// vanish makes toxiproxy discard all replies of Redis.
const vanish = `"type": "timeout", "stream": "downstream", "attributes": {"timeout": 0}`

// networkFaults are faults in the network between the API and Redis.
var networkFaults = []fault{
	toMaster("master 500 ms away for 3 s", 3*time.Second, `"type": "latency", "stream": "downstream", "attributes": {"latency": 500}`),
	toMaster("1 KB/s to and from the master for 3 s", 3*time.Second, `"type": "bandwidth", "stream": "downstream", "attributes": {"rate": 1}`,
		`"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 1}`),
	// The limit of ten bytes ends each connection after the seven bytes of the first reply, "+PONG\r\n", and three bytes of the second.
	toMaster("connections to the master end in mid-reply for 3 s", 3*time.Second, `"type": "limit_data", "stream": "downstream", "attributes": {"bytes": 10}`),
	toMaster("connections to the master are reset for 3 s", 3*time.Second, `"type": "reset_peer", "stream": "downstream", "attributes": {"timeout": 20}`),
	toMaster("replies of the master vanish for 5 s", 5*time.Second, vanish),
	toMaster("the way to the master swallows everything for 5 s", 5*time.Second, vanish, `"type": "timeout", "stream": "upstream", "attributes": {"timeout": 0}`),
	{name: "the way to the slaves swallows everything for 5 s; 100 more visitors", bound: "nothing fails",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: func(r *rig) {
			r.crowd(r.load.reading, 100, 100*time.Millisecond)
			time.Sleep(scaled(time.Second))
			r.toxic(r.slaveProxy, scaled(5*time.Second), vanish)
		}},
	{name: "the master's name does not resolve when the API starts", bound: "reads go on; writes are refused in time; not ready, and says why",
		writes: unavailable, alone: true, inject: withoutMasterName},
}

func withoutMasterName(r *rig) {
	api := r.pods[0].API
	podtest.Stop(r, api)
	api.Setenv("REDIS_MASTER_ADDR=nowhere.invalid:6379")
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if api.Start(ctx) == nil {
		r.Error("the API is ready")
	}
	r.load = newLoad("http://"+r.frontend.addr(), 1)
	v := r.load.visitor()
	for range 10 {
		if data, err := v.Get(r.Context(), book); data != ",the first" {
			r.load.problem("get is answered %q, %v", data, err)
		}
		if err := v.Set(r.Context(), legacyBook, "x"); err == nil || !strings.HasPrefix(err.Error(), "503 ") {
			r.load.problem("set is answered with %v, want 503", err)
		}
	}
	response, body := must.Fetch(r, r.pods[0].APIURL()+"/readyz")
	if response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "nowhere.invalid") {
		r.load.problem("/readyz is answered %d %s", response.StatusCode, body)
	}
}
