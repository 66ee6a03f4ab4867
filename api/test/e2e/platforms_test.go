//go:build e2e

package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/visitors"
)

// signs waits until the guestbook is ready, posts an entry, and waits until the entry is in the book.
func (n namespace) signs() {
	n.Helper()
	n.ready()
	visitor := visitors.Visitor{Base: "http://" + n.frontendAddress(), Client: must.Client}
	text := fmt.Sprint("entry ", time.Now().UnixNano())
	if _, ok := visitor.PostOnce(n.Context(), text); !ok {
		n.Fatal("an entry is not acknowledged")
	}
	must.Hold(n, "the entry is read", 20*time.Second, func() bool {
		book, err := visitor.Get(n.Context(), "messages")
		return err == nil && strings.Contains(book, text)
	})
}

// happened waits until a Kubernetes event in the namespace contains the words.
func (n namespace) happened(words string) {
	n.Helper()
	n.await("an event says "+words, time.Minute, func() bool {
		return strings.Contains(n.kubectl("get", "events", "-o", "jsonpath={.items[*].message}"), words)
	})
}

// A namespace's ResourceQuota or LimitRange can refuse pods without CPU limits. The component "quota" sets CPU limits, so that all pods
// start.
func TestQuota(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	n.create(`{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "cpu"}, "spec": {"hard": {"limits.cpu": "5"}}}`)
	n.kubectl("apply", "-k", manifests)
	n.happened("must specify limits.cpu for: api,nginx")
	n.create(`{"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "small"},
		"spec": {"limits": [{"type": "Container", "default": {"cpu": "50m", "memory": "32Mi"}, "defaultRequest": {"cpu": "10m", "memory": "16Mi"}}]}}`)
	n.kubectl("rollout", "restart", "deployment/redis-master")
	n.happened("must be less than or equal to cpu limit of 50m")

	n.kubectl("apply", "-k", n.kustomization("quota"))
	n.signs()
}

// podSecurity matches the securityContext of a Deployment's pods in the output of "kubectl kustomize".
var podSecurity = regexp.MustCompile(`(?m)^ {6}securityContext:\n(?: {8}.*\n)+`)

// filled adds the namespace's user and group to each Deployment without a user or a group, as OpenShift does.
func filled(manifests string) string {
	return podSecurity.ReplaceAllStringFunc(manifests+"\n", func(security string) string {
		for _, field := range []string{"runAsUser", "fsGroup"} {
			if !strings.Contains(security, field+":") {
				security += "        " + field + ": 1000680000\n"
			}
		}
		return security
	})
}

func TestUsersOfTheNamespace(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	policy := strings.ReplaceAll(must.Read(t, "testdata", "users-policy.yaml"), "NAME", n.name)
	must.Get(n.try(policy, "create", "-f", "-"))(t)
	t.Cleanup(func() { n.try(policy, "delete", "-f", "-") })
	n.await("the policy works", time.Minute, func() bool {
		_, err := n.try(loadPod(t, "other"), "create", "--dry-run=server", "-f", "-")
		return err != nil && strings.Contains(err.Error(), "a user of another range")
	})

	must.Get(n.try(filled(n.kubectl("kustomize", manifests)), "apply", "-f", "-"))(t)
	n.happened("a user of another range")
	must.Get(n.try(filled(n.kubectl("kustomize", n.kustomization("openshift"))), "apply", "-f", "-"))(t)
	n.signs()
}

// With the component "gitops", neither kubectl nor Argo CD nor Flux changes the number of replicas back after the autoscaler has raised it.
func TestTheAutoscalersFigureStays(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]string{
		"kubectl apply": {"apply"},
		"Argo CD":       {"apply", "--server-side", "--force-conflicts", "--field-manager=argocd-controller"},
		"Flux":          {"apply", "--server-side", "--force-conflicts", "--field-manager=kustomize-controller"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := newNamespace(t, "restricted")
			n.create(`{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}`)
			apply := func(folder string) { n.kubectl(append(options, "-k", folder)...) }
			replicas := func() string {
				return n.kubectl("get", "deployment", "frontend", "-o", "jsonpath={.spec.replicas}")
			}
			gitops := n.kustomization("gitops")
			apply(manifests)
			n.kubectl("scale", "deployment/frontend", "--replicas=6")
			if name == "kubectl apply" {
				n.documented("kubectl kustomize k8s/ | kubectl apply set-last-applied -f -", "k8s/", gitops)
			}
			for range 2 {
				if apply(gitops); replicas() != "6" {
					t.Errorf("with components/gitops there are %s replicas, want 6", replicas())
				}
			}
			n.kubectl("delete", "-k", manifests)
			apply(gitops)
			n.await("3 replicas", time.Minute, func() bool { return replicas() == "3" })
		})
	}
}

// Without a default StorageClass, the Redis master gets no disk. A command in the documents sets a default StorageClass.
func TestNoDefaultStorageClass(t *testing.T) {
	n := newNamespace(t, "restricted")
	class := n.kubectl("get", "storageclass", "-o", `jsonpath={.items[?(@.metadata.annotations.storageclass\.kubernetes\.io/is-default-class=="true")].metadata.name}`)
	if class == "" || strings.Contains(class, " ") {
		t.Fatalf("the default storage class is %q", class)
	}
	make := "kubectl annotate --overwrite storageclass NAME storageclass.kubernetes.io/is-default-class=true"
	t.Cleanup(func() { n.documented(make, "NAME", class) })
	n.kubectl("annotate", "--overwrite", "storageclass", class, "storageclass.kubernetes.io/is-default-class=false")
	n.kubectl("create", "-f", manifests)
	n.await("the master's claim says why it is pending", time.Minute, func() bool {
		return strings.Contains(n.documented("kubectl describe pvc redis-master"), "no storage class is set")
	})
	n.documented(make, "NAME", class)
	n.signs()
}

// With the component "external-redis", the guestbook uses a Redis that k8s/ does not contain.
func TestExternalRedis(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	n.kubectl("create", "-f", "testdata/external-redis.yaml")
	n.kubectl("create", "secret", "generic", "redis", "--from-literal=password=secret")
	local := strings.NewReplacer("guestbook.redis.example.com", "elsewhere", "guestbook-ro.redis.example.com", "elsewhere", `value: "true"`, `value: "false"`)
	must.Get(n.try(local.Replace(n.kubectl("kustomize", n.kustomization("external-redis", "load-balancer"))), "apply", "-f", "-"))(t)
	n.signs()
}
