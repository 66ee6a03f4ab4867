// Package manifests tests the Kubernetes manifests, compose.yaml, the images, the scripts of Redis, and the release.
package manifests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// excess returns the rights of a manifest's pods that the guestbook does not need, and the number of pods.
func excess(manifest []byte) (found []string, pods int, err error) {
	documents := yaml.NewDecoder(bytes.NewReader(manifest))
	for {
		var document any
		if err := documents.Decode(&document); errors.Is(err, io.EOF) {
			return found, pods, nil
		} else if err != nil {
			return nil, 0, err
		}
		for _, spec := range podSpecs(document) {
			found = append(found, podExcess(spec)...)
			pods++
		}
	}
}

func podExcess(spec object) (found []string) {
	security := sub(spec, "securityContext")
	if spec["automountServiceAccountToken"] != false {
		found = append(found, "the token of the service account is mounted: automountServiceAccountToken: false")
	}
	for _, field := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if value, ok := spec[field]; ok && value != false {
			found = append(found, field)
		}
	}
	for _, s := range list(security["sysctls"]) {
		if name := s["name"]; name != "net.ipv4.ip_unprivileged_port_start" {
			found = append(found, fmt.Sprintf("the sysctl %v", name))
		}
	}
	for _, volume := range list(spec["volumes"]) {
		for kind := range volume {
			if !slices.Contains([]string{"name", "emptyDir", "persistentVolumeClaim", "configMap", "secret"}, kind) {
				found = append(found, fmt.Sprintf("volume %v is a %s", volume["name"], kind))
			}
		}
	}
	for _, kind := range []string{"containers", "initContainers", "ephemeralContainers"} {
		for _, container := range list(spec[kind]) {
			for _, e := range containerExcess(container, security) {
				found = append(found, fmt.Sprintf("container %v: %s", container["name"], e))
			}
		}
	}
	return found
}

// containerExcess returns unneeded rights of a container. Settings that the container lacks are inherited from the pod.
func containerExcess(container, pod object) (found []string) {
	own := sub(container, "securityContext")
	inherited := func(field string) any {
		if value, ok := own[field]; ok {
			return value
		}
		return pod[field]
	}
	seccomp, _ := inherited("seccompProfile").(object)
	capabilities := sub(own, "capabilities")
	for _, check := range []struct {
		ok   bool
		want string
	}{
		{inherited("runAsNonRoot") == true, "it may run as root: runAsNonRoot: true"},
		{inherited("runAsUser") != 0, "its user is root: another runAsUser"},
		{inherited("runAsGroup") != 0, "its group is root's: another runAsGroup"},
		{own["allowPrivilegeEscalation"] == false, "it may gain privileges: allowPrivilegeEscalation: false"},
		{own["privileged"] == nil || own["privileged"] == false, "it is privileged"},
		{own["readOnlyRootFilesystem"] == true, "its root filesystem is writable: readOnlyRootFilesystem: true"},
		{fmt.Sprint(capabilities["drop"]) == "[ALL]", "it keeps capabilities: drop: [ALL]"},
		{capabilities["add"] == nil, fmt.Sprintf("it has the capabilities %v", capabilities["add"])},
		{own["procMount"] == nil, "procMount"},
		{seccomp["type"] == "RuntimeDefault", "it may call the kernel at will: seccompProfile: {type: RuntimeDefault}"},
		{pinned(fmt.Sprint(container["image"])), fmt.Sprintf("the image %v may change: give it a version", container["image"])},
	} {
		if !check.ok {
			found = append(found, check.want)
		}
	}
	for _, port := range list(container["ports"]) {
		if _, ok := port["hostPort"]; ok {
			found = append(found, "hostPort")
		}
	}
	return found
}

// pinned reports whether the name of an image has a digest, or a tag other than latest.
func pinned(image string) bool {
	if strings.Contains(image, "@sha256:") {
		return true
	}
	_, tag, ok := strings.Cut(image[strings.LastIndex(image, "/")+1:], ":")
	return ok && tag != "" && tag != "latest"
}

func TestPodsMayDoOnlyWhatTheyNeed(t *testing.T) {
	pods := map[string]int{}
	for _, file := range withPods(t) {
		found, n, err := excess([]byte(must.Read(t, file)))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		for _, e := range found {
			t.Errorf("%s: %s", file, e)
		}
		pods[filepath.Base(filepath.Dir(file))] += n
	}
	// Each of k8s/ and all-in-one/ must have at least three pods: the frontend, the master and the slave.
	if pods["k8s"] < 3 || pods["all-in-one"] < 3 {
		t.Errorf("only %v pods were found", pods)
	}
}

