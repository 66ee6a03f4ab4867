//go:build faults

package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/history"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

// sizes are test cases with large requests, large guestbooks, many viewers, or a clock that is set back.
var sizes = []fault{
	{name: "300 sets of 1 MiB at once, straight to the API", bound: "every one is answered in time, stored or not, as it says",
		setup:  setup{direct: true, masterArgs: []string{"--maxmemory", "100mb", "--client-output-buffer-limit", "slave", "64mb", "64mb", "0"}},
		writes: []int{503, 507}, instead: func(r *rig) { setAtOnce(r, 300) }},
	{name: "60 sets of 1 MiB at once, 6 MB/s to the master", bound: "every one is answered in time; where it says that nothing was stored, nothing was",
		setup: setup{}, writes: unavailable, instead: func(r *rig) {
			const slow = `{"name": "slow", "type": "bandwidth", "stream": "upstream", "attributes": {"rate": 6000}}`
			must.Get(r.masterProxy.Toxics.AddToxicJson(strings.NewReader(slow)))(r)
			setAtOnce(r, 60)
		}},
	{name: "as many viewers as may be", bound: "nothing fails; the next viewer is told so, until one leaves",
		setup: setup{slaves: 2}, keeps: keptByNginx, inject: allViewers},
	{name: "a book of 90 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it is told to read pages",
		setup: setup{slaves: 2}, keeps: keptByNginx, prepare: func(r *rig) { makeLongBook(r, 90) },
		inject: func(r *rig) { longBook(r, 90, http.StatusRequestEntityTooLarge, "read it by pages") }},
	{name: "a book of 3 MB, 4 slow readers, for 5 s", bound: "nothing else fails; who asks for it gets it, or is told to try again",
		setup: setup{slaves: 2}, keeps: keptByNginx, prepare: func(r *rig) { makeLongBook(r, 3) },
		inject: func(r *rig) { longBook(r, 3, http.StatusServiceUnavailable, "try again") }},
	{name: "the API's clock set back by an hour, just when its connections to the slaves failed", bound: "nothing fails; connections are used again, and the slaves are",
		setup: setup{slaves: 2, clock: true}, inject: clockSetBack},
	{name: "posts with an Idempotency-Key until a master of 20 MB is full", bound: "80 % of the memory is messages by then",
		setup: setup{direct: true, masterArgs: []string{"--maxmemory", "20mb"}}, writes: []int{507, 503}, instead: untilFull},
}

// outcome returns the outcome of a write. The load reports a problem if it is unknown whether the write took effect, unless Redis did not answer in time.
func (l *load) outcome(answer visitors.Answer, err error) history.Outcome {
	outcome := answer.Outcome(err)
	if outcome == history.Unknown && !strings.Contains(answer.Body, "did not answer in time") {
		l.problem("a write is answered %d %.200s, %v", answer.Status, answer.Body, err)
	}
	return outcome
}

// setAtOnce sends n requests of 1 MiB at the same time, directly to the API. Each request sets a key of its own. Afterwards, setAtOnce
// compares each answer with the value in Redis.
func setAtOnce(r *rig, n int) {
	l := newLoad(r.pods[0].APIURL())
	r.load = l
	text := strings.Repeat("x", 1<<20-100)
	l.client = visitors.NewClient(n)
	defer l.client.CloseIdleConnections()
	said := make([]history.Outcome, n)
	var asking sync.WaitGroup
	for i := range n {
		set := fmt.Sprintf("cmd=set&key=large-%d&value=%s", i, text)
		asking.Go(func() {
			said[i] = l.outcome(l.visitor().Do(context.Background(), "set", http.MethodPost, "/guestbook/", set, history.Write{}))
		})
	}
	asking.Wait()
	var count [3]int
	for _, outcome := range said {
		count[outcome]++
	}
	r.addNote("%d stored, %d not, %d unknown", count[history.Stored], count[history.Refused], count[history.Unknown])
	master := podtest.Dial(r, r.masterPort)
	holds := func() (lengths []int) {
		for i := range n {
			lengths = append(lengths, must.Get(redis.Int(master.Do("STRLEN", fmt.Sprint("large-", i))))(r))
		}
		return lengths
	}
	lengths := holds()
	for last := []int(nil); !slices.Equal(last, lengths); lengths = holds() {
		last = lengths
		time.Sleep(time.Second)
	}
	for i, length := range lengths {
		if said[i] == history.Stored && length != len(text) || said[i] == history.Refused && length != 0 {
			l.problem("a set is answered %d, and %d bytes are stored", said[i], length)
		}
	}
}

