//go:build faults

package faults

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
	"guestbook/api/test/kit/visitors"
)

var room = []fault{
	{
		name: "posts with an Idempotency-Key until a master of 20 MB is full", bound: "80 % of the memory is messages by then",
		setup: setup{direct: true, masterArgs: makesRoom()}, writes: []int{http.StatusInsufficientStorage, http.StatusServiceUnavailable},
		instead: untilFull,
	},
}

// makesRoom are the settings of the manifest's master that say what gives way, for one of 20 MB.
func makesRoom() []string {
	args := []string{"--maxmemory", "20mb"}
	root, err := localpod.Root()
	if err != nil {
		return nil
	}
	manifest, _ := os.ReadFile(filepath.Join(root, "k8s", "redis-master-deployment.yaml"))
	for _, setting := range regexp.MustCompile(`--(maxmemory-policy), ([\w-]+)`).FindAllStringSubmatch(string(manifest), -1) {
		args = append(args, "--"+setting[1], setting[2])
	}
	return args
}

func untilFull(r *rig) {
	const writers = 100
	l := newLoad(r.pods[0].APIURL())
	r.load = l
	client := visitors.NewClient(writers)
	defer client.CloseIdleConnections()
	once := func(n int) (status int) {
		start := time.Now()
		q, err := http.NewRequest(http.MethodPost, l.base+"/guestbook/entries", strings.NewReader(url.Values{"text": {fmt.Sprintf("%0400d", n)}}.Encode()))
		if err != nil {
			r.Error(err)
			return 0
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Idempotency-Key", fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
		response, err := client.Do(q)
		done := visitors.Request{What: "post", Start: start, Err: err}
		if err == nil {
			done.Status = response.StatusCode
			_, done.Err = io.Copy(io.Discard, response.Body)
			response.Body.Close()
		}
		done.Took = time.Since(start)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests = append(l.requests, done)
		return done.Status
	}
	post := func(n int) (status int) {
		for until := time.Now().Add(waitLimit); ; {
			// On a busy machine Redis may not answer in time: then it is repeated, as any visitor would.
			if status = once(n); status != http.StatusServiceUnavailable || time.Now().After(until) {
				return status
			}
		}
	}
	// While a buffer is large for a moment, a post may be refused though records can still give way. So the master is full once
	// none of a thousand posts is stored.
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
	c := podtest.Dial(r, r.masterPort)
	info, err := redis.String(c.Do("INFO", "memory"))
	if err != nil {
		r.Fatal(err)
	}
	dataset, _ := strconv.Atoi(regexp.MustCompile(`used_memory_dataset:(\d+)`).FindStringSubmatch(info)[1])
	share := 100 * float64(podtest.Do(r, c, "MEMORY", "USAGE", book).(int64)) / float64(dataset)
	r.addNote("%d posts of 400 bytes, then %.0f %% of the data is messages", stored, share)
	if share < 80 {
		l.problem("%.0f %% of the memory is messages", share)
	}
}
