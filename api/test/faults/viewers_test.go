//go:build faults

package faults

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/must"
)

// allViewers opens event streams until the API refuses one more viewer, while other visitors post and read.
func allViewers(r *rig) {
	const watched = "watched"
	const request = "GET /guestbook/events?key=" + watched + " HTTP/1.1\r\nHost: x\r\n\r\n"
	most := int(limits.Figure(r, "server.maxViewers")) - viewers
	// open connects a viewer, and returns the connection and the head of the response. If the status is not 200, there is no connection.
	open := func() (net.Conn, string) {
		c, err := net.Dial("tcp", addr(r.pods[0].Ports.Nginx))
		if err != nil {
			return nil, err.Error()
		}
		_ = c.SetDeadline(time.Now().Add(10 * time.Second))
		head := make([]byte, 4096)
		_, _ = io.WriteString(c, request)
		n, err := c.Read(head)
		if !bytes.HasPrefix(head, []byte("HTTP/1.1 200")) {
			c.Close()
			return nil, fmt.Sprintf("%s %v", head[:n], err)
		}
		return c, string(head[:n])
	}
	conns := make([]net.Conn, most)
	defer func() {
		for _, c := range conns {
			if c != nil {
				c.Close()
			}
		}
	}()
	each := func(do func(viewer int)) {
		var doing sync.WaitGroup
		for part := range 16 {
			doing.Go(func() {
				for i := part; i < most; i += 16 {
					do(i)
				}
			})
		}
		doing.Wait()
	}
	each(func(i int) {
		c, head := open()
		if conns[i] = c; c == nil {
			r.load.problem("viewer %d is answered %.300q", i, head)
		}
	})
	opened := time.Since(r.started)
	if c, head := open(); c != nil || !strings.HasPrefix(head, "HTTP/1.1 503") || !strings.Contains(head, "too many are watching") {
		r.load.problem("one viewer too many is answered %.300q", head)
	}
	var want strings.Builder
	for began, i := time.Now(), 0; time.Since(began) < scaled(5*time.Second); i++ {
		if response, _ := must.Fetch(r, r.load.base+"/"); response.StatusCode != http.StatusOK {
			r.load.problem("the page is answered %s", response.Status)
		}
		r.redis(r.masterPort, "APPEND", watched, fmt.Sprint(",", i))
		fmt.Fprint(&want, i, " ")
		time.Sleep(500 * time.Millisecond)
	}
	r.redis(r.masterPort, "APPEND", watched, ",the last")
	want.WriteString("the last ")
	texts := regexp.MustCompile(`"text": "([^"]*)"`)
	var without atomic.Int64
	each(func(i int) {
		if conns[i] == nil {
			return
		}
		_ = conns[i].SetDeadline(time.Now().Add(10 * time.Second))
		var all bytes.Buffer
		buffer := make([]byte, 4096)
		for err := error(nil); err == nil && !bytes.Contains(all.Bytes(), []byte("the last")); {
			var n int
			n, err = conns[i].Read(buffer)
			all.Write(buffer[:n])
		}
		got := ""
		for _, text := range texts.FindAllSubmatch(all.Bytes(), -1) {
			got += string(text[1]) + " "
		}
		if got != want.String() {
			without.Add(1)
		}
	})
	if n := without.Load(); n > 0 {
		r.load.problem("%d viewers of %d did not get each entry once and in order", n, most)
	}
	conns[0].Close()
	must.Hold(r, "the next viewer is let in after one has left", 5*time.Second, func() bool {
		c, _ := open()
		if c != nil {
			c.Close()
		}
		return c != nil
	})
	p99 := r.load.p99(r.started, time.Now())
	r.addNote("%d viewers and %d of another book, opened in %s; 99 %% of ordinary requests within %d ms", most, viewers, opened.Round(time.Second), p99.Milliseconds())
}
