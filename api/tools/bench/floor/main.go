// Command floor is the least that can stand behind nginx: a net/http handler that writes a constant. What the
// guestbook costs beyond it is the guestbook's own.
package main

import (
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

func main() {
	// The query ends with the size of the answer in bytes.
	bodies := map[string][]byte{}
	for _, size := range strings.Fields(os.Getenv("FLOOR_SIZES")) {
		n, err := strconv.Atoi(size)
		if err != nil {
			log.Fatal(err)
		}
		bodies[size] = []byte(strings.Repeat("x", n))
	}
	server := http.Server{Addr: os.Getenv("LISTEN_ADDR"), ReadHeaderTimeout: time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := bodies[r.URL.RawQuery[strings.LastIndexByte(r.URL.RawQuery, '=')+1:]]
		w.Header()["Content-Type"] = []string{"application/json"}
		if len(body) > 2048 {
			w.Header().Set("Content-Length", strconv.Itoa(len(body))) // without it, a long answer would go in chunks
		}
		_, _ = w.Write(body)
	})}
	log.Fatal(server.ListenAndServe())
}
