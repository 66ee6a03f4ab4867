package manifests

import (
	"fmt"
	"maps"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

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

// Each component changes only the values listed in this test. With the component "existing", "replica" or "leader-follower", kustomize
// renders only the frontend, because the PHP guestbook already has Redis.
func TestComponents(t *testing.T) {
	const env = "Deployment/frontend " + apiEnv
	withoutRedis := []string{
		"Deployment/redis-master: away", "Deployment/redis-slave: away", "NetworkPolicy/redis-master: away", "NetworkPolicy/redis-slave: away",
		"PersistentVolumeClaim/redis-master: away", "PodDisruptionBudget/redis-slave: away",
		"Service/redis-master: away", "Service/redis-slave: away",
	}
	php := append([]string{"NetworkPolicy/guestbook-default-deny: away", "Service/frontend: away"}, withoutRedis...)
	changes := map[string][]string{
		"existing": php,
		"replica": append([]string{
			env + "REDIS_SLAVE_HOST value:  -> redis-replica", env + "REDIS_SLAVE_SERVICE_HOST value:  -> $(REDIS_REPLICA_SERVICE_HOST)",
		}, php...),
		"leader-follower": append([]string{
			env + "GUESTBOOK_KEY value:  -> guestbook", env + "ALLOWED_KEYS value: messages -> ",
			env + "REDIS_MASTER_HOST value:  -> redis-leader", env + "REDIS_MASTER_SERVICE_HOST value:  -> $(REDIS_LEADER_SERVICE_HOST)",
			env + "REDIS_SLAVE_HOST value:  -> redis-follower", env + "REDIS_SLAVE_SERVICE_HOST value:  -> $(REDIS_FOLLOWER_SERVICE_HOST)",
		}, php...),
		"openshift": {
			"Deployment/redis-master spec template spec securityContext fsGroup: 999 -> ",
			"Deployment/redis-master spec template spec securityContext runAsUser: 999 -> ",
		},
		"quota": {
			"Deployment/frontend spec template spec containers nginx resources limits cpu:  -> 500m",
			"Deployment/frontend spec template spec initContainers api resources limits cpu:  -> 500m",
			"Deployment/redis-master spec template spec containers master resources limits cpu:  -> 500m",
			"Deployment/redis-slave spec template spec containers slave resources limits cpu:  -> 500m",
		},
		"external-redis": append([]string{
			"Deployment/frontend spec template spec enableServiceLinks:  -> false",
			env + "REDIS_MASTER_ADDR value:  -> guestbook.redis.example.com:6380",
			env + "REDIS_SLAVE_ADDR value:  -> guestbook-ro.redis.example.com:6380",
			env + "REDIS_TLS value:  -> true",
		}, withoutRedis...),
		"mesh": {
			"Deployment/frontend spec template metadata annotations config.beta.linkerd.io/proxy-enable-native-sidecar:  -> true",
			"Deployment/frontend spec template metadata annotations sidecar.istio.io/nativeSidecar:  -> true",
			"NetworkPolicy/frontend spec ingress 0 ports 1 port:  -> 15008",
			"NetworkPolicy/frontend spec ingress 0 ports 2 port:  -> 4143",
			"NetworkPolicy/frontend spec ingress 1 from 0 ipBlock cidr:  -> 169.254.7.127/32",
			"NetworkPolicy/frontend spec ingress 1 from 1 ipBlock cidr:  -> fd16:9254:7127:1337:ffff:ffff:ffff:ffff/128",
			"NetworkPolicy/frontend spec ingress 1 ports 0 port:  -> api",
			"NetworkPolicy/redis-master spec ingress 0 ports 1 port:  -> 15008",
			"NetworkPolicy/redis-master spec ingress 0 ports 2 port:  -> 4143",
			"NetworkPolicy/redis-slave spec ingress 0 ports 1 port:  -> 15008",
			"NetworkPolicy/redis-slave spec ingress 0 ports 2 port:  -> 4143",
		},
		"load-balancer": {"Service/frontend spec type: NodePort -> LoadBalancer"},
		"gitops": {
			"Deployment/frontend spec replicas: 3 -> ",
			"PersistentVolumeClaim/redis-master metadata annotations argocd.argoproj.io/sync-options:  -> Prune=false,Delete=false",
			"PersistentVolumeClaim/redis-master metadata annotations kustomize.toolkit.fluxcd.io/prune:  -> disabled",
		},
	}
	for _, name := range keys(changes) {
		t.Run(name, func(t *testing.T) {
			with, without := objects(t, built(t, "# - components/"+name+"\n", "- components/"+name+"\n")), objects(t, base(t))
			var found []string
			for _, key := range keys(without) {
				if with[key] == nil {
					found = append(found, key+": away")
					delete(without, key)
				}
			}
			before, after := map[string]string{}, map[string]string{}
			flatten(before, "", without)
			flatten(after, "", with)
			all := append(keys(before), keys(after)...)
			slices.Sort(all)
			for _, path := range slices.Compact(all) {
				if before[path] != after[path] && !strings.HasSuffix(path, " name") {
					found = append(found, fmt.Sprintf("%s: %s -> %s", path, before[path], after[path]))
				}
			}
			want := slices.Sorted(slices.Values(changes[name]))
			if slices.Sort(found); !slices.Equal(found, want) {
				t.Errorf("it changes\n%s\nwant\n%s", strings.Join(found, "\n"), strings.Join(want, "\n"))
			}
		})
	}
}

// Every manifest for "kubectl replace" contains only objects that a PHP guestbook has. Every manifest that creates a new guestbook contains
// NetworkPolicies, as SECURITY.md says.
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
