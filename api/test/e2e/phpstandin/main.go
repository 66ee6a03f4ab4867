//go:build e2e

// Command phpstandin stands in for the PHP frontend in the migration test: it answers guestbook.php as that of the
// named edition does (see the contract suite), from the same Redis Services, and after SIGTERM serves for 5 s more.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"
)

// An edition is one of the published versions of guestbook.php, by what differs between them.
type edition struct {
	master, slave                 string // DNS names
	masterVariable, slaveVariable string // with GET_HOSTS_FROM=env
	key                           string // of its one book; "": the key in the request
}

var editions = map[string]edition{
	"master-slave": {"redis-master", "redis-slave", "REDIS_MASTER_SERVICE_HOST", "REDIS_SLAVE_SERVICE_HOST", ""},
	// Kubernetes sets no variable of the second name for the Service redis-replica.
	"replica":         {"redis-master", "redis-replica", "REDIS_MASTER_SERVICE_HOST", "REDIS_SLAVE_SERVICE_HOST", ""},
	"leader-follower": {"redis-leader", "redis-follower", "REDIS_LEADER_SERVICE_HOST", "REDIS_FOLLOWER_SERVICE_HOST", "guestbook"},
}

func main() {
	if len(os.Args) != 2 || editions[os.Args[1]].master == "" {
		log.Fatal("phpstandin EDITION: master-slave, replica or leader-follower")
	}
	e := editions[os.Args[1]]
	if os.Getenv("GET_HOSTS_FROM") == "env" {
		e.master, e.slave = os.Getenv(e.masterVariable), os.Getenv(e.slaveVariable)
	}

	terminated, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	http.HandleFunc("/guestbook.php", e.guestbook)
	http.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<title>Guestbook</title>") })
	server := &http.Server{Addr: ":80"}
	go func() { log.Fatal(server.ListenAndServe()) }()
	<-terminated.Done()
	time.Sleep(5 * time.Second)
	_ = server.Shutdown(context.Background()) // it ends anyhow
}

func (e edition) guestbook(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	key := e.key
	if key == "" {
		key = q.Get("key")
	}
	var answer any
	var err error
	if q.Get("cmd") == "set" {
		_, err = do(e.master, "SET", key, q.Get("value"))
		answer = map[string]string{"message": "Updated"}
	} else {
		var data string
		data, err = redis.String(do(e.slave, "GET", key))
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
