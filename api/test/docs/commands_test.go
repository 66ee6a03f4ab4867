package docs

import (
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// The documents' commands that need no cluster succeed, and print the output that the documents show. The command "make run" in README.md
// runs first, and starts the guestbook for all later commands. The test api/test/e2e/tutorial_test.go runs the commands that need a cluster.
func TestCommands(t *testing.T) {
	ports := podtest.FreePorts(t)
	number := map[string]string{"8000": strconv.Itoa(ports.Nginx), "8080": strconv.Itoa(ports.API), "6379": strconv.Itoa(ports.Master), "6380": strconv.Itoa(ports.Slave)}
	shell := &commands.Shell{
		Dir: copyOfRepository(t),
		Env: []string{"PORT=" + number["8000"], "API_PORT=" + number["8080"], "MASTER_PORT=" + number["6379"], "SLAVE_PORT=" + number["6380"]},
		Replace: strings.NewReplacer(
			":8000", ":"+number["8000"], ":8080", ":"+number["8080"], "-p 6379", "-p "+number["6379"], "-p 6380", "-p "+number["6380"],
		),
	}
	t.Cleanup(shell.Close)
	root := must.Root(t)
	ran := 0
	for _, file := range must.Get(commands.Documents(root))(t) {
		for _, b := range must.Get(commands.Read(root, file))(t) {
			if b.Is("cluster") || b.Is("e2e") || b.Is("release") || b.Is("by-hand") {
				continue
			}
			ran++
			must.Get(shell.Run(t.Context(), b))(t)
		}
	}
	if ran < 5 {
		t.Errorf("only %d commands were run", ran)
	}
}

// Every make target that a document names is in the Makefile.
func TestTargets(t *testing.T) {
	makefile := must.Read(t, must.Root(t), "Makefile")
	target := regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)")
	for file, text := range texts(t) {
		for _, match := range target.FindAllStringSubmatch(text, -1) {
			if !regexp.MustCompile(`(?m)^` + match[1] + `:`).MatchString(makefile) {
				t.Errorf("%s names make %s", file, match[1])
			}
		}
	}
}

// Every command in a document is in a fenced code block, because the tests run only such code.
func TestCommandsAreInFences(t *testing.T) {
	command := regexp.MustCompile(`(?m)^ {4,}(\$ .*|(make|kubectl|kind|minikube|docker|curl|sed|go|git|helm|nginx|redis-cli|printf) [a-z'-].*)$`)
	for file, text := range texts(t) {
		for _, line := range command.FindAllString(fenced.ReplaceAllString(text, ""), -1) {
			t.Errorf("%s: %s", file, line)
		}
	}
}

// texts returns the text of each document, by the document's path.
func texts(t *testing.T) map[string]string {
	t.Helper()
	read := map[string]string{}
	for _, file := range must.Get(commands.Documents(must.Root(t)))(t) {
		read[file] = must.Read(t, must.Root(t), file)
	}
	return read
}

// copyOfRepository copies the repository to a temporary folder, so that a test's "make run" does not use the data of a running guestbook.
func copyOfRepository(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	must.Run(t, exec.Command("sh", "-c", `tar -C "$0" --exclude="./.*" -c . | tar -C "$1" -x`, must.Root(t), dir))
	return dir
}
