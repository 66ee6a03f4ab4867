// Package must ends a test at the first error that the test does not expect.
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

// OK ends the test unless err is nil.
func OK(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Get wraps a call whose error ends the test, and returns the call's value: must.Get(os.Hostname())(t).
func Get[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		OK(t, err)
		return value
	}
}

// Await polls until the condition returns nil. It ends the test after the limit.
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

// Hold polls until the condition is true. It ends the test after the limit.
func Hold(t testing.TB, what string, limit time.Duration, condition func() bool) {
	t.Helper()
	Await(t, what, limit, func() error {
		if condition() {
			return nil
		}
		return errors.New("it does not hold")
	})
}

// Root returns the repository's folder.
func Root(t testing.TB) string {
	t.Helper()
	return Get(localpod.Root())(t)
}

// Read returns the text of a file.
func Read(t testing.TB, path ...string) string {
	t.Helper()
	return string(Get(os.ReadFile(filepath.Join(path...)))(t))
}

// Write writes a text to a file that only this user may read.
func Write(t testing.TB, file, text string) {
	t.Helper()
	OK(t, os.WriteFile(file, []byte(text), 0o600))
}

// Run runs a command and returns what it prints.
func Run(t testing.TB, command *exec.Cmd) string {
	t.Helper()
	out, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return string(out)
}

// Client keeps no connection open, because some tests count connections.
var Client = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

// Fetch returns the response to a GET, and its body.
func Fetch(t testing.TB, url string) (*http.Response, string) {
	t.Helper()
	return Do(t, http.MethodGet, url, nil)
}

// Do returns the response to a request, and its body. Headers are pairs of a name and a value.
func Do(t testing.TB, method, url string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	request := Get(http.NewRequestWithContext(context.WithoutCancel(t.Context()), method, url, body))(t)
	for i := 0; i < len(headers); i += 2 {
		request.Header.Set(headers[i], headers[i+1])
	}
	return Send(t, request)
}

// Send returns the response to a request, and its body.
func Send(t testing.TB, request *http.Request) (*http.Response, string) {
	t.Helper()
	response := Get(Client.Do(request))(t)
	defer response.Body.Close()
	return response, string(Get(io.ReadAll(response.Body))(t))
}
