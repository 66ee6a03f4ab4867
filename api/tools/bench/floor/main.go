// Command floor is a minimal server with which the benchmark compares the guestbook. If FLOOR=constant, "floor" answers each request with
// constant bytes. Without FLOOR=constant, "floor" is a plain guestbook that runs one Redis command for each request.
package main

import (
	"encoding/json"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/gomodule/redigo/redis"
)

func main() {
	handler := http.HandlerFunc(plain)
	if os.Getenv("FLOOR") == "constant" {
		handler = constant
	}
	log.Fatal(http.ListenAndServe(os.Getenv("LISTEN_ADDR"), handler))
}

// constant writes an answer whose length in bytes is the number at the end of the query.
func constant(w http.ResponseWriter, r *http.Request) {
	size, _ := strconv.Atoi(r.URL.RawQuery[strings.LastIndexByte(r.URL.RawQuery, '=')+1:]) // 0 for a request without a size, such as a readiness probe
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(size))
	_, _ = w.Write(filler[:size])
}

var filler = []byte(strings.Repeat("x", 64<<10))

func newPool(addr string) *redis.Pool {
	return &redis.Pool{MaxIdle: 64, MaxActive: 64, Wait: true, Dial: func() (redis.Conn, error) { return redis.Dial("tcp", addr) }}
}

var (
	master, slave = newPool(os.Getenv("REDIS_MASTER_ADDR")), newPool(os.Getenv("REDIS_SLAVE_ADDR"))
	appendOnce    = redis.NewScript(2, `if redis.call('SET', KEYS[2], '', 'NX', 'EX', 86400) then return redis.call('APPEND', KEYS[1], ARGV[1]) end`)
)

func plain(w http.ResponseWriter, r *http.Request) {
	pool := slave
	if r.Method == http.MethodPost || r.FormValue("cmd") == "set" {
		pool = master
	}
	c := pool.Get()
	defer c.Close()
	var answer any
	var err error
	switch {
	case r.FormValue("cmd") == "set":
		answer = map[string]string{"message": "Updated"}
		_, err = c.Do("SET", r.FormValue("key"), r.FormValue("value"))
	case r.FormValue("cmd") == "get":
		var value string
		value, err = redis.String(c.Do("GET", r.FormValue("key")))
		answer = map[string]string{"data": value}
	case r.Method == http.MethodPost:
		text := r.FormValue("text")
		var length int
		if key := r.Header.Get("Idempotency-Key"); key != "" {
			length, err = redis.Int(appendOnce.Do(c, "messages", "key:"+key, ","+text))
		} else {
			length, err = redis.Int(c.Do("APPEND", "messages", ","+text))
		}
		answer = map[string]any{"id": length - len(text) - 1, "text": text}
	default: // a GET returns the newest page of entries
		var end string
		end, err = redis.String(c.Do("GETRANGE", "messages", -4096, -1))
		texts := strings.Split(end, ",")
		answer = map[string]any{"entries": texts[max(len(texts)-50, 0):]}
	}
	if err != nil {
		http.Error(w, fmt.Sprintf("{\"error\": %q}", err), http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(answer) // fails if the client has disconnected
}
