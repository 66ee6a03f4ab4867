//go:build e2e

package e2e

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// signs waits until the guestbook is ready, posts an entry, and waits until the entry is in the book.
func (n namespace) signs() {
	n.Helper()
	n.ready()
	base, text := "http://"+n.frontendAddress(), fmt.Sprint("entry ", time.Now().UnixNano())
	post(n.T, base, text)
	must.Hold(n, "the entry is read", 20*time.Second, func() bool { return strings.Contains(book(n.T, base), text) })
}

// happened waits until a Kubernetes event in the namespace contains the words.
func (n namespace) happened(words string) {
	n.Helper()
	n.await("an event says "+words, time.Minute, func() bool {
		return strings.Contains(n.kubectl("get", "events", "-o", "jsonpath={.items[*].message}"), words)
	})
}

// If a namespace's ResourceQuota sets limits.cpu, Kubernetes refuses pods without a CPU limit. If a LimitRange sets a default CPU limit,
// Kubernetes refuses pods that request more CPU. The component "quota" adds CPU limits, so that the pods start in both cases.
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

// usersPolicy makes Kubernetes refuse pods whose user or group differs from the namespace's, as OpenShift does.
const usersPolicy = `
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: NAME}
spec:
  matchConstraints:
    resourceRules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [pods]}]
  variables:
    - name: groups
      expression: "object.spec.?securityContext.?fsGroup.orValue(1000680000)"
    - name: containers
      expression: "object.spec.containers + object.spec.?initContainers.orValue([])"
  validations:
    - message: a user of another range
      expression: >-
        object.spec.?securityContext.?runAsUser.orValue(0) in [1000680000] && variables.groups in [1000680000]
        && variables.containers.all(c, c.?securityContext.?runAsUser.orValue(1000680000) in [1000680000])
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: NAME}
spec:
  policyName: NAME
  validationActions: [Deny]
  matchResources: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: NAME}}}
`

// filled adds the namespace's user and group to each Deployment without a user or a group, as OpenShift does.
func (n namespace) filled(text string) string {
	n.Helper()
	var all strings.Builder
	documents := yaml.NewDecoder(strings.NewReader(text))
	for {
		var o map[string]any
		if err := documents.Decode(&o); errors.Is(err, io.EOF) {
			return all.String()
		} else if err != nil {
			n.Fatal(err)
		}
		if o["kind"] == "Deployment" {
			pod := o["spec"].(map[string]any)["template"].(map[string]any)["spec"].(map[string]any)
			security := pod["securityContext"].(map[string]any)
			for _, field := range []string{"runAsUser", "fsGroup"} {
				if security[field] == nil {
					security[field] = 1000680000
				}
			}
		}
		all.WriteString(string(must.Get(yaml.Marshal(o))(n)) + "---\n")
	}
}

func TestUsersOfTheNamespace(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	policy := strings.ReplaceAll(usersPolicy, "NAME", n.name)
	must.Get(n.try(policy, "create", "-f", "-"))(t)
	t.Cleanup(func() { n.try(policy, "delete", "-f", "-") })
	const pod = `{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "other"}, "spec": {"containers": [{"name": "c", "image": "c:1",
		"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
		"securityContext": {"runAsNonRoot": true, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}}}}`
	n.await("the policy works", time.Minute, func() bool {
		_, err := n.try(pod, "create", "--dry-run=server", "-f", "-")
		return err != nil && strings.Contains(err.Error(), "a user of another range")
	})

	must.Get(n.try(n.filled(n.kubectl("kustomize", manifests)), "apply", "-f", "-"))(t)
	n.happened("a user of another range")
	must.Get(n.try(n.filled(n.kubectl("kustomize", n.kustomization("openshift"))), "apply", "-f", "-"))(t)
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
			if apply(manifests); replicas() != "3" {
				t.Errorf("k8s/ alone leaves %s replicas", replicas())
			}
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

// Without a default StorageClass, the master gets no disk. One command in the documents shows this reason, and a second sets the
// StorageClass.
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

func TestSolo(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	n.kubectl("create", "-f", root+"/all-in-one/solo.yaml")
	n.signs()
	if made := n.kubectl("get", everything, "-o", "name"); strings.Count(made, "\n") != 4 {
		t.Errorf("there are\n%s", made)
	}
}

// With the component "external-redis", the guestbook uses a Redis that k8s/ does not contain.
func TestExternalRedis(t *testing.T) {
	t.Parallel()
	n := newNamespace(t, "restricted")
	for kind, spec := range map[string]string{
		"Pod": `{"containers": [{"name": "redis", "image": "valkey/valkey:9.1-alpine", "args": ["redis-server", "--requirepass", "secret"],
			"securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}}}],
			"securityContext": {"runAsNonRoot": true, "runAsUser": 999, "seccompProfile": {"type": "RuntimeDefault"}}}`,
		"Service": `{"ports": [{"port": 6380, "targetPort": 6379}], "selector": {"run": "elsewhere"}}`,
	} {
		n.create(fmt.Sprintf(`{"apiVersion": "v1", "kind": %q, "metadata": {"name": "elsewhere", "labels": {"run": "elsewhere"}}, "spec": %s}`, kind, spec))
	}
	n.kubectl("create", "secret", "generic", "redis", "--from-literal=password=secret")
	rendered := n.kubectl("kustomize", n.kustomization("external-redis", "load-balancer"))
	rendered = strings.NewReplacer("guestbook.redis.example.com", "elsewhere", "guestbook-ro.redis.example.com", "elsewhere", `value: "true"`, `value: "false"`).Replace(rendered)
	must.Get(n.try(rendered, "apply", "-f", "-"))(t)
	n.signs()
	if deployments := n.names("deployments", ""); len(deployments) != 1 {
		t.Errorf("the Deployments are %q", deployments)
	}
	if kind := n.kubectl("get", "service", "frontend", "-o", "jsonpath={.spec.type}"); kind != "LoadBalancer" {
		t.Errorf("the Service is a %s", kind)
	}
}
