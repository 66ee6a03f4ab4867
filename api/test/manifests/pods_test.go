// Package manifests tests the Kubernetes manifests, compose.yaml, the images, the scripts of Redis, and the release.
package manifests

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

var (
	// sensitive matches fields that may give a pod rights, such as "hostNetwork=true".
	sensitive = regexp.MustCompile(`^(host|volumes )|securityContext| hostPort=`)
	// permitted matches the sensitive fields that the guestbook needs.
	permitted = regexp.MustCompile(`^(volumes \S+ (name|emptyDir|persistentVolumeClaim|configMap|secret)\b.*|(.* )?securityContext (` +
		`(runAsNonRoot|readOnlyRootFilesystem)=true|(allowPrivilegeEscalation|privileged)=false|(runAsUser|runAsGroup|fsGroup)=[1-9]\d*|` +
		`fsGroupChangePolicy=\w+|capabilities drop 0=ALL|seccompProfile type=RuntimeDefault|` +
		`sysctls net\.ipv4\.ip_unprivileged_port_start (name|value)=\S+))$`)
	ofPods = []string{
		"automountServiceAccountToken=false", "nodeSelector kubernetes.io/os=linux",
		"securityContext runAsNonRoot=true", "securityContext seccompProfile type=RuntimeDefault",
	}
	ofContainers = []string{"allowPrivilegeEscalation=false", "readOnlyRootFilesystem=true", "capabilities drop 0=ALL"}
)

// fields returns the scalars in a YAML node, each with its path, such as "hostNetwork=true".
func fields(node any) (lines []string) {
	scalars := map[string]string{}
	flatten(scalars, "", node)
	for path, value := range scalars {
		lines = append(lines, strings.TrimSpace(path)+"="+value)
	}
	return lines
}

// excess returns the fields of a pod that give it more rights than the guestbook needs.
func excess(spec object) (found []string) {
	pod := fields(spec)
	for _, field := range pod {
		if sensitive.MatchString(field) && !permitted.MatchString(field) {
			found = append(found, field)
		}
	}
	lacks := func(of string, has, wants []string) {
		for _, field := range wants {
			if !slices.Contains(has, field) {
				found = append(found, of+" lacks "+field)
			}
		}
	}
	lacks("the pod", pod, ofPods)
	for _, container := range containers(object{"spec": spec}) {
		lacks(container["name"].(string), fields(container["securityContext"]), ofContainers)
	}
	return found
}

func TestPodsMayDoOnlyWhatTheyNeed(t *testing.T) {
	pods := map[string]int{}
	for _, file := range withPods(t) {
		for name, o := range objects(t, must.Read(t, file)) {
			for _, spec := range podSpecs(o) {
				if found := excess(spec); len(found) > 0 {
					t.Errorf("%s: %s: %s", file, name, strings.Join(found, "; "))
				}
				pods[filepath.Base(filepath.Dir(file))]++
				// By default, Kubernetes gives a container environment variables for every Service. With thousands of Services, the
				// container would not start.
				if spec["enableServiceLinks"] != false && !strings.Contains(fmt.Sprint(spec), "name:GET_HOSTS_FROM") {
					t.Errorf("%s: %s gets the variables of all Services: enableServiceLinks: false", file, name)
				}
			}
			if o["kind"] == "PodDisruptionBudget" && sub(o, "spec")["unhealthyPodEvictionPolicy"] != "AlwaysAllow" {
				t.Errorf("%s: a pod that is not ready holds up a drain: unhealthyPodEvictionPolicy: AlwaysAllow", file)
			}
		}
	}
	if pods["k8s"] < 3 || pods["all-in-one"] < 3 {
		t.Errorf("only %v pods were found", pods)
	}
}

