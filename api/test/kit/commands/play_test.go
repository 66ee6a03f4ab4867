package commands

import (
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// Fail finds commands that do damage after an earlier command of the same code block has failed.
func TestFail(t *testing.T) {
	for _, c := range []struct {
		name, block string
		fault       string // words of the first fault; "" means that there is no fault
	}{
		{"a shell's variable", `messages=$(kubectl exec deployment/redis-master -- redis-cli --raw get messages)
kubectl delete deployment redis-master
printf %s "$messages" | kubectl exec -i deployment/redis-master -- redis-cli -x set messages`, "kubectl delete deployment redis-master"},
		{"a script that fails", `kubectl exec redis-ha-0 -c redis -- sh -u /ha/take-over.sh
kubectl delete deployment redis-master redis-slave`, "kubectl delete deployment redis-master redis-slave"},
		{"chained", `kubectl exec redis-ha-0 -c redis -- sh -u /ha/take-over.sh &&
kubectl delete deployment redis-master redis-slave`, ""},
		{"chained, and not", `kubectl replace -f a.yaml && kubectl replace -f b.yaml
kubectl replace -f c.yaml`, "kubectl replace -f c.yaml"},
		{"a variable, chained", `node=$(kubectl get pods -o name) && kubectl label node "$node" a=b`, ""},
		{"a substitution", `kubectl drain "$(kubectl get pods -o name)"`, "kubectl drain"},
		{"a pipe that brings nothing", "sed s/a/b/ a.yaml | kubectl replace -f -", ""},
		{"a pipe that sets nothing", "kubectl get a | kubectl exec -i x -- redis-cli -x set messages", "set messages"},
		{"a pipe that replaces nothing, and all goes on", "kubectl create secret a -o yaml | kubectl replace -f - && kubectl delete pod b", "kubectl delete pod b"},
		{"or", "kubectl rollout status deployment/a || kubectl delete deployment a", "kubectl delete deployment a"},
		{"a condition", "if kubectl rollout status deployment/a; then kubectl delete deployment a; fi", ""},
		{"a semicolon", "kubectl get a; rm -rf .data", "rm -rf .data"},
		{"reads and additions", "kubectl get a\nkubectl create -f b.yaml\nkubectl logs c", ""},
		{"a file of before", "kubectl get a > /tmp/a.jsonl", "/tmp/a.jsonl was lost"},
		{"a file beside it", "kubectl get a > /tmp/a.new && mv /tmp/a.new /tmp/a.jsonl", ""},
		{"a program that is not known", "kubectl get a\nmc mirror --remove a b", "mc mirror"},
	} {
		plays, faults, err := Fail(t.Context(), Block{File: c.name, Text: c.block + "\n"})
		must.OK(t, err)
		if plays == 0 || (c.fault == "") != (len(faults) == 0) || c.fault != "" && !strings.Contains(faults[0], c.fault) {
			t.Errorf("%s: %d plays, faults %q, want %q", c.name, plays, faults, c.fault)
		}
	}
}

func TestVague(t *testing.T) {
	for command, vague := range map[string]bool{
		"kubectl delete persistentvolumeclaim -l app=redis":                         true,
		"kubectl delete pod -l role=master":                                         true,
		"kubectl uncordon -l kubernetes.io/os=linux":                                true,
		"kubectl drain node --pod-selector=tier=frontend":                           true,
		"kubectl rollout restart deployment":                                        true,
		"kubectl label podmonitor --all release=prometheus":                         true,
		"kubectl delete pod -l app=redis,role=master,tier=backend":                  false,
		"kubectl delete deployment,service redis-replica":                           false,
		"kubectl rollout restart deployment/frontend":                               false,
		"kubectl scale deployment/redis-master --replicas=0":                        false,
		"kubectl delete -f k8s/":                                                    false,
		"kubectl get pods -l tier=backend":                                          false,
		"kubectl set image deployment/frontend api=gb-frontend-api:v2":              false,
		"kubectl exec redis-ha-0 -c redis -- sh -u /ha/take-over.sh":                false,
		"kubectl drain -l lesson=drain --pod-selector=app=guestbook,tier=frontend":  false,
		"kubectl label -f k8s/monitoring/ release=prometheus":                       false,
		"kubectl delete deployment redis-master redis-leader --cascade=foreground":  false,
		"kubectl delete persistentvolumeclaim data-redis-ha-0 --ignore-not-found":   false,
		"kubectl annotate --overwrite storageclass NAME a=true":                     false,
		"kubectl label namespace NAMESPACE pod-security.kubernetes.io/enforce=base": false,
	} {
		calls := must.Get(Calls(t.Context(), Block{Text: command + "\n"}))(t)
		if got := calls[0].Vague(); (got != "") != vague {
			t.Errorf("%s: %q", command, got)
		}
	}
}
