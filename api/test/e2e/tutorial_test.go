//go:build e2e

package e2e

import (
	"cmp"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// The documents' commands that need a cluster succeed, and print the output that the documents show. The commands of README.md and of
// docs/tutorial.md run in an empty namespace.
func TestDocuments(t *testing.T) {
	files := must.Get(commands.Documents(root))(t)
	first := []string{"README.md", "docs/tutorial.md"}
	for _, file := range first {
		t.Run(file, func(t *testing.T) {
			n := newNamespace(t, "restricted")
			n.follow(n.shell(), file)
		})
	}
	t.Run("others", func(t *testing.T) {
		n := newGuestbook(t)
		shell := n.shell()
		for _, file := range files {
			if !slices.Contains(first, file) {
				n.follow(shell, file)
			}
		}
	})
}

// shell returns a Shell that runs the commands of documents with sh. kubectl uses the test's namespace, and free ports replace the
// document's ports.
func (n namespace) shell() *commands.Shell {
	n.Helper()
	port := strconv.Itoa(podtest.FreePorts(n).Nginx)
	shell := &commands.Shell{
		Dir: must.Get(filepath.Abs(root))(n),
		Env: append(n.env(), "LOAD="+cmp.Or(os.Getenv("LOAD"), "kind load docker-image")),
		// The shell function "kind" runs $LOAD, the command that loads images into the test's cluster.
		Preamble: inNamespace + `kind() { shift 2; env $LOAD "$@"; }`,
		Replace:  strings.NewReplacer("127.0.0.1:8000", "127.0.0.1:"+port, "8000:80", port+":80", "hide ID", "hide 0"),
	}
	n.Cleanup(shell.Close)
	return shell
}

// At the link moveLink in docs/tutorial.md, the function follow runs the first command of docs/high-availability.md.
const moveLink = "(high-availability.md#moving-there)"

// follow runs those commands of a document that need a cluster.
func (n namespace) follow(shell *commands.Shell, file string) {
	n.Helper()
	text := must.Read(n, root, file)
	before, _, isLinked := strings.Cut(text, moveLink)
	for _, b := range must.Get(commands.Read(root, file))(n) {
		if !b.Is("cluster") {
			continue
		}
		if isLinked && b.Line > strings.Count(before, "\n") {
			there, _, _ := n.moves()
			n.Log(n.shellOut(there))
			isLinked = false
		}
		n.run(shell, b)
	}
}

func (n namespace) run(shell *commands.Shell, b commands.Block) {
	n.Helper()
	start := time.Now()
	said := must.Get(shell.Run(n.Context(), b))(n)
	n.Logf("%s%s(%.1f s)", b, said, time.Since(start).Seconds())
}