func TestAManifestThatAllowsMoreIsCaught(t *testing.T) {
	const drop, escalation, volume = "              drop: [ALL]\n", "allowPrivilegeEscalation: false", "emptyDir: {sizeLimit: 1Gi}"
	good := must.Read(t, must.Root(t), "k8s/frontend-deployment.yaml")
	for _, c := range []struct{ old, new, want string }{
		{drop, drop + "              add: [NET_BIND_SERVICE]\n", "initContainers api securityContext capabilities add 0=NET_BIND_SERVICE"},
		{drop, "              drop: [NET_RAW]\n", "api lacks capabilities drop 0=ALL"},
		{"readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "containers nginx securityContext readOnlyRootFilesystem=false"},
		{"readOnlyRootFilesystem: true", "privileged: false", "api lacks readOnlyRootFilesystem=true"},
		{escalation, "allowPrivilegeEscalation: true", "initContainers api securityContext allowPrivilegeEscalation=true"},
		{escalation, escalation + "\n            privileged: true", "initContainers api securityContext privileged=true"},
		{escalation, escalation + "\n            procMount: Unmasked", "initContainers api securityContext procMount=Unmasked"},
		{"        runAsNonRoot: true\n", "", "the pod lacks securityContext runAsNonRoot=true"},
		{"runAsNonRoot: true", "runAsNonRoot: true\n        runAsUser: 0", "securityContext runAsUser=0"},
		{escalation, escalation + "\n            runAsNonRoot: false", "initContainers api securityContext runAsNonRoot=false"},
		{"type: RuntimeDefault", "type: Unconfined", "securityContext seccompProfile type=Unconfined"},
		{"      automountServiceAccountToken: false\n", "", "the pod lacks automountServiceAccountToken=false"},
		{"kubernetes.io/os: linux", "kubernetes.io/os: windows", "the pod lacks nodeSelector kubernetes.io/os=linux"},
		{"      containers:\n", "      hostPID: true\n      containers:\n", "hostPID=true"},
		{"containerPort: 80\n", "containerPort: 80\n              hostPort: 80\n", "containers nginx ports http hostPort=80"},
		{volume, "hostPath: {path: /tmp}", "volumes tmp hostPath path=/tmp"},
		{volume, "projected: {sources: [{serviceAccountToken: {path: t}}]}", "volumes tmp projected sources 0 serviceAccountToken path=t"},
		{"net.ipv4.ip_unprivileged_port_start", "net.core.somaxconn", "securityContext sysctls net.core.somaxconn name=net.core.somaxconn"},
		{"      initContainers:\n", "      initContainers:\n        - {name: a, image: \"busybox:1\"}\n", "a lacks capabilities drop 0=ALL"},
	} {
		bad := strings.ReplaceAll(good, c.old, c.new)
		if bad == good {
			t.Fatalf("the manifest has no %q to change", c.old)
		}
		if found := excess(podSpecs(objects(t, bad)["Deployment/frontend"])[0]); !slices.Contains(found, c.want) {
			t.Errorf("found %q, want %q", found, c.want)
		}
	}
}

// If a backup hangs, Kubernetes ends its Job before the next backup starts.
func TestABackupEndsBeforeTheNextBegins(t *testing.T) {
	job := sub(inFile(t, "k8s/backup/guestbook-backup-cronjob.yaml")["CronJob/guestbook-backup"], "spec")
	start, _ := job["startingDeadlineSeconds"].(int)
	end, _ := sub(sub(job, "jobTemplate"), "spec")["activeDeadlineSeconds"].(int)
	if job["schedule"] != "0 3 * * *" || start <= 0 || end <= 0 || start+end >= 24*60*60 {
		t.Errorf("at %v it may start within %d s and take %d s, want one a night, which ends before the next", job["schedule"], start, end)
	}
	// If a node is lost, a Job on this node never ends. With concurrencyPolicy Replace, the next backup nevertheless starts.
	if job["concurrencyPolicy"] != "Replace" {
		t.Errorf("concurrencyPolicy is %v: one that hangs keeps all later ones from starting", job["concurrencyPolicy"])
	}
}
