//go:build e2e

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

// Three commands of CHANGELOG.md start the guestbook from the offline bundle of a release. "make e2e" builds the offline bundle.
func TestAirGap(t *testing.T) {
	blocks := must.Get(commands.Read(root, "CHANGELOG.md"))(t)
	n := newNamespace(t, "restricted")
	shell := n.shell()
	shell.Dir = t.TempDir()
	bundles, err := filepath.Glob(root + "/.build/release/*-airgap.tar")
	if err != nil || len(bundles) != 1 {
		t.Fatalf("the bundles are %q: run make e2e", bundles)
	}
	bundle := must.Get(filepath.Abs(bundles[0]))(t)
	must.OK(t, os.Symlink(bundle, filepath.Join(shell.Dir, filepath.Base(bundle))))
	// The shell replaces "kind load image-archive FILE" by $LOAD, the command that loads images into the test's cluster.
	shell.Preamble += `
kind() { docker load --quiet --input "$3" | sed -n 's/^Loaded image: //p' | xargs env $LOAD; }`

	start, typed := time.Now(), 0
	for _, b := range blocks {
		if b.Is("e2e") {
			out := must.Get(shell.Run(t.Context(), b))(t)
			t.Logf("%s%s(%.1f s)", b, out, time.Since(start).Seconds())
			typed++
		}
	}
	n.ready()
	if took := time.Since(start); typed != 3 || took > time.Minute {
		t.Errorf("%d commands have brought it up after %v, want 3 within a minute", typed, took)
	}
	cmd := exec.CommandContext(t.Context(), "make", "-s", "conformance", "URL=http://"+n.frontendAddress(), "ARGS=-key messages")
	cmd.Dir = root
	t.Log(must.Run(t, cmd))
}
