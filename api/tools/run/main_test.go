package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// program is the path of the command "run", and "api" is the path of the API. TestMain builds the command "run" and the API.
var program, api string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "guestbook-test-")
	if err != nil {
		panic(err)
	}
	program, api = filepath.Join(dir, "run"), filepath.Join(dir, "api")
	for _, build := range []*exec.Cmd{exec.Command("go", "build", "-o", program, "."), exec.Command("go", "build", "-o", api, "../..")} {
		if out, err := build.CombinedOutput(); err != nil {
			panic(fmt.Sprint(err, string(out)))
		}
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// checkout fills the folder with copies of the repository's files that "make run" needs.
func checkout(t *testing.T, folder string) {
	t.Helper()
	for _, name := range []string{"nginx", "redis-slave"} {
		must.OK(t, os.CopyFS(filepath.Join(folder, name), os.DirFS(filepath.Join(must.Root(t), name))))
	}
}

type running struct {
	*exec.Cmd
	output localpod.Output
}

func start(t *testing.T, folder string, ports localpod.Ports) *running {
	t.Helper()
	r := &running{Cmd: exec.Command(program, "-api", api, "-port", fmt.Sprint(ports.Nginx), "-api-port", fmt.Sprint(ports.API),
		"-master-port", fmt.Sprint(ports.Master), "-slave-port", fmt.Sprint(ports.Slave))}
	r.Dir, r.Stdout, r.Stderr = folder, &r.output, &r.output
	must.OK(t, r.Start())
	t.Cleanup(func() { _ = r.Process.Signal(os.Interrupt) }) // fails if the command has already ended
	return r
}

// serves waits until the command prints that the guestbook runs.
func (r *running) serves(t *testing.T) *running {
	t.Helper()
	must.Hold(t, "the guestbook runs", time.Minute, func() bool {
		if strings.Contains(r.output.String(), "make run:") {
			t.Fatalf("it does not start: %s", &r.output)
		}
		return strings.Contains(r.output.String(), "The guestbook is at")
	})
	return r
}

func (r *running) ended() error {
	timeout := time.AfterFunc(time.Minute, func() { _ = r.Process.Kill() })
	defer timeout.Stop()
	return r.Wait()
}

// stop interrupts the command as Ctrl-C does.
func (r *running) stop(t *testing.T) {
	t.Helper()
	must.OK(t, r.Process.Signal(os.Interrupt))
	if err := r.ended(); err != nil {
		t.Errorf("%v: %s", err, &r.output)
	}
}

func TestRunInFoldersOfAnyName(t *testing.T) {
	for _, name := range []string{"my guestbook", "cost$5", "${host}", `say "hi" \o/;#{}'`, "gästebuch", "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), name)
			checkout(t, folder)
			ports := podtest.FreePorts(t)
			r := start(t, folder, ports).serves(t)
			response, page := must.Fetch(t, fmt.Sprintf("http://127.0.0.1:%d/", ports.Nginx))
			if !strings.Contains(page, "<title>Guestbook</title>") {
				t.Errorf("the page is answered %s %.100q", response.Status, page)
			}
			r.stop(t)
		})
	}
}

// Two runs of "make run" in one folder would write the same Redis files, even with different ports.
func TestASecondRunInOneFolderIsRefused(t *testing.T) {
	folder := t.TempDir()
	checkout(t, folder)
	first := start(t, folder, podtest.FreePorts(t)).serves(t)
	second := start(t, folder, podtest.FreePorts(t))
	err, line := second.ended(), second.output.String()
	if err == nil || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "make run: ") || !strings.Contains(line, ".data") {
		t.Errorf("the second ends with %v and says %q, want one line that names the folder", err, line)
	}
	if must.Read(t, folder, ".data/logs/api.log") == "" {
		t.Error("the first one's log is empty")
	}
	first.stop(t)
	start(t, folder, podtest.FreePorts(t)).serves(t).stop(t)
}
