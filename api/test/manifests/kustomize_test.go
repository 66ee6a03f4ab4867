package manifests

import (
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

func TestKustomizationIsTheFolder(t *testing.T) {
	same(t, objects(t, built(t)), objects(t, base(t)))
}

func TestEveryImageCanBeRenamed(t *testing.T) {
	const renamed = "registry.example.com/me/renamed"
	found := images(t, built(t, "  - name: ", "  - newName: "+renamed+"\n    newTag: v9\n    name: "))
	if len(found) != 1 || !found[renamed+":v9"] {
		t.Errorf("the Kustomization does not name all of the images %q", keys(found))
	}
}

// Each Kustomize component makes exactly the changes that testdata/components.yaml lists. With the component "existing", "replica" or
// "leader-follower", kustomize renders only the frontend, because the PHP guestbook already has Redis.
func TestComponents(t *testing.T) {
	var changes map[string]map[string]string
	must.OK(t, yaml.Unmarshal([]byte(must.Read(t, "testdata/components.yaml")), &changes))
	for name, want := range changes {
		t.Run(name, func(t *testing.T) {
			with, without := objects(t, built(t, "# - components/"+name+"\n", "- components/"+name+"\n")), objects(t, base(t))
			found := map[string]string{}
			for key := range without {
				if with[key] == nil {
					found[key] = "away"
					delete(without, key)
				}
			}
			before, after := map[string]string{}, map[string]string{}
			flatten(before, "", without)
			flatten(after, "", with)
			for _, path := range slices.Concat(keys(before), keys(after)) {
				if before[path] != after[path] && !strings.HasSuffix(path, " name") {
					found[path] = strings.TrimSpace(before[path] + " -> " + after[path])
				}
			}
			same(t, found, want)
		})
	}
}

// The frontend manifests that docs/migrate.md passes to "kubectl replace" contain only objects that the PHP guestbook has. Every manifest
// that creates a new guestbook contains NetworkPolicies, as SECURITY.md says.
func TestObjectsOfAFile(t *testing.T) {
	for file, want := range map[string][]string{
		"k8s/frontend-deployment.yaml":             {"Deployment/frontend"},
		"all-in-one/frontend.yaml":                 {"Deployment/frontend", "Service/frontend"},
		"all-in-one/frontend-replica.yaml":         {"Deployment/frontend"},
		"all-in-one/frontend-leader-follower.yaml": {"Deployment/frontend"},
		"all-in-one/solo.yaml":                     {"Deployment/frontend", "NetworkPolicy/frontend", "Service/frontend"},
		"all-in-one/guestbook-all-in-one.yaml":     keys(objects(t, base(t))),
	} {
		text := must.Read(t, must.Root(t), file)
		if got := keys(objects(t, text)); !slices.Equal(got, want) {
			t.Errorf("%s holds %v, want %v", file, got, want)
		}
		if n := strings.Count(text, "value: dns"); n != 1 && !slices.Contains(want, "NetworkPolicy/frontend") {
			t.Errorf("%s says %d times value: dns", file, n)
		}
	}
}

// "make manifests REGISTRY=…" renders manifests in which every image comes from the registry REGISTRY.
func TestManifestsOfARegistry(t *testing.T) {
	root := must.Root(t)
	const registry = "registry.example.com:5000/me"
	for _, from := range []string{registry, ""} {
		dir := t.TempDir()
		cmd := exec.Command("make", "-s", "manifests", "REGISTRY="+from, "TAG=v9", "MANIFESTS="+dir)
		cmd.Dir, cmd.Env = root, commands.Environ()
		must.Run(t, cmd)
		found := map[string]bool{}
		for name, text := range folder(t, dir) {
			if filepath.Ext(name) == ".yaml" {
				maps.Copy(found, images(t, text))
			}
		}
		want := []string{
			"docker.io/library/gb-frontend-api:v9", "docker.io/library/gb-frontend-nginx:v9", "docker.io/library/gb-redis-slave:v9",
			"docker.io/library/haproxy:3.2-alpine", "docker.io/oliver006/redis_exporter:v1.45.0-alpine", "docker.io/valkey/valkey:9.1-alpine",
		}
		if from != "" {
			for i, image := range want {
				want[i] = registry + "/" + path.Base(image)
			}
			slices.Sort(want)
		}
		if got := keys(found); !slices.Equal(got, want) {
			t.Errorf("the images are %q, want %q", got, want)
		}
	}
}
