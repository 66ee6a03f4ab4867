package server_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// nobody is an http.ResponseWriter that discards the answer.
type nobody struct{ header http.Header }

func (n nobody) Header() http.Header         { return n.header }
func (n nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n nobody) WriteHeader(int)             {}

// For each processor, 64 goroutines send the same request again and again. BenchmarkHandler calls the server's handler without an HTTP
// connection, and uses a real Redis.
func BenchmarkHandler(b *testing.B) {
	for _, c := range []struct {
		name, method, url string
		messages          int
		body              string
	}{
		{"get of 10", http.MethodGet, "/guestbook/?cmd=get&key=messages", 10, ""},
		{"get of 1000", http.MethodGet, "/guestbook/?cmd=get&key=messages", 1000, ""},
		{"set", http.MethodGet, "/guestbook/?cmd=set&key=messages&value=,hello%20there", 10, ""},
		{"post", http.MethodPost, "/guestbook/entries", 10, "text=A+message+of+thirty+bytes...."},
		{"newest page", http.MethodGet, "/guestbook/entries", 1000, ""},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, master := newServer(b)
			put(b, master, strings.Repeat(",A message of thirty bytes.....", c.messages))
			b.SetParallelism(64)
			b.ReportAllocs()
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				r := httptest.NewRequest(c.method, c.url, nil)
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				w := nobody{http.Header{}}
				for pb.Next() {
					r.Body = io.NopCloser(strings.NewReader(c.body))
					s.ServeHTTP(w, r)
				}
			})
		})
	}
}
