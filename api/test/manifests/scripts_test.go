package manifests

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fluxcd/pkg/envsubst"
	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// everyDocument calls the function "check" for each YAML document in k8s/, all-in-one/ and compose.yaml.
func everyDocument(t *testing.T, check func(file, text string, document object)) {
	t.Helper()
	read := 0
	for _, root := range files(t, "k8s", "all-in-one", "compose.yaml") {
		must.OK(t, filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
			if err != nil || filepath.Ext(file) != ".yaml" && entry.Name() != "Kustomization" {
				return err
			}
			read++
			for text := range strings.SplitSeq(must.Read(t, file), "\n---\n") {
				var document object
				must.OK(t, yaml.Unmarshal([]byte(text), &document))
				check(file, text, document)
			}
			return nil
		}))
	}
	if read < 30 {
		t.Errorf("only %d files", read)
	}
}

// No manifest except the generated redis-ha-scripts.yaml contains a script of more than ten lines, because linters do not check scripts in
// manifests.
func TestNoManifestHoldsAProgram(t *testing.T) {
	everyDocument(t, func(file, _ string, document object) {
		texts := map[string]string{}
		flatten(texts, "", document)
		maps.DeleteFunc(texts, func(_, text string) bool {
			isYAML := yaml.Unmarshal([]byte(text), &object{}) == nil // true for a patch and for a dashboard in JSON, false for a script
			return strings.Count(strings.TrimSpace(text), "\n") < 10 || isYAML
		})
		if (len(texts) > 0) != (filepath.Base(file) == "redis-ha-scripts.yaml") {
			t.Errorf("%s holds a program of more than ten lines: make it a file\n%s", file, texts)
		}
	})
}

// Because of .gitattributes, Git ends lines with LF even on Windows. Shell scripts with CR LF would not run.
func TestACheckoutOnWindowsIsTheSame(t *testing.T) {
	dir := t.TempDir()
	commit(t, filepath.Join(dir, "original"))
	execute(t, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, "git", "-c", "core.autocrlf=true", "clone", "-q", "original", "checkout")
	must.OK(t, os.RemoveAll(filepath.Join(dir, "checkout", ".git")))
	files := folder(t, filepath.Join(dir, "checkout"))
	for name, text := range files {
		if text != must.Read(t, must.Root(t), name) {
			t.Errorf("%s has other bytes", name)
		}
	}
	if len(files) < 100 {
		t.Errorf("only %d files", len(files))
	}
}

// Each object with a text such as "${NAME}" has the annotation kustomize.toolkit.fluxcd.io/substitute: disabled, so that Flux does not
// replace the text.
func TestFluxLeavesTheManifestsAsTheyAre(t *testing.T) {
	const annotation = "kustomize.toolkit.fluxcd.io/substitute"
	forbidden := 0
	everyDocument(t, func(file, text string, o object) {
		if sub(sub(o, "metadata"), "annotations")[annotation] == "disabled" {
			forbidden++
			return
		} else if filepath.Base(file) == "compose.yaml" {
			return // Flux applies manifests of Kubernetes, but not compose.yaml
		}
		if after, err := envsubst.Eval(text, func(string) (string, bool) { return "", true }); err != nil || after != text {
			t.Errorf("%s: Flux changes %v %v (%v): add the annotation %s: disabled", file, o["kind"], sub(o, "metadata")["name"], err, annotation)
		}
	})
	if forbidden < 2 {
		t.Errorf("only %d objects have the annotation", forbidden)
	}
}
