package main

import (
	"context"
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

// running is a process of the program api/tools/run.
type running struct {
	*exec.Cmd
	output localpod.Output
	url    string // the guestbook's URL
}

func start(t *testing.T, programs, folder string) *running {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	ports := podtest.FreePorts(t)
	r := &running{url: fmt.Sprintf("http://127.0.0.1:%d/", ports.Nginx)}
	r.Cmd = exec.CommandContext(ctx, filepath.Join(programs, "run"), "-api", filepath.Join(programs, "api"),
		"-port", fmt.Sprint(ports.Nginx), "-api-port", fmt.Sprint(ports.API), "-master-port", fmt.Sprint(ports.Master), "-slave-port", fmt.Sprint(ports.Slave))
	r.Dir, r.Stdout, r.Stderr = folder, &r.output, &r.output
	r.Cancel = func() error { return r.Process.Signal(os.Interrupt) } // as Ctrl-C does
	must.OK(t, r.Start())
	return r
}

// serves waits until the command prints that the guestbook runs.
func (r *running) serves(t *testing.T) {
	t.Helper()
	must.Hold(t, "the guestbook runs", time.Minute, func() bool {
		if strings.Contains(r.output.String(), "make run:") {
			t.Fatalf("it does not start: %s", &r.output)
		}
		return strings.Contains(r.output.String(), "The guestbook is at")
	})
}

func (r *running) stop(t *testing.T) {
	t.Helper()
	must.OK(t, r.Cancel())
	if err := r.Wait(); err != nil {
		t.Errorf("%v: %s", err, &r.output)
	}
}

// The program "run" works in a folder with any name. Two runs in one folder would write the same Redis files, even with different ports,
// so the second run is refused until the first run has stopped.
func TestRunInFoldersOfAnyName(t *testing.T) {
	programs := t.TempDir()
	must.Run(t, exec.Command("go", "build", "-o", programs+"/", ".", "../.."))
	for _, name := range []string{"my ${host} gästebuch, cost$5", `say "hi" \o/;#{}'`, "*"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := filepath.Join(t.TempDir(), name)
			for _, name := range []string{"nginx", "redis-slave"} {
				must.OK(t, os.CopyFS(filepath.Join(folder, name), os.DirFS(filepath.Join(must.Root(t), name))))
			}
			first := start(t, programs, folder)
			first.serves(t)
			if response, page := must.Fetch(t, first.url); !strings.Contains(page, "<title>Guestbook</title>") {
				t.Errorf("the page is answered %s %.100q", response.Status, page)
			}
			if must.Read(t, folder, ".data/logs/api.log") == "" {
				t.Error("the API's log is empty")
			}

			second := start(t, programs, folder)
			err, line := second.Wait(), second.output.String()
			if err == nil || strings.Count(line, "\n") != 1 || !strings.HasPrefix(line, "make run: ") || !strings.Contains(line, ".data") {
				t.Errorf("a second run ends with %v and says %q, want one line that names the folder", err, line)
			}
			first.stop(t)

			third := start(t, programs, folder)
			third.serves(t)
			third.stop(t)
		})
	}
}
