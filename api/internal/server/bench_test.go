package server_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"guestbook/api/test/kit/podtest"
)

const message = ",A message of thirty bytes....."

// nobody is an http.ResponseWriter that discards the answer.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n nobody) WriteHeader(int)             {}

// benchmark sends the same request again and again from 64 goroutines for each processor. The benchmark calls the server's handler without
// an HTTP connection, and uses a real Redis.
func benchmark(b *testing.B, messages int, method, url, contentType, body string) {
	s, pod := newServer(b)
	podtest.Do(b, podtest.Dial(b, pod.Ports.Master), "SET", "messages", strings.Repeat(message, messages))
	podtest.Do(b, podtest.Dial(b, pod.Ports.Master), "WAIT", 1, 5000)
	b.SetParallelism(64)
	b.ReportAllocs()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		r := httptest.NewRequest(method, url, nil)
		r.Header.Set("Content-Type", contentType)
		w := nobody{http.Header{}}
		for pb.Next() {
			if body != "" {
				r.Body = readCloser{strings.NewReader(body)}
			}
			s.ServeHTTP(w, r)
		}
	})
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func BenchmarkGet10(b *testing.B) {
	benchmark(b, 10, http.MethodGet, "/guestbook/?cmd=get&key=messages", "", "")
}

func BenchmarkGet1000(b *testing.B) {
	benchmark(b, 1000, http.MethodGet, "/guestbook/?cmd=get&key=messages", "", "")
}

func BenchmarkSet(b *testing.B) {
	benchmark(b, 10, http.MethodGet, "/guestbook/?cmd=set&key=messages&value=,hello%20there", "", "")
}

func BenchmarkPost(b *testing.B) {
	benchmark(b, 10, http.MethodPost, "/guestbook/entries", "application/x-www-form-urlencoded", "text=A+message+of+thirty+bytes....")
}

func BenchmarkNewestPage(b *testing.B) {
	benchmark(b, 1000, http.MethodGet, "/guestbook/entries", "", "")
}
