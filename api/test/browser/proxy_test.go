package browser

import (
	"cmp"
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
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// A proxy forwards requests to a pod's nginx, as an Ingress does in a cluster.
type proxy struct {
	URL      string
	pod      http.Handler
	answerer atomic.Pointer[string] // the value of the header X-Answered-By; nil keeps the pod's value

	mu      sync.Mutex
	rules   map[string]http.Handler // the key is a pattern; the handler answers the matching requests instead of the pod
	answers []string                // the API's answers, each as method, status and path
}

// Each constant is a pattern of HTTP methods and paths, as an argument for proxy.serve.
const (
	posts    = "^POST "
	document = "^GET /$"
	events   = "^GET .*/guestbook/events$"
	api      = "^[A-Z]+ /guestbook"
)

// newProxy starts a proxy that listens at http://127.0.0.1.
func newProxy(t *testing.T, b *book) *proxy { return newProxyAt(t, b, "http", "127.0.0.1") }

// newProxyAt starts a proxy with the given scheme and host name in its URL. Browsers must resolve the proxy's host name to this machine.
func newProxyAt(t *testing.T, b *book, scheme, name string) *proxy {
	t.Helper()
	nginx := must.Get(url.Parse(b.URL()))(t)
	f := &proxy{rules: map[string]http.Handler{}}
	f.pod = &httputil.ReverseProxy{
		FlushInterval: -1,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(nginx)
			r.Out.Host = r.In.Host
			r.Out.Header.Set("X-Forwarded-Proto", scheme)
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/a") // the proxy also serves the guestbook below /a/
		},
		ModifyResponse: func(r *http.Response) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			if answerer := f.answerer.Load(); answerer != nil {
				r.Header.Set("X-Answered-By", *answerer)
			}
			if path := r.Request.URL.Path; strings.HasPrefix(path, "/guestbook") {
				f.answers = append(f.answers, fmt.Sprint(r.Request.Method, " ", r.StatusCode, " ", path))
			}
			return nil
		},
		// The default ErrorHandler would log an error whenever a browser closes its connection.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { w.WriteHeader(http.StatusBadGateway) },
	}
	f.URL = serve(t, scheme, name, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.handler(r).ServeHTTP(w, r)
	}))
	return f
}

func serve(t *testing.T, scheme, name string, handler http.Handler) string {
	t.Helper()
	start := httptest.NewServer
	if scheme == "https" {
		start = httptest.NewTLSServer
	}
	server := start(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return strings.Replace(server.URL, "127.0.0.1", name, 1)
}

// handler returns the handler in f.rules that matches the request, or else f.pod.
func (f *proxy) handler(r *http.Request) http.Handler {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, kind := range []string{posts, document, events, api} {
		if handler := f.rules[kind]; handler != nil && regexp.MustCompile(kind).MatchString(r.Method+" "+r.URL.Path) {
			return handler
		}
	}
	return f.pod
}

// serve makes a handler answer the requests that match the pattern "what".
func (f *proxy) serve(what string, handler http.Handler) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.rules[what] = handler
}

// refuse makes the proxy answer each POST with this status.
func (f *proxy) refuse(status int) {
	f.serve(posts, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
}

// serveScript makes the proxy replace the script in the page's document by the given script.
func (f *proxy) serveScript(t *testing.T, script string) {
	t.Helper()
	f.serve(document, nil)
	_, text := must.Fetch(t, f.URL)
	before, _, _ := strings.Cut(text, `<script type="module">`)
	f.serve(document, html(http.StatusOK, before+"<script type=module>"+script+"</script>")) // without Content-Security-Policy and ETag
}

func html(status int, text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	})
}

// take returns the API's answers since the previous call of "take".
func (f *proxy) take() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	answers := f.answers
	f.answers = nil
	return answers
}

// nginxInFront starts a second nginx in front of the pod's nginx, with the given locations and nginx's default settings, and returns the
// second nginx's URL. In the parameter "locations", POD stands for the pod's address.
func nginxInFront(t *testing.T, b *book, locations string) string {
	t.Helper()
	program, _ := exec.LookPath("nginx")
	dir, address := t.TempDir(), fmt.Sprintf("127.0.0.1:%d", podtest.FreePorts(t).Nginx)
	locations = strings.ReplaceAll(locations, "POD", strings.TrimPrefix(b.URL(), "http://"))
	conf := strings.NewReplacer("ADDRESS", address, "LOCATIONS", locations).Replace(must.Read(t, "testdata", "nginx.conf"))
	must.Write(t, filepath.Join(dir, "nginx.conf"), conf)
	nginx := exec.Command(cmp.Or(program, "/usr/sbin/nginx"), "-e", "/dev/stderr", "-p", dir, "-c", "nginx.conf")
	nginx.Stderr = os.Stderr
	must.OK(t, nginx.Start())
	t.Cleanup(func() {
		_ = nginx.Process.Signal(syscall.SIGTERM)
		_ = nginx.Wait()
	})
	must.Hold(t, "nginx listens", waitLimit, func() bool {
		c, err := net.Dial("tcp", address)
		return err == nil && c.Close() == nil
	})
	return "http://" + address
}
