//go:build e2e

// The program phpstandin stands in for the PHP frontend in the migration test: it answers guestbook.php as that does
// (see the contract suite), from the same Redis Services, and after SIGTERM serves for 5 s more.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os/signal"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

func main() {
	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("/guestbook.php", guestbook)
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<title>Guestbook</title>") })
	server := &http.Server{Addr: ":80"}
	go func() { log.Fatal(server.ListenAndServe()) }()
	<-terminated.Done()
	time.Sleep(5 * time.Second)
	_ = server.Shutdown(context.Background()) // it ends anyhow
}

func guestbook(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key := q.Get("key")
	var answer any
	var err error
	if q.Get("cmd") == "set" {
		_, err = do("redis-master", "SET", key, q.Get("value"))
		answer = map[string]string{"message": "Updated"}
	} else {
		var data string
		data, err = redis.String(do("redis-slave", "GET", key))
		answer = map[string]string{"data": data}
	}
	if err != nil && !errors.Is(err, redis.ErrNil) {
		// As the original does: status 200 and a stack trace.
		fmt.Fprintln(w, "<b>Fatal error</b>:", err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(answer)
}

// do opens a connection for each command, as PHP does for each request.
func do(host, command string, args ...any) (any, error) {
	c, err := redis.Dial("tcp", net.JoinHostPort(host, "6379"), redis.DialConnectTimeout(2*time.Second))
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return c.Do(command, args...)
}
