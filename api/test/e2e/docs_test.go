//go:build e2e

package e2e

import (
	"net"
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

// The commands of README and the tutorial, and of the other documents with a running guestbook, print what the documents say.
func TestDocuments(t *testing.T) {
	files := must.Get(commands.Documents(root))(t)
	first := []string{"README.md", "docs/tutorial.md"}
	t.Run("tutorial", func(t *testing.T) {
		n := newNamespace(t, "restricted")
		shell := n.shell()
		for _, file := range first {
			n.follow(shell, file)
		}
	})
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

// onCluster returns a document's commands for a cluster.
func onCluster(t *testing.T, file string) (blocks []commands.Block) {
	t.Helper()
	all := must.Get(commands.Read(root, file))(t)
	for _, b := range all {
		if b.Is("cluster") {
			blocks = append(blocks, b)
		}
	}
	return blocks
}

// shell returns a reader's shell, whose kubectl uses this namespace and whose ports are free ones.
func (n namespace) shell() *commands.Shell {
	n.Helper()
	config := filepath.Join(n.TempDir(), "config")
	must.Write(n, config, n.kubectl("config", "view", "--raw", "--flatten", "--minify"))
	namespace{T: n.T}.kubectl("--kubeconfig", config, "config", "set-context", "--current", "--namespace", n.name)
	ports := podtest.FreePorts(n)
	directory := must.Get(filepath.Abs(root))(n)
	load := os.Getenv("LOAD")
	if load == "" {
		load = "kind load docker-image"
	}
	environment := []string{"KUBECONFIG=" + config, "KUBECTL=" + program(), "LOAD=" + load}
	for _, variable := range os.Environ() {
		if name, _, _ := strings.Cut(variable, "="); name != "KUBECONFIG" && name != "LOAD" && !strings.HasPrefix(name, "M") {
			environment = append(environment, variable) // no variable of the make that runs this test
		}
	}
	shell := &commands.Shell{
		Dir: directory, Env: environment,
		// kind load docker-image IMAGE…: by what loads images here.
		Preamble: `kubectl() { command "$KUBECTL" "$@"; }
kind() { shift 2; env $LOAD "$@"; }`,
		Replace: strings.NewReplacer("127.0.0.1:8000", net.JoinHostPort("127.0.0.1", strconv.Itoa(ports.Nginx)), "8000:80", strconv.Itoa(ports.Nginx)+":80",
			"hide ID", "hide 0"),
	}
	n.Cleanup(shell.Close)
	return shell
}

// follow types the commands of a document.
func (n namespace) follow(shell *commands.Shell, file string) {
	n.Helper()
	for _, b := range onCluster(n.T, file) {
		start := time.Now()
		output := must.Get(shell.Run(n.Context(), b))(n)
		n.Logf("%s%s(%.1f s)", b, output, time.Since(start).Seconds())
	}
}
