//go:build faults

package faults

import (
	"bufio"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"guestbook/api/test/kit/limits"
	"guestbook/api/test/kit/must"
)

// allViewers opens event streams until the API refuses one more viewer, while other visitors post and read.
func allViewers(r *rig) {
	url := r.pods[0].URL() + "/guestbook/events?key=watched"
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{ReadBufferSize: 512, WriteBufferSize: 512}}
	streams := make([]*http.Response, int(limits.Figure(r, "server.maxViewers"))-viewers)
	each := func(do func(viewer int) error) error {
		var doing errgroup.Group
		doing.SetLimit(16)
		for i := range streams {
			doing.Go(func() error { return do(i) })
		}
		return doing.Wait()
	}
	must.OK(r, each(func(i int) (err error) {
		if streams[i], err = client.Get(url); err == nil && streams[i].StatusCode != http.StatusOK {
			err = fmt.Errorf("viewer %d is answered %s", i, streams[i].Status)
		}
		return err
	}))
	opened := time.Since(r.started)
	if response, body := must.Fetch(r, url); response.StatusCode != http.StatusServiceUnavailable || !strings.Contains(body, "too many are watching") {
		r.load.problem("one viewer too many is answered %s %.300q", response.Status, body)
	}
	want := ""
	add := func(text string) {
		r.redis(r.masterPort, "APPEND", "watched", ","+text)
		want += text + " "
	}
	for began, i := time.Now(), 0; time.Since(began) < scaled(5*time.Second); i++ {
		if response, _ := must.Fetch(r, r.load.base+"/"); response.StatusCode != http.StatusOK {
			r.load.problem("the page is answered %s", response.Status)
		}
		add(fmt.Sprint(i))
		time.Sleep(500 * time.Millisecond)
	}
	add("the last")
	texts := regexp.MustCompile(`^data: .*"text": "([^"]*)"`)
	must.OK(r, each(func(i int) error {
		got := ""
		for lines := bufio.NewScanner(streams[i].Body); !strings.HasSuffix(got, "the last ") && lines.Scan(); {
			if match := texts.FindStringSubmatch(lines.Text()); match != nil {
				got += match[1] + " "
			}
		}
		if got != want {
			return fmt.Errorf("viewer %d got %q, want %q", i, got, want)
		}
		return nil
	}))
	streams[0].Body.Close()
	must.Hold(r, "the next viewer is let in after one has left", 5*time.Second, func() bool {
		response, err := client.Get(url)
		if err == nil {
			response.Body.Close()
		}
		return err == nil && response.StatusCode == http.StatusOK
	})
	must.OK(r, each(func(i int) error { return streams[i].Body.Close() }))
	r.addNote("%d viewers and %d of another book, opened in %s", len(streams), viewers, opened.Round(time.Second))
}
