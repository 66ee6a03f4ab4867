//go:build e2e

// Package e2e tests the guestbook on a Kubernetes cluster: the cluster of kubectl's current context. "make e2e" loads the images into
// the cluster before the tests run. Each test creates a namespace of its own.
package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
)

const (
	root       = "../../.."
	manifests  = root + "/k8s"
	frontend   = "app=guestbook,tier=frontend"
	slaves     = "app=redis,role=slave"
	master     = "app=redis,role=master"
	everything = "deployments,replicasets,pods,services,persistentvolumeclaims,networkpolicies,poddisruptionbudgets,horizontalpodautoscalers"
)

// A namespace is the Kubernetes namespace of one test.
type namespace struct {
	*testing.T
	name string
}

// succeeded matches nginx's log lines about successful requests.
var succeeded = regexp.MustCompile(`(?m)^.*"status":2.*\n?`)

// newNamespace creates a namespace that enforces the given Pod Security level, and deletes the namespace when the test ends.
func newNamespace(t *testing.T, level string) namespace {
	t.Helper()
	n := namespace{T: t}
	n.name = n.create(fmt.Sprintf(`{"apiVersion": "v1", "kind": "Namespace", "metadata": {
		"generateName": "guestbook-e2e-", "labels": {"pod-security.kubernetes.io/enforce": %q}}}`, level))
	t.Cleanup(func() {
		if t.Failed() {
			for _, what := range []string{"get " + everything + " -o wide", "get events --sort-by=.lastTimestamp", "logs --tail=5000 --prefix --all-containers -l " + frontend} {
				out, _ := n.try("", strings.Fields(what)...)
				t.Log(succeeded.ReplaceAllString(out, ""))
			}
		}
		n.try("", "delete", "namespace", n.name, "--wait=false")
	})
	return n
}

// newGuestbook creates the objects of k8s/*.yaml in a new namespace, and waits until all Deployments are rolled out.
func newGuestbook(t *testing.T) namespace {
	t.Helper()
	n := newNamespace(t, "restricted")
	n.kubectl("create", "-f", manifests)
	n.ready()
	return n
}

// output runs a program with this standard input, and returns the program's standard output.
func output(stdin, program string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute) // when the cleanups run, the test's own context has ended
	defer cancel()
	cmd := exec.CommandContext(ctx, program, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = strings.NewReader(stdin), &stdout, &stderr, time.Second
	err := cmd.Run()
	if err != nil {
		err = fmt.Errorf("%s %s: %w\n%s%s", program, strings.Join(args, " "), err, &stdout, &stderr)
	}
	return strings.TrimSpace(stdout.String()), err
}

// try runs kubectl with this standard input, and returns kubectl's standard output.
func (n namespace) try(stdin string, args ...string) (string, error) {
	if n.name != "" {
		args = append([]string{"-n", n.name}, args...)
	}
	return output(stdin, program(), args...)
}

// program returns the path of kubectl: the environment variable KUBECTL, or "kubectl" if this variable is not set.
func program() string { return cmp.Or(os.Getenv("KUBECTL"), "kubectl") }

func (n namespace) kubectl(args ...string) string {
	n.Helper()
	return must.Get(n.try("", args...))(n)
}

// background runs kubectl in the namespace until the test ends, and returns a buffer that collects kubectl's output.
func (n namespace) background(args ...string) *localpod.Output {
	n.Helper()
	cmd, stdout := exec.CommandContext(n.Context(), program(), append([]string{"-n", n.name}, args...)...), &localpod.Output{}
	cmd.Stdout = stdout
	must.OK(n, cmd.Start())
	n.Cleanup(func() { cmd.Wait() })
	return stdout
}

func (n namespace) create(object string) string {
	n.Helper()
	return must.Get(n.try(object, "create", "-f", "-", "-o", "jsonpath={.metadata.name}"))(n)
}

// await pauses between two calls of the condition to save CPU time.
func (n namespace) await(what string, limit time.Duration, condition func() bool) {
	n.Helper()
	must.Hold(n, what, limit, func() bool {
		holds := condition()
		if !holds {
			time.Sleep(200 * time.Millisecond)
		}
		return holds
	})
}

// ready waits until all Deployments are rolled out and no pod is terminating.
func (n namespace) ready() {
	n.Helper()
	for _, d := range n.names("deployments", "") {
		n.kubectl("rollout", "status", "deployment/"+d, "--timeout=180s")
	}
	n.await("no pod is terminating", time.Minute, func() bool {
		return n.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.deletionTimestamp}") == ""
	})
}

// names returns the names of the objects that match a label selector, beginning with the oldest object.
func (n namespace) names(kind, selector string) []string {
	n.Helper()
	return strings.Fields(n.kubectl("get", kind, "-l", selector, "--sort-by=.metadata.creationTimestamp", "-o", "jsonpath={.items[*].metadata.name}"))
}

func (n namespace) isReady(pod string) bool {
	n.Helper()
	return n.kubectl("get", "pod", pod, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`) == "True"
}

// inNamespace is a shell function that makes kubectl use the namespace.
const inNamespace = `kubectl() { command "$KUBECTL" -n "$NAMESPACE" "$@"; }` + "\n"

func (n namespace) env() []string { return []string{"KUBECTL=" + program(), "NAMESPACE=" + n.name} }

// shellOut runs a shell command, in which kubectl uses the test's namespace, and returns the command's output.
func (n namespace) shellOut(command string) string {
	n.Helper()
	cmd := exec.Command("sh", "-exc", inNamespace+command)
	cmd.Dir, cmd.Env = root, append(os.Environ(), n.env()...)
	return must.Run(n, cmd)
}

// loadPod returns the manifest of a pod that runs the program of api/tools/load with these arguments.
func loadPod(t testing.TB, name string, args ...string) string {
	t.Helper()
	quoted := must.Get(json.Marshal(args))(t)
	return strings.NewReplacer("NAME", name, "ARGS", string(quoted)).Replace(must.Read(t, "testdata", "load.yaml"))
}

// reaches reports whether a pod with these labels can connect to the address.
func (n namespace) reaches(address, labels string) bool {
	n.Helper()
	name := n.create(strings.NewReplacer("name: dial", "generateName: dial-", "{run: dial}", labels).Replace(loadPod(n, "dial", "-dial", address)))
	n.Cleanup(func() { n.try("", "delete", "pod", name, "--wait=false") })
	var phase string
	n.await(name+" has ended", 3*time.Minute, func() bool {
		phase = n.kubectl("get", "pod", name, "-o", "jsonpath={.status.phase}")
		return phase == "Succeeded" || phase == "Failed"
	})
	n.Logf("a pod with the labels %s dials %s: %s", labels, address, phase)
	return phase == "Succeeded"
}
