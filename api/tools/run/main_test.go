package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// program is the path of the command run, and api is the path of the API. TestMain builds the command run and the API.
var program, api string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "guestbook-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	program, api = filepath.Join(dir, "run"), filepath.Join(dir, "api")
	build := exec.Command("go", "build", "-o", program, ".")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%v %s\n", err, out)
		os.Exit(1)
	}
	if err := localpod.Build(context.Background(), api); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// output collects the output of a process.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// checkout copies to the folder the files that "make run" needs.
func checkout(t *testing.T, folder string) {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nginx", "redis-slave"} {
		if err := os.CopyFS(filepath.Join(folder, name), os.DirFS(filepath.Join(root, name))); err != nil {
			t.Fatal(err)
		}
	}
}

// start starts the command run in the folder, with the given ports.
func start(t *testing.T, folder string, ports localpod.Ports) (*exec.Cmd, *output) {
	t.Helper()
	out := &output{}
	cmd := exec.Command(program, "-api", api, "-port", fmt.Sprint(ports.Nginx), "-api-port", fmt.Sprint(ports.API),
		"-master-port", fmt.Sprint(ports.Master), "-slave-port", fmt.Sprint(ports.Slave))
	cmd.Dir, cmd.Stdout, cmd.Stderr = folder, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Signal(os.Interrupt) }) // the signal fails if the command has already ended
	return cmd, out
}

// ended waits until the command has ended.
func ended(t *testing.T, cmd *exec.Cmd) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return err
	case <-time.After(time.Minute):
		_ = cmd.Process.Kill()
		return fmt.Errorf("killed, for it did not end: %w", <-done)
	}
}

// serves waits until the command prints that the guestbook runs.
func serves(t *testing.T, out *output) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !strings.Contains(out.String(), "The guestbook is at"); time.Sleep(50 * time.Millisecond) {
		if strings.Contains(out.String(), "make run:") || time.Now().After(until) {
			t.Fatalf("it does not start: %s", out)
		}
	}
}

// stop ends the command as Ctrl-C does.
func stop(t *testing.T, cmd *exec.Cmd, out *output) {
	t.Helper()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if err := ended(t, cmd); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestRunInFoldersOfAnyName(t *testing.T) {
	for _, name := range []string{"my guestbook", "cost$5", "${host}", `say "hi" \o/;#{}'`, "gästebuch", "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), name)
			checkout(t, folder)
			ports := podtest.FreePorts(t)
			cmd, out := start(t, folder, ports)
			serves(t, out)
			response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/", ports.Nginx))
			if err != nil {
				t.Fatal(err)
			}
			defer response.Body.Close()
			if page, _ := io.ReadAll(response.Body); !strings.Contains(string(page), "<title>Guestbook</title>") {
				t.Errorf("the page is answered %s %.100q", response.Status, page)
			}
			stop(t, cmd, out)
		})
	}
}

// Two runs of "make run" in one folder would write the same files of Redis, even if they have different ports.
func TestASecondRunInOneFolderIsRefused(t *testing.T) {
	folder := t.TempDir()
	checkout(t, folder)
	first, out := start(t, folder, podtest.FreePorts(t))
	serves(t, out)
	second, said := start(t, folder, podtest.FreePorts(t))
	err := ended(t, second)
	line := said.String()
	if err == nil || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "make run: ") || !strings.Contains(line, ".data") {
		t.Errorf("the second ends with %v and says %q, want one line that names the folder", err, line)
	}
	if log, err := os.ReadFile(filepath.Join(folder, ".data/logs/api.log")); err != nil || len(log) == 0 {
		t.Errorf("the first one's log is %q, %v", log, err)
	}
	stop(t, first, out)
	third, out := start(t, folder, podtest.FreePorts(t))
	serves(t, out)
	stop(t, third, out)
}
