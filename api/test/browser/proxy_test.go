package browser

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"guestbook/api/test/kit/podtest"
)

// A proxy forwards requests to a pod's nginx, as an Ingress does in a cluster. The proxy records the responses.
type proxy struct {
	URL string

	mu      sync.Mutex
	rules   map[string]http.Handler // handlers that answer instead of the pod, by the kind of request
	headers map[string]string       // response headers that replace the pod's
	script  string                  // replaces the page's script; "whole" keeps the page's script, "" removes it
	answers []answer
}

// These are the kinds of requests that a handler in rules can answer instead of the pod.
const (
	document = "the page's document"
	api      = "all paths of the API"
	events   = "the stream"
	posts    = "all posts"
)

// An answer is a request and the status of the response.
type answer struct {
	method, path string
	status       int
}

// newProxy starts a proxy that listens at http://127.0.0.1.
func newProxy(t *testing.T, b *book) *proxy { return newProxyAt(t, b, "http", "127.0.0.1") }

// newProxyAt starts a proxy with this scheme and host name in its URL. The host name must resolve to this machine.
func newProxyAt(t *testing.T, b *book, scheme, name string) *proxy {
	t.Helper()
	nginx, err := url.Parse(b.URL())
	if err != nil {
		t.Fatal(err)
	}
	f := &proxy{script: "whole", rules: map[string]http.Handler{}, headers: map[string]string{}}
	pass := &httputil.ReverseProxy{
		FlushInterval: -1, // the proxy forwards each event at once
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(nginx)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", scheme)
			// The proxy also serves the same guestbook below /a/.
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/a")
			if r.Out.URL.Path == "/" {
				r.Out.Header.Del("Accept-Encoding") // so that the document is not compressed and can be changed
			}
		},
		ModifyResponse: f.modify,
		// The handler does not log the error, because a browser may close its connection at any time.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f.URL = serve(t, scheme, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if handler := f.rule(r); handler != nil {
			handler.ServeHTTP(w, r)
			return
		}
		pass.ServeHTTP(w, r)
	}))
	return f
}

// serve starts a server, and returns the server's URL with this host name.
func serve(t *testing.T, scheme, name string, handler http.Handler) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	if scheme == "https" {
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.Replace(server.URL, "127.0.0.1", name, 1)
}

// rule returns the handler that answers a request instead of the pod, or nil if the pod answers.
func (f *proxy) rule(r *http.Request) http.Handler {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, rule := range []struct {
		answers string
		applies bool
	}{
		{posts, r.Method == http.MethodPost}, {document, r.URL.Path == "/"}, {events, strings.HasSuffix(r.URL.Path, "/guestbook/events")},
		{api, strings.HasPrefix(r.URL.Path, "/guestbook")},
	} {
		if handler := f.rules[rule.answers]; rule.applies && handler != nil {
			return handler
		}
	}
	return nil
}

// serve makes a handler answer this kind of request instead of the pod. If handler is nil, the pod answers again.
func (f *proxy) serve(what string, handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[what] = handler
}

// refuse makes the proxy answer each POST with this status.
func (f *proxy) refuse(status int) {
	f.serve(posts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
}

// answerAs sets the header X-Answered-By of all responses.
func (f *proxy) answerAs(answerer string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers["X-Answered-By"] = answerer
}

// serveScript replaces the page's script. The argument "" removes the script, and the argument "whole" restores the page's script.
func (f *proxy) serveScript(script string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = script
}

// take returns the answers since the last call of take.
func (f *proxy) take() []answer {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := f.answers
	f.answers = nil
	return answers
}

func (f *proxy) modify(r *http.Response) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for name, value := range f.headers {
		r.Header.Set(name, value)
	}
	if r.Request.URL.Path == "/" && f.script != "whole" {
		return replaceScript(r, f.script)
	}
	f.answers = append(f.answers, answer{r.Request.Method, r.Request.URL.Path, r.StatusCode})
	return nil
}

// replaceScript replaces the script in the page's document.
func replaceScript(r *http.Response, script string) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	before, _, ok := bytes.Cut(text, []byte(`<script type="module">`))
	if !ok {
		return errors.New("the page has no script")
	}
	text = fmt.Appendf(before, "<script type=module>%s</script>", script)
	r.Body = io.NopCloser(bytes.NewReader(text))
	r.ContentLength = int64(len(text))
	r.Header.Set("Content-Length", strconv.Itoa(len(text)))
	// The Content-Security-Policy would refuse the new script. With an ETag, the browser would reuse its cached document.
	for _, name := range []string{"Content-Security-Policy", "ETag", "Last-Modified"} {
		r.Header.Del(name)
	}
	return nil
}

// nginxInFront starts an nginx in front of the pod's nginx, and returns the URL of the nginx in front. The nginx in front has these
// locations and otherwise nginx's default configuration. In the parameter locations, POD stands for the pod's address.
func nginxInFront(t *testing.T, b *book, locations string) string {
	t.Helper()
	program, err := exec.LookPath("nginx")
	if err != nil {
		program = "/usr/sbin/nginx"
	}
	dir, port := t.TempDir(), podtest.FreePorts(t).Nginx
	temporary := ""
	for _, name := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temporary += fmt.Sprintf("%s_temp_path %s;\n", name, filepath.Join(dir, name))
	}
	conf := fmt.Sprintf("daemon off; pid %s; events {} http { access_log off; %s server { listen 127.0.0.1:%d; %s } }",
		filepath.Join(dir, "pid"), temporary, port, strings.ReplaceAll(locations, "POD", fmt.Sprintf("127.0.0.1:%d", b.Ports.Nginx)))
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	nginx := exec.Command(program, "-e", "/dev/stderr", "-c", file)
	nginx.Stderr = &said
	if err := nginx.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait()
	})
	address := fmt.Sprintf("127.0.0.1:%d", port)
	for until := time.Now().Add(waitLimit); ; time.Sleep(10 * time.Millisecond) {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return "http://" + address
		}
		if time.Now().After(until) {
			t.Fatalf("%v\n%s", err, said.String())
		}
	}
}
