package manifests

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }

// object is a YAML mapping, such as a Kubernetes object.
type object = map[string]any

// objects returns the Kubernetes objects in a manifest, by a name such as "Service/frontend".
func objects(t *testing.T, manifest string) map[string]object {
	t.Helper()
	found := map[string]object{}
	documents := yaml.NewDecoder(strings.NewReader(manifest))
	for {
		var o object
		if err := documents.Decode(&o); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			found[fmt.Sprintf("%v/%v", o["kind"], sub(o, "metadata")["name"])] = o
		}
	}
}

func keys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// inFile returns the Kubernetes objects in a file, by a name such as "Service/frontend".
func inFile(t *testing.T, name string) map[string]object {
	t.Helper()
	return objects(t, must.Read(t, must.Root(t), name))
}

// same reports each key that has different values in the two maps.
func same[V any](t *testing.T, got, want map[string]V) {
	t.Helper()
	all := append(keys(got), keys(want)...)
	slices.Sort(all)
	for _, key := range slices.Compact(all) {
		if !reflect.DeepEqual(got[key], want[key]) {
			t.Errorf("%s is\n%v, want\n%v", key, got[key], want[key])
		}
	}
}

// base returns the manifests k8s/*.yaml as one text.
func base(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, file := range files(t, "k8s/*.yaml") {
		all.WriteString(must.Read(t, file) + "---\n")
	}
	return all.String()
}

// built replaces texts in a copy of k8s/Kustomization, and returns the manifest that kustomize renders from it.
func built(t *testing.T, oldnew ...string) string {
	t.Helper()
	root := must.Root(t)
	dir := t.TempDir()
	must.OK(t, os.CopyFS(dir, os.DirFS(filepath.Join(root, "k8s"))))
	file := filepath.Join(dir, "Kustomization")
	old := must.Read(t, file)
	text := strings.NewReplacer(oldnew...).Replace(old)
	if len(oldnew) > 0 && text == old {
		t.Fatalf("the Kustomization has no %q", oldnew)
	}
	must.Write(t, file, text)
	out := filepath.Join(dir, "out.yaml")
	must.Run(t, exec.Command(filepath.Join(root, ".build", "kustomize"), "build", dir, "-o", out))
	return must.Read(t, out)
}

// podSpecs returns the specifications of pods in a YAML node: all mappings with the field "containers".
func podSpecs(node any) (specs []object) {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			specs = append(specs, podSpecs(n)...)
		}
	case object:
		if list(node["containers"]) != nil {
			return []object{node}
		}
		for _, n := range node {
			specs = append(specs, podSpecs(n)...)
		}
	}
	return specs
}

// containers returns all containers and init containers of a Kubernetes object, such as a Deployment.
func containers(o object) (all []object) {
	for _, spec := range podSpecs(o) {
		all = slices.Concat(all, list(spec["initContainers"]), list(spec["containers"]))
	}
	return all
}

// images returns the names of all images in a manifest.
func images(t *testing.T, manifest string) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, o := range objects(t, manifest) {
		for _, container := range containers(o) {
			found[fmt.Sprint(container["image"])] = true
		}
	}
	return found
}

func sub(o object, field string) object {
	value, _ := o[field].(object)
	return value
}

func list(node any) (objects []object) {
	nodes, _ := node.([]any)
	for _, n := range nodes {
		if o, ok := n.(object); ok {
			objects = append(objects, o)
		}
	}
	return objects
}

// files returns the paths of all files in the repository that match one of the patterns.
func files(t *testing.T, patterns ...string) (names []string) {
	t.Helper()
	root := must.Root(t)
	for _, pattern := range patterns {
		matches, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil || len(matches) == 0 {
			t.Fatalf("no %s: %v", pattern, err)
		}
		names = append(names, matches...)
	}
	return names
}

// withPods returns the paths of the manifests that may define pods.
func withPods(t *testing.T) []string {
	t.Helper()
	return files(t, "k8s/*.y*ml", "k8s/ha/*.y*ml", "k8s/backup/*.y*ml", "k8s/move/*.y*ml", "k8s/monitoring/*.y*ml", "all-in-one/*.y*ml")
}

// flatten adds each scalar in a YAML node to a map, by the scalar's path, such as "spec containers nginx image". For a list item, the path
// contains the value of the item's field "name" or else the item's index.
func flatten(into map[string]string, path string, node any) {
	switch node := node.(type) {
	case map[string]object:
		for key, o := range node {
			flatten(into, key, o)
		}
	case object:
		for key, child := range node {
			flatten(into, path+" "+key, child)
		}
	case []any:
		for i, child := range node {
			item := fmt.Sprint(i)
			if o, ok := child.(object); ok && o["name"] != nil {
				item = fmt.Sprint(o["name"])
			}
			flatten(into, path+" "+item, child)
		}
	default:
		into[path] = fmt.Sprint(node)
	}
}

// fields returns the scalars in a YAML node, each with its path, such as "hostNetwork=true".
func fields(node any) (lines []string) {
	scalars := map[string]string{}
	flatten(scalars, "", node)
	for path, value := range scalars {
		lines = append(lines, strings.TrimSpace(path)+"="+value)
	}
	return lines
}

// apiEnv is the path of the API's environment variables in the Deployment "frontend".
const apiEnv = "spec template spec initContainers api env "
