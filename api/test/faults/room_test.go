//go:build faults

package faults

import (
	"encoding/json"
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
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/test/localpod"
	"guestbook/api/test/podtest"
	"guestbook/api/test/visitors"
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
	for _, setting := range regexp.MustCompile(`(?m)^ +(maxmemory-policy) (\S+)$`).FindAllStringSubmatch(string(manifest), -1) {
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
	once := func(n int) (id int64, status int) {
		start := time.Now()
		q, err := http.NewRequest(http.MethodPost, l.base+"/guestbook/entries", strings.NewReader(url.Values{"text": {fmt.Sprintf("%0400d", n)}}.Encode()))
		if err != nil {
			r.Error(err)
			return 0, 0
		}
		q.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		q.Header.Set("Idempotency-Key", fmt.Sprintf("00000000-0000-4000-8000-%012d", n))
		response, err := client.Do(q)
		done := visitors.Request{What: "post", Start: start, Err: err}
		var entry visitors.Entry
		if err == nil {
			done.Status = response.StatusCode
			body, err := io.ReadAll(response.Body)
			response.Body.Close()
			done.Err = err
			_ = json.Unmarshal(body, &entry) // where it is no entry, the status says so
		}
		done.Took = time.Since(start)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.requests = append(l.requests, done)
		return entry.ID, done.Status
	}
	post := func(n int) (id int64, status int) {
		for until := time.Now().Add(waitLimit); ; {
			// On a busy machine Redis may not answer in time: then it is repeated, as any visitor would.
			if id, status = once(n); status != http.StatusServiceUnavailable || time.Now().After(until) {
				return id, status
			}
		}
	}
	var ids []int64 // of the posts, in turn
	// each posts n entries, or repeats them, many at a time.
	each := func(from, n int) (got []int64, statuses map[int]int) {
		got, statuses = make([]int64, n), map[int]int{}
		var mu sync.Mutex
		var group sync.WaitGroup
		for w := range writers {
			group.Go(func() {
				for i := w; i < n; i += writers {
					id, status := post(from + i)
					mu.Lock()
					got[i] = id
					statuses[status]++
					mu.Unlock()
				}
			})
		}
		group.Wait()
		return got, statuses
	}
	for {
		some, statuses := each(len(ids), 1000)
		if statuses[http.StatusCreated] < len(some) {
			if n := statuses[http.StatusInsufficientStorage]; n+statuses[http.StatusCreated] != len(some) {
				l.problem("posts are answered %v", statuses)
			}
			break
		}
		if ids = append(ids, some...); len(ids) > 200_000 {
			r.Fatal("it is never full")
		}
	}
	c := podtest.Dial(r, r.masterPort)
	info, err := redis.String(c.Do("INFO", "memory"))
	if err != nil {
		r.Fatal(err)
	}
	dataset, _ := strconv.Atoi(regexp.MustCompile(`used_memory_dataset:(\d+)`).FindStringSubmatch(info)[1])
	share := 100 * float64(podtest.Do(r, c, "MEMORY", "USAGE", book).(int64)) / float64(dataset)
	r.addNote("%d posts of 400 bytes, then %.0f %% of the data is messages", len(ids), share)
	if share < 80 {
		l.problem("%.0f %% of the memory is messages", share)
	}
}
