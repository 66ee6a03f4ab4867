package manifests

import (
	"encoding/json"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"
	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// documents returns a map from the path of each YAML file in k8s/ and all-in-one/, and of compose.yaml, to its YAML documents.
func documents(t *testing.T) map[string][]string {
	t.Helper()
	found := map[string][]string{}
	for _, folder := range []string{"k8s", "all-in-one"} {
		err := filepath.WalkDir(files(t, folder)[0], func(path string, entry fs.DirEntry, err error) error {
			if name := entry.Name(); err == nil && (filepath.Ext(name) == ".yaml" || name == "Kustomization") {
				found[path] = strings.Split(must.Read(t, path), "\n---\n")
			}
			return err
		})
		must.OK(t, err)
	}
	compose := files(t, "compose.yaml")[0]
	found[compose] = []string{must.Read(t, compose)}
	if len(found) < 30 {
		t.Fatalf("only %d files", len(found))
	}
	return found
}

// programs returns the strings below a YAML node that have more than ten lines and are neither YAML nor JSON.
func programs(node any) (found []string) {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			found = append(found, programs(n)...)
		}
	case object:
		for _, n := range node {
			found = append(found, programs(n)...)
		}
	case string:
		var patch object
		switch {
		case strings.Count(strings.TrimSpace(node), "\n") < 10, json.Valid([]byte(node)):
		case yaml.Unmarshal([]byte(node), &patch) == nil:
			found = programs(patch)
		default:
			found = []string{node}
		}
	}
	return found
}

// Linters check only files of scripts, so no manifest contains a script of more than ten lines, except the generated redis-ha-scripts.
func TestNoManifestHoldsAProgram(t *testing.T) {
	for file, texts := range documents(t) {
		for _, text := range texts {
			var document any
			if err := yaml.Unmarshal([]byte(text), &document); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if found := programs(document); len(found) > 0 && filepath.Base(file) != "redis-ha-scripts.yaml" {
				t.Errorf("%s holds a program of more than ten lines: make it a file\n%s", file, found[0])
			}
		}
	}
	made := object{"data": object{"start.sh": strings.Repeat("echo a\n", 11)}}
	if len(programs(made)) != 1 {
		t.Error("a program of eleven lines is not found")
	}
}

// Each object with a text such as "${NAME}" has the annotation kustomize.toolkit.fluxcd.io/substitute: disabled. Without the annotation,
// Flux would replace the text.
func TestFluxLeavesTheManifestsAsTheyAre(t *testing.T) {
	const annotation = "kustomize.toolkit.fluxcd.io/substitute"
	forbidden := 0
	for file, texts := range documents(t) {
		for _, text := range texts {
			var o object
			if err := yaml.Unmarshal([]byte(text), &o); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if sub(sub(o, "metadata"), "annotations")[annotation] == "disabled" {
				forbidden++
				continue
			}
			after, err := envsubst.Eval(text, func(string) (string, bool) { return "", true })
			if (err != nil || after != text) && filepath.Base(file) != "compose.yaml" {
				t.Errorf("%s: Flux changes %v %v (%v): add the annotation %s: disabled", file, o["kind"], sub(o, "metadata")["name"], err, annotation)
			}
		}
	}
	if forbidden < 2 {
		t.Errorf("only %d objects have the annotation", forbidden)
	}
}
