// Package manifests tests the Kubernetes manifests, compose.yaml, the images, the scripts of Redis, and the release.
package manifests

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// forbidden matches fields of a pod that give rights on its node or on the API of Kubernetes, such as "hostNetwork=true".
var forbidden = regexp.MustCompile(`^host|^volumes \S+ (hostPath|projected)\b| (hostPort=|runAsUser=0$)`)

// rights returns the securityContext of a pod or a container, without the fields that choose a user, a group or a sysctl. The clusters of
// "make e2e" enforce the Pod Security Standard "restricted", which refuses unsafe sysctls.
func rights(of object) object {
	found := maps.Clone(sub(of, "securityContext"))
	maps.DeleteFunc(found, func(field string, _ any) bool {
		return slices.Contains([]string{"runAsUser", "fsGroup", "sysctls"}, field)
	})
	return found
}

// No pod has more rights than the guestbook needs. The Pod Security Standard "restricted" is not enough, because it permits containers to
// write to their root file system, and pods to call the API of Kubernetes.
func TestPodsMayDoOnlyWhatTheyNeed(t *testing.T) {
	pod := object{"runAsNonRoot": true, "seccompProfile": object{"type": "RuntimeDefault"}}
	container := object{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": object{"drop": []any{"ALL"}}}
	total := 0
	for _, file := range withPods(t) {
		for name, o := range objects(t, must.Read(t, file)) {
			for _, spec := range podSpecs(o) {
				total++
				if !reflect.DeepEqual(rights(spec), pod) || slices.ContainsFunc(fields(spec), forbidden.MatchString) {
					t.Errorf("%s: %s has too many rights: %v", file, name, spec)
				}
				for _, c := range containers(object{"spec": spec}) {
					if got := rights(c); !reflect.DeepEqual(got, container) {
						t.Errorf("%s: the container %s of %s has the rights %v, want %v", file, c["name"], name, got, container)
					}
				}
				if spec["automountServiceAccountToken"] != false || sub(spec, "nodeSelector")["kubernetes.io/os"] != "linux" {
					t.Errorf("%s: %s gets a token for the API of Kubernetes, or runs on Windows nodes", file, name)
				}
				// By default, Kubernetes gives a container environment variables for every Service. A container with the variables of
				// thousands of Services does not start, because Linux limits the size of a program's environment.
				if spec["enableServiceLinks"] != false && !strings.Contains(fmt.Sprint(spec), "name:GET_HOSTS_FROM") {
					t.Errorf("%s: %s gets the variables of all Services: enableServiceLinks: false", file, name)
				}
			}
			if o["kind"] == "PodDisruptionBudget" && sub(o, "spec")["unhealthyPodEvictionPolicy"] != "AlwaysAllow" {
				t.Errorf("%s: a pod that is not ready holds up a drain: unhealthyPodEvictionPolicy: AlwaysAllow", file)
			}
		}
	}
	if total < 10 {
		t.Errorf("only %d pods were found", total)
	}
}

// If a backup hangs, Kubernetes ends its Job before the next backup starts.
func TestABackupEndsBeforeTheNextBegins(t *testing.T) {
	job := sub(inFile(t, "k8s/backup/guestbook-backup-cronjob.yaml")["CronJob/guestbook-backup"], "spec")
	start, _ := job["startingDeadlineSeconds"].(int)
	end, _ := sub(sub(job, "jobTemplate"), "spec")["activeDeadlineSeconds"].(int)
	// With concurrencyPolicy Replace, the next backup starts even if the last Job never ends because its node is lost.
	if job["schedule"] != "0 3 * * *" || start <= 0 || end <= 0 || start+end >= 24*60*60 || job["concurrencyPolicy"] != "Replace" {
		t.Errorf("at %v it may start within %d s and take %d s, and then %v; want one a night, which ends before the next, and Replace",
			job["schedule"], start, end, job["concurrencyPolicy"])
	}
}
