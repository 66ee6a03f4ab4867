package browser

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"guestbook/api/test/kit/localpod"
)

// front is a proxy before a pod's nginx, as a cluster has one. It notes the answers that pass.
type front struct {
	URL string

	mu       sync.Mutex
	old      http.Handler // answers /guestbook… instead of the pod; nil: the pod does
	document http.Handler // answers / instead of the pod; nil: the pod does
	events   http.Handler // answers /guestbook/events instead of the pod; nil: the pod does
	posts    http.Handler // answers posts instead of the pod; nil: the pod does
	refusal  int          // answers posts instead of the pod; 0: the pod does
	answerer *string      // what the answers say of who gave them; nil: what the pod says
	script   string       // instead of the page's; "whole": the page's own, "": none
	answers  []answer
}

// answer is what came back to a request.
type answer struct {
	method, path string
	status       int
}

func newFront(t *testing.T, pod *localpod.Pod) *front {
	t.Helper()
	nginx, err := url.Parse(pod.URL())
	if err != nil {
		t.Fatal(err)
	}
	f := &front{script: "whole"}
	proxy := &httputil.ReverseProxy{
		FlushInterval: -1, // events pass as they come
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(nginx)
			r.Out.Host = r.In.Host
			// The same guestbook is at /a/.
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/a")
			if r.Out.URL.Path == "/" {
				r.Out.Header.Del("Accept-Encoding") // so that the document can be changed
			}
		},
		ModifyResponse: func(r *http.Response) error {
			f.mu.Lock()
			if f.answerer != nil {
				r.Header.Set("X-Answered-By", *f.answerer)
			}
			script := f.script
			f.mu.Unlock()
			if r.Request.URL.Path == "/" && script != "whole" {
				return replaceScript(r, script)
			}
			f.record(answer{r.Request.Method, r.Request.URL.Path, r.StatusCode})
			return nil
		},
		// Requests whose browser has gone.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		old, events, refusal, document, posts := f.old, f.events, f.refusal, f.document, f.posts
		f.mu.Unlock()
		if r.Method == http.MethodPost && refusal != 0 {
			w.WriteHeader(refusal)
			return
		}
		if r.Method == http.MethodPost && posts != nil {
			posts.ServeHTTP(w, r)
			return
		}
		if r.URL.Path == "/" && document != nil {
			document.ServeHTTP(w, r)
			return
		}
		if events != nil && strings.HasSuffix(r.URL.Path, "/guestbook/events") {
			events.ServeHTTP(w, r)
			return
		}
		if old != nil && isGuestbook(r.URL.Path) {
			old.ServeHTTP(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	f.URL = server.URL
	return f
}

// replaceScript puts another script into the place of the page's.
func replaceScript(r *http.Response, script string) error {
	document, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	before, _, ok := bytes.Cut(document, []byte(`<script type="module">`))
	if !ok {
		return errors.New("the page has no script")
	}
	document = fmt.Appendf(before, "<script type=module>%s</script>", script)
	r.Body = io.NopCloser(bytes.NewReader(document))
	r.ContentLength = int64(len(document))
	r.Header.Set("Content-Length", strconv.Itoa(len(document)))
	for _, name := range []string{
		"Content-Security-Policy", // that allows its own script only
		"ETag", "Last-Modified",   // of its own document, which a browser would not load again
	} {
		r.Header.Del(name)
	}
	return nil
}

func (f *front) record(a answer) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers = append(f.answers, a)
}

// take gives the answers since it was called last.
func (f *front) take() []answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := f.answers
	f.answers = nil
	return answers
}

// serveOld makes a handler answer in the pod's place; nil lets the pod answer again.
func (f *front) serveOld(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.old = h
}

// serveDocument makes a handler answer for the page's document; nil lets the pod answer again.
func (f *front) serveDocument(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.document = h
}

// servePosts makes a handler answer each post; nil lets them through again.
func (f *front) servePosts(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.posts = h
}

// serveEvents makes a handler answer for the stream; nil lets the pod answer again.
func (f *front) serveEvents(h http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events = h
}

// refusePosts answers each post with this status; 0 lets them through again.
func (f *front) refusePosts(status int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refusal = status
}

// answerAs makes the answers say that somebody else gave them.
func (f *front) answerAs(answerer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answerer = &answerer
}

// serveScript gives the page another script, or "" none, or "whole" its own again.
func (f *front) serveScript(script string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

func isGuestbook(path string) bool { return strings.HasPrefix(path, "/guestbook") }