// Pods run only on Linux nodes. Pods start even in a namespace with thousands of Services, because the manifests disable the environment
// variables for Services. The drain of a node does not wait for a pod that is not ready.
func TestPodsStartAndLeaveEverywhere(t *testing.T) {
	for _, file := range withPods(t) {
		for _, o := range objects(t, must.Read(t, file)) {
			for _, spec := range podSpecs(o) {
				if sub(spec, "nodeSelector")["kubernetes.io/os"] != "linux" {
					t.Errorf("%s: a node of Windows may get the pod", file)
				}
				env := fmt.Sprint(spec["containers"], spec["initContainers"])
				if spec["enableServiceLinks"] != false && !strings.Contains(env, "GET_HOSTS_FROM") {
					t.Errorf("%s: it gets the variables of all Services: enableServiceLinks: false", file)
				}
			}
			if o["kind"] == "PodDisruptionBudget" && sub(o, "spec")["unhealthyPodEvictionPolicy"] != "AlwaysAllow" {
				t.Errorf("%s: a pod that is not ready holds up a drain: unhealthyPodEvictionPolicy: AlwaysAllow", file)
			}
		}
	}
}

func TestAManifestThatAllowsMoreIsCaught(t *testing.T) {
	const drop = "              drop: [ALL]\n"
	good := must.Read(t, must.Root(t), "k8s/frontend-deployment.yaml")
	for _, c := range []struct{ name, old, new, want string }{
		{"a capability", drop, drop + "              add: [NET_BIND_SERVICE]\n", "container api: it has the capabilities [NET_BIND_SERVICE]"},
		{"not all capabilities dropped", drop, "              drop: [NET_RAW]\n", "container api: it keeps capabilities"},
		{"a writable root", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "container api: its root filesystem is writable"},
		{"no word about the root", "readOnlyRootFilesystem: true", "privileged: false", "container api: its root filesystem is writable"},
		{"privilege escalation", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true", "container api: it may gain privileges"},
		{"a privileged container", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: false\n            privileged: true", "container api: it is privileged"},
		{"any user", "        runAsNonRoot: true\n", "", "container api: it may run as root"},
		{"root", "runAsNonRoot: true", "runAsNonRoot: true\n        runAsUser: 0", "container api: its user is root"},
		{"one container as root", "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: false\n            runAsNonRoot: false", "container api: it may run as root"},
		{"no seccomp", "type: RuntimeDefault", "type: Unconfined", "container api: it may call the kernel at will"},
		{"the token", "      automountServiceAccountToken: false\n", "", "the token of the service account is mounted"},
		{"the host's network", "      containers:\n", "      hostNetwork: true\n      containers:\n", "hostNetwork"},
		{"the host's processes", "      containers:\n", "      hostPID: true\n      containers:\n", "hostPID"},
		{"a port of the host", "containerPort: 80\n", "containerPort: 80\n              hostPort: 80\n", "container nginx: hostPort"},
		{"a folder of the host", "emptyDir: {sizeLimit: 1Gi}", "hostPath: {path: /tmp}", "volume tmp is a hostPath"},
		{"a token as a volume", "emptyDir: {sizeLimit: 1Gi}", "projected: {sources: [{serviceAccountToken: {path: token}}]}", "volume tmp is a projected"},
		{"another sysctl", "net.ipv4.ip_unprivileged_port_start", "net.core.somaxconn", "the sysctl net.core.somaxconn"},
		{"the latest image", "gb-frontend-nginx:v1", "gb-frontend-nginx:latest", "container nginx: the image docker.io/library/gb-frontend-nginx:latest may change"},
		{"an image without a version", "docker.io/library/gb-frontend-nginx:v1", "registry:5000/nginx", "container nginx: the image registry:5000/nginx may change"},
		{"an init container", "      initContainers:\n", "      initContainers:\n        - {name: init, image: \"busybox:1\"}\n", "container init: it keeps capabilities"},
		{"another kind of object", "kind: Deployment", "kind: DaemonSet\nother: {containers: [{name: c}]}", "container c: it keeps capabilities"},
	} {
		t.Run(c.name, func(t *testing.T) {
			bad := strings.ReplaceAll(good, c.old, c.new)
			if bad == good {
				t.Fatalf("the manifest has no %q to change", c.old)
			}
			found, _, err := excess([]byte(bad))
			must.OK(t, err)
			if !slices.ContainsFunc(found, func(e string) bool { return strings.HasPrefix(e, c.want) }) {
				t.Errorf("found %q, want %q", found, c.want)
			}
		})
	}
}

// The Job of a backup that hangs fails at its deadline, before the next backup starts.
func TestABackupEndsBeforeTheNextBegins(t *testing.T) {
	const night = 24 * time.Hour
	job := sub(inFile(t, "k8s/backup/guestbook-backup-cronjob.yaml")["CronJob/guestbook-backup"], "spec")
	if job["schedule"] != "0 3 * * *" {
		t.Errorf("the schedule is %v, want one a night", job["schedule"])
	}
	seconds := func(name string, spec object) time.Duration {
		n, _ := spec[name].(int)
		return time.Duration(n) * time.Second
	}
	start, end := seconds("startingDeadlineSeconds", job), seconds("activeDeadlineSeconds", sub(sub(job, "jobTemplate"), "spec"))
	if start <= 0 || end <= 0 || start+end >= night {
		t.Errorf("it may start within %s and take %s, want both to be bounded, and to end before the next", start, end)
	}
	// If the node of a backup's pod is lost, the Job does not end at its deadline. The CronJob must replace this Job at the next backup.
	if job["concurrencyPolicy"] != "Replace" {
		t.Errorf("concurrencyPolicy is %v: one that hangs keeps all later ones from starting", job["concurrencyPolicy"])
	}
}
