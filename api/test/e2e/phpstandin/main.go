// Command phpstandin replaces the PHP frontend in tests. The answers of phpstandin, except refusals, have the same bytes as those of Apache
// 2.4 with PHP 8.2 and Predis. After SIGTERM, phpstandin serves for five more seconds.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/gomodule/redigo/redis"

	"guestbook/api/internal/php"
)

// An edition is one of three published versions of guestbook.php.
type edition struct {
	master, slave                 string // DNS names of the master and of the slaves
	masterVariable, slaveVariable string // environment variables with the addresses of the master and the slaves, for GET_HOSTS_FROM=env
	key                           string // Redis key of the guestbook; "" if each request names a key
	setLine, getLine              int
}

var editions = map[string]edition{
	"master-slave": {"redis-master", "redis-slave", "REDIS_MASTER_SERVICE_HOST", "REDIS_SLAVE_SERVICE_HOST", "", 23, 36},
	// In the edition "replica", guestbook.php reads the variable REDIS_SLAVE_SERVICE_HOST, although the slaves' Service is redis-replica.
	"replica":         {"redis-master", "redis-replica", "REDIS_MASTER_SERVICE_HOST", "REDIS_SLAVE_SERVICE_HOST", "", 23, 36},
	"leader-follower": {"redis-leader", "redis-follower", "REDIS_LEADER_SERVICE_HOST", "REDIS_FOLLOWER_SERVICE_HOST", "guestbook", 20, 33},
}

func main() {
	listen := flag.String("listen", ":80", "where to listen")
	port := flag.String("ports", "6379,6379", "of master and slave")
	flag.Parse()
	e, ok := editions[flag.Arg(0)]
	if !ok {
		log.Fatal("phpstandin [FLAGS] EDITION: master-slave, replica or leader-follower")
	}
	if os.Getenv("GET_HOSTS_FROM") == "env" {
		e.master, e.slave = os.Getenv(e.masterVariable), os.Getenv(e.slaveVariable)
	}
	master, slave, _ := strings.Cut(*port, ",")
	e.master, e.slave = e.master+":"+master, e.slave+":"+slave

	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	http.HandleFunc("/guestbook.php", e.guestbook)
	http.HandleFunc("/guestbook.php/", e.guestbook)
	go func() { log.Fatal(http.ListenAndServe(*listen, nil)) }()
	<-terminated
	time.Sleep(5 * time.Second)
}

// guestbook answers a request as guestbook.php does.
func (e edition) guestbook(w http.ResponseWriter, r *http.Request) {
	if line := r.Method + " " + r.RequestURI + " " + r.Proto; len(line) > 8190 { // Apache's default limit for a request line
		http.Error(w, "Request-URI Too Long", http.StatusRequestURITooLong)
		return
	}
	params := php.ParseQuery(r.URL.RawQuery)
	cmd, ok := params["cmd"]
	if !ok {
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		fmt.Fprintf(w, "<!DOCTYPE html PUBLIC \"-//W3C//DTD XHTML 1.0 Transitional//EN\" \"DTD/xhtml1-transitional.dtd\">\n<title>PHP 8.2 - phpinfo()</title>%s", strings.Join(os.Environ(), "<br />"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	warn := func(text, file string, line int) {
		fmt.Fprintf(w, "<br />\n<b>Warning</b>:  %s in <b>%s</b> on line <b>%d</b><br />\n", text, file, line)
	}
	var arrays int
	text := func(name string, line int) string {
		value, ok := params[name]
		if !ok {
			warn(fmt.Sprintf("Undefined array key %q", name), "/var/www/html/guestbook.php", line)
		} else if value.Array {
			arrays++
			return "Array"
		}
		return value.Text
	}
	isSet, line := cmd.Text == "set", e.getLine
	if isSet {
		line = e.setLine
	}
	args := []any{e.key}
	if e.key == "" {
		args[0] = text("key", line)
	}
	host, command := e.slave, "GET"
	if isSet {
		host, command, args = e.master, "SET", append(args, text("value", line))
	}
	for range arrays {
		warn("Array to string conversion", "/usr/share/php/Predis/Connection/StreamConnection.php", 390)
		warn("Array to string conversion", "/usr/share/php/Predis/Connection/StreamConnection.php", 391)
	}
	reply, err := do(host, command, args...)
	switch {
	case err != nil: // PHP sends the error as an HTML page, with the status 200
		fmt.Fprintf(w, "<br />\n<b>Fatal error</b>:  Uncaught Predis\\Response\\ServerException: %v in /usr/share/php/Predis/Client.php:370\nStack trace:\n#0 {main}\n  thrown in <b>/usr/share/php/Predis/Client.php</b> on line <b>370</b><br />\n", err)
	case isSet:
		fmt.Fprint(w, `{"message": "Updated"}`)
	default:
		fmt.Fprintf(w, `{"data": "%s"}`, reply)
	}
}

// do sends one command to Redis on a new connection, as PHP does, and returns the reply.
func do(host, command string, args ...any) (string, error) {
	c, err := redis.Dial("tcp", host, redis.DialConnectTimeout(2*time.Second))
	if err != nil {
		return "", err
	}
	defer c.Close()
	reply, err := redis.String(c.Do(command, args...))
	if errors.Is(err, redis.ErrNil) {
		err = nil
	}
	return reply, err
}
