//go:build e2e

package e2e

import (
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
	n.shellOut("cp .build/release/*-airgap.tar " + shell.Dir)
	// The shell replaces "kind load image-archive FILE" by $LOAD, the command that loads images into the test's cluster.
	shell.Preamble += `
kind() { docker load --quiet --input "$3" | sed -n 's/^Loaded image: //p' | xargs env $LOAD; }`

	start, typed := time.Now(), 0
	for _, b := range blocks {
		if b.Is("e2e") {
			n.run(shell, b)
			typed++
		}
	}
	n.ready()
	if took := time.Since(start); typed != 3 || took > time.Minute {
		t.Errorf("%d commands have brought it up after %v, want 3 within a minute", typed, took)
	}
	t.Log(n.shellOut("make -s conformance URL=http://" + n.frontendAddress() + " ARGS='-key messages'"))
}
