//go:build faults

package faults

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"guestbook/api/test/kit/history"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

var sizes = []fault{
	{name: "300 sets of 1 MiB at once, straight to the API", bound: "every one is answered in time, stored or not, as it says",
		setup:  setup{direct: true, masterArgs: []string{"--maxmemory", "100mb", "--client-output-buffer-limit", "slave", "64mb", "64mb", "0"}},
		writes: []int{503, 507}, alone: true, inject: func(r *rig) { setAtOnce(r, 300) }},
	{name: "60 sets of 1 MiB at once, 6 MB/s to the master", bound: "every one is answered in time; where it says that nothing was stored, nothing was",
		writes: unavailable, alone: true, inject: func(r *rig) {
			const slow = `{"type": "bandwidth", "stream": "upstream", "attributes": {"rate": 6000}}`
			must.Get(r.masterProxy.Toxics.AddToxicJson(strings.NewReader(slow)))(r)
			setAtOnce(r, 60)
		}},
	{name: "as many viewers as may be", bound: "nothing fails; the next viewer is told so, until one leaves",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: allViewers},
	{name: "a book of 90 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it is told to read pages",
		setup: setup{slaves: 2}, keeps: keptByNginx, prepare: func(r *rig) { makeLongBook(r, 90) },
		inject: func(r *rig) { longBook(r, 0, "read it by pages") }},
	{name: "a book of 3 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it gets it, or is told to try again",
		setup: setup{slaves: 2}, keeps: keptByNginx, prepare: func(r *rig) { makeLongBook(r, 3) },
		inject: func(r *rig) { longBook(r, 3_000_000, "try again") }},
	{name: "the API's clock set back by an hour, just when its connections to the slaves failed", bound: "nothing fails; connections are used again, and the slaves are",
		setup: setup{slaves: 2, clock: true}, inject: clockSetBack},
	{name: "posts with an Idempotency-Key until a master of 20 MB is full", bound: "80 % of the memory is messages by then",
		setup: setup{direct: true, masterArgs: []string{"--maxmemory", "20mb"}}, writes: []int{507, 503}, alone: true, inject: untilFull},
}

// checkReason reports a problem if the outcome of a write is unknown, unless the API answers that Redis did not answer in time.
func (l *load) checkReason(answer visitors.Answer, err error) {
	if answer.Outcome(err) == history.Unknown && !strings.Contains(answer.Body, "did not answer in time") {
		l.problem("a write is answered %d %.200s, %v", answer.Status, answer.Body, err)
	}
}

// setAtOnce sends n requests of 1 MiB at the same time, directly to the API. Each request sets a guestbook of its own.
func setAtOnce(r *rig, n int) {
	r.load = newLoad(r.pods[0].APIURL(), n)
	defer r.load.client.CloseIdleConnections()
	text := strings.Repeat("x", 1<<20-100)
	var keys []string
	var asking sync.WaitGroup
	for i := range n {
		key := fmt.Sprint("large-", i)
		keys = append(keys, key)
		asking.Go(func() {
			set := history.Write{Book: key, Set: true, Text: text}
			r.load.checkReason(r.load.visitor().Do(context.Background(), "set", http.MethodPost, "/guestbook/", "cmd=set&key="+key+"&value="+text, set))
		})
	}
	asking.Wait()
	for size := any(nil); size != r.redis(r.masterPort, "DBSIZE"); time.Sleep(time.Second) {
		size = r.redis(r.masterPort, "DBSIZE") // DBSIZE may still grow, because Redis may execute a set after the API's timeout
	}
	r.checkHistory("sets", keys...)
}

// untilFull posts entries until the master refuses them. The master has the maxmemory-policy of k8s/redis-master-deployment.yaml.
func untilFull(r *rig) {
	const writers = 100
	manifest := must.Read(r, must.Root(r), "k8s", "redis-master-deployment.yaml")
	policy := regexp.MustCompile(`--maxmemory-policy, [\w-]+`).FindString(manifest)
	r.redis(r.masterPort, "CONFIG", "SET", "maxmemory-policy", strings.TrimPrefix(policy, "--maxmemory-policy, "))
	r.load = newLoad(r.pods[0].APIURL(), writers)
	defer r.load.client.CloseIdleConnections()
	var posting sync.WaitGroup
	for w := range writers {
		posting.Go(func() {
			// Only thirty 507 in a row show that Redis is full, because a large buffer may fill Redis for a moment.
			for i, refused := 0, 0; refused < 30 && i < 10_000; i++ {
				answer, err := r.load.visitor().SendPost(context.Background(), fmt.Sprintf("%0400d", i), fmt.Sprintf("00000000-0000-4000-%04d-%012d", w, i))
				r.load.checkReason(answer, err)
				if refused++; answer.Status != http.StatusInsufficientStorage {
					refused = 0
				}
			}
		})
	}
	posting.Wait()
	share := 100 * float64(r.redis(r.masterPort, "MEMORY", "USAGE", book).(int64)) / float64(r.info(r.masterPort, "memory", "used_memory_dataset"))
	r.addNote("then %.0f %% of the data is messages", share)
	if share < 80 {
		r.load.problem("%.0f %% of the memory is messages", share)
	}
}

// makeLongBook writes a guestbook of this many megabytes to the key `long`.
func makeLongBook(r *rig, megabytes int) {
	master := podtest.Dial(r, r.masterPort)
	piece := strings.Repeat(","+strings.Repeat("x", 999), 1000) // a thousand entries of a thousand bytes
	for range megabytes {
		podtest.Do(r, master, "APPEND", "long", piece)
	}
	for _, pod := range r.pods {
		slave := podtest.Dial(r, pod.Ports.Slave)
		must.Hold(r, "the slave has the book", waitLimit, func() bool { return podtest.Do(r, slave, "STRLEN", "long") == int64(megabytes*len(piece)) })
	}
}

// longGet is the value of visitors.Request.What for reads of the guestbook `long`.
const longGet = "get of the long book"

// longBook sends `get` for the key `long` from eight clients. Four clients never read the answer. Four clients read the answer, and must
// receive "size" bytes or an error that contains "words".
func longBook(r *rig, size int, words string) {
	ctx, cancel := context.WithTimeout(context.Background(), scaled(5*time.Second))
	defer cancel()
	var readers sync.WaitGroup
	for i := range 4 {
		// Clients that never read the answer connect to nginx and to the API in turn, so that the test covers both programs.
		to := addr([]int{r.pods[0].Ports.Nginx, r.pods[0].Ports.API}[i%2])
		readers.Go(func() {
			for ctx.Err() == nil {
				beSlow(ctx, to, "GET /guestbook.php?cmd=get&key=long HTTP/1.1\r\nHost: x\r\n\r\n", false)
			}
		})
		readers.Go(func() {
			for v := r.load.visitor(); pause(ctx, pace); {
				answer, err := v.Do(context.Background(), longGet, http.MethodGet, "/guestbook/?cmd=get&key=long", "", history.Read{Book: "long"})
				whole := answer.Data != nil && len(*answer.Data) == size
				if err != nil || !whole && !strings.Contains(answer.Body, words) {
					r.load.problem("the long book is answered %d %.100s, %v", answer.Status, answer.Body, err)
				}
			}
		})
	}
	readers.Wait()
}
