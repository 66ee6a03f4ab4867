//go:build e2e

// Package e2e runs the guestbook on a real cluster: the one of kubectl's current context, which must have the images
// that "make e2e" builds. Each test has a namespace of its own.
package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
)

const (
	root       = "../../.." // of the repository
	manifests  = root + "/k8s"
	frontend   = "app=guestbook,tier=frontend"
	slaves     = "app=redis,role=slave"
	master     = "app=redis,role=master"
	everything = "deployments,replicasets,pods,services,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers"
)

// A namespace is where one test's objects are. Its methods end the test when they fail.
type namespace struct {
	*testing.T
	name string
}

// newNamespace makes a namespace that enforces a Pod Security level and goes away after the test.
func newNamespace(t *testing.T, level string) namespace {
	t.Helper()
	n := namespace{T: t}
	n.name = n.create(fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {
		"generateName": "guestbook-e2e-", "labels": {"pod-security.kubernetes.io/enforce": %q}}}`, level))
	t.Cleanup(func() {
		if t.Failed() {
			for _, what := range []string{"get " + everything + " -o wide", "get events --sort-by=.lastTimestamp", "logs --tail=20 --prefix --all-containers -l " + frontend} {
				out, _ := n.try("", strings.Fields(what)...)
				t.Log(out)
			}
		}
		n.try("", "delete", "namespace", n.name, "--wait=false")
	})
	return n
}

// newGuestbook creates all of k8s/ in a namespace of its own and waits for it.
func newGuestbook(t *testing.T) namespace {
	t.Helper()
	n := newNamespace(t, "restricted")
	n.kubectl("create", "-f", manifests)
	n.ready()
	return n
}

// try runs kubectl in the namespace, with the input given.
func (n namespace) try(stdin string, args ...string) (string, error) {
	if n.name != "" {
		args = append([]string{"-n", n.name}, args...)
	}
	cmd := exec.Command(program(), args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := cmd.Run(); err != nil {
		return stdout.String(), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return strings.TrimSpace(stdout.String()), nil
}

// program is kubectl.
func program() string {
	if kubectl := os.Getenv("KUBECTL"); kubectl != "" {
		return kubectl
	}
	return "kubectl"
}

func (n namespace) kubectl(args ...string) string {
	n.Helper()
	out := must.Get(n.try("", args...))(n)
	return out
}

// background starts kubectl in the namespace for the rest of the test, and gives what it writes.
func (n namespace) background(args ...string) io.Reader {
	n.Helper()
	cmd := exec.Command(program(), append([]string{"-n", n.name}, args...)...)
	out := must.Get(cmd.StdoutPipe())(n)
	must.OK(n, cmd.Start())
	n.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	return out
}

// create creates one object and returns its name.
func (n namespace) create(object string) string {
	n.Helper()
	out := must.Get(n.try(object, "create", "-f", "-", "-o", "jsonpath={.metadata.name}"))(n)
	return out
}

// await polls until a condition holds.
func (n namespace) await(what string, limit time.Duration, condition func() bool) {
	n.Helper()
	for deadline := time.Now().Add(limit); !condition(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(deadline) {
			n.Fatalf("after %v still not: %s", limit, what)
		}
	}
}

// ready waits until all Deployments are rolled out and no old pod is left.
func (n namespace) ready() {
	n.Helper()
	for _, d := range n.names("deployments", "") {
		n.kubectl("rollout", "status", "deployment/"+d, "--timeout=180s")
	}
	n.await("no pod is terminating", time.Minute, func() bool {
		return n.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}") == ""
	})
}

// names lists the names of the objects that a selector matches, oldest first.
func (n namespace) names(kind, selector string) []string {
	n.Helper()
	return strings.Fields(n.kubectl("get", kind, "-l", selector, "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}"))
}

// isReady tells whether a pod is ready.
func (n namespace) isReady(pod string) bool {
	n.Helper()
	return n.kubectl("get", "pod", pod, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`) == "True"
}

// logged tells whether a container has logged a line with a text in it.
func (n namespace) logged(pod, container, text string) bool {
	out, _ := n.try("", "logs", pod, "-c", container) // fails while the container is being made
	for line := range strings.Lines(out) {
		if strings.Contains(line, text) {
			n.Log(strings.TrimSpace(line))
			return true
		}
	}
	return false
}

// read returns a file of the repository.
func (n namespace) read(path ...string) string {
	n.Helper()
	content := must.Get(os.ReadFile(filepath.Join(path...)))(n)
	return string(content)
}

// pod creates a pod that runs the program load.
func (n namespace) pod(name string, args ...string) {
	n.Helper()
	quoted, _ := json.Marshal(args)
	n.create(strings.NewReplacer("NAME", name, "ARGS", string(quoted)).Replace(n.read("testdata", "load.yaml")))
}