// untilFull posts entries until the master refuses all of them. The master has the maxmemory-policy of k8s/redis-master-deployment.yaml.
func untilFull(r *rig) {
	const writers = 100
	manifest := must.Read(r, must.Root(r), "k8s", "redis-master-deployment.yaml")
	policy := regexp.MustCompile(`--maxmemory-policy, [\w-]+`).FindString(manifest)
	r.redis(r.masterPort, "CONFIG", "SET", "maxmemory-policy", strings.TrimPrefix(policy, "--maxmemory-policy, "))
	l := newLoad(r.pods[0].APIURL())
	r.load = l
	l.client = visitors.NewClient(writers)
	defer l.client.CloseIdleConnections()
	post := func(n int) (status int) {
		for until := time.Now().Add(waitLimit); ; { // repeats the request after a 503, because a busy Redis may answer too late
			answer, err := l.visitor().SendPost(context.Background(), fmt.Sprintf("%0400d", n), fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
			if l.outcome(answer, err); answer.Status != http.StatusServiceUnavailable || time.Now().After(until) {
				return answer.Status
			}
		}
	}
	// The master counts as full once it has refused a whole round of a thousand posts. A single 507 proves nothing, because a large buffer
	// in Redis may cause a 507 for a moment.
	stored := int64(0)
	for from, storedNow := 0, int64(1); storedNow > 0; from += 1000 {
		var created, other atomic.Int64
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := w; i < 1000; i += writers {
					switch post(from + i) {
					case http.StatusCreated:
						created.Add(1)
					case http.StatusInsufficientStorage:
					default:
						other.Add(1)
					}
				}
			})
		}
		group.Wait()
		if other.Load() > 0 || from > 200_000 {
			r.Fatalf("%d of %d posts are answered neither 201 nor 507", other.Load(), from)
		}
		storedNow = created.Load()
		stored += storedNow
	}
	share := 100 * float64(r.redis(r.masterPort, "MEMORY", "USAGE", book).(int64)) / float64(r.info(r.masterPort, "memory", "used_memory_dataset"))
	r.addNote("%d posts of 400 bytes, then %.0f %% of the data is messages", stored, share)
	if share < 80 {
		l.problem("%.0f %% of the memory is messages", share)
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

// longBook sends `get` for the key `long` from four silent clients, which never read the answer, and from four ordinary clients. The
// ordinary clients must receive the whole guestbook, or an error with this status and these words.
func longBook(r *rig, megabytes int, status int, words string) {
	ctx, cancel := context.WithTimeout(context.Background(), scaled(5*time.Second))
	defer cancel()
	var readers sync.WaitGroup
	for i := range 4 {
		// Two of the four silent clients connect to nginx, which buffers the answer on disk. The other two connect to the API directly.
		to := addr([]int{r.pods[0].Ports.Nginx, r.pods[0].Ports.API}[i%2])
		readers.Go(func() {
			for ctx.Err() == nil {
				beSlow(ctx, to, "GET /guestbook.php?cmd=get&key=long HTTP/1.1\r\nHost: x\r\n\r\n", false)
			}
		})
	}
	var got, refused atomic.Int64
	var mu sync.Mutex
	var slowest time.Duration
	for range 4 {
		readers.Go(func() {
			for ctx.Err() == nil {
				start := time.Now()
				response, err := r.load.client.Get(r.load.base + "/guestbook/?cmd=get&key=long")
				if err != nil {
					r.load.problem("get of the long book: %v", err)
					return
				}
				body, err := io.ReadAll(response.Body)
				response.Body.Close()
				mu.Lock()
				slowest = max(slowest, time.Since(start))
				mu.Unlock()
				switch {
				case err == nil && response.StatusCode == http.StatusOK && len(body) == megabytes*1_000_000+len(`{"data": ""}`):
					got.Add(1)
				case err == nil && response.StatusCode == status && strings.Contains(string(body), words):
					refused.Add(1)
				default:
					r.load.problem("get of the long book is answered %d %.100s…, %v", response.StatusCode, body, err)
				}
				time.Sleep(pace)
			}
		})
	}
	readers.Wait()
	if slowest > deadline {
		r.slow("a get of the long book took %s", slowest)
	}
	if status == http.StatusRequestEntityTooLarge && got.Load() > 0 {
		r.load.problem("the long book is answered")
	}
	r.addNote("%d gets of it, %d refused, slowest %s; 99 %% of ordinary requests within %d ms", got.Load()+refused.Load(), refused.Load(),
		seconds(slowest), r.load.p99(r.started, time.Now()).Milliseconds())
}
