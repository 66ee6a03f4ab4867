// Package must has functions that end a test if an error occurs.
package must

import (
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
)

// OK ends the test if err is not nil.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Get returns the value of a call, as in must.Get(os.Hostname())(t), and ends the test if the call has returned an error.
func Get[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		OK(t, err)
		return value
	}
}

// Await calls a function until the function returns nil, and ends the test if the function still fails after the time "limit".
func Await(t testing.TB, what string, limit time.Duration, condition func() error) {
	t.Helper()
	for until := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		err := condition()
		if err == nil {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("after %s still not: %s: %v", limit, what, err)
		}
	}
}

// Hold calls a function until the function returns true, and ends the test if the function is still false after the time "limit".
func Hold(t testing.TB, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	Await(t, what, limit, func() error {
		if condition() {
			return nil
		}
		return errors.New("it does not hold")
	})
}

// Root returns the path of the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	return Get(localpod.Root())(t)
}

// Read returns the text of a file.
func Read(t testing.TB, path ...string) string {
	t.Helper()
	return string(Get(os.ReadFile(filepath.Join(path...)))(t))
}

// Write writes a text to a file that only the file's owner may read.
func Write(t testing.TB, file, text string) {
	t.Helper()
	OK(t, os.WriteFile(file, []byte(text), 0o600))
}

// Run runs a command, and returns the output on stdout and stderr. Run ends the test if the command fails.
func Run(t testing.TB, command *exec.Cmd) string {
	t.Helper()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// Client is an HTTP client without keep-alive, because some tests count open connections.
var Client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Fetch sends a GET, and returns the response and its body.
func Fetch(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	return Do(t, http.MethodGet, url, nil)
}

// Do sends a request, and returns the response and its body. The parameter "headers" holds names and values in turn, such as "Accept",
// "text/html".
func Do(t testing.TB, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	request := Get(http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, body))(t)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return Send(t, request)
}

// Send sends a request, and returns the response and its body. Send ends the test if no complete response arrives, but not if the status is
// an error.
func Send(t testing.TB, request *http.Request) (*http.Response, string) {
	t.Helper()
	response := Get(Client.Do(request))(t)
	defer response.Body.Close()
	return response, string(Get(io.ReadAll(response.Body))(t))
}
