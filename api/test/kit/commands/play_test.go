package commands

import (
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// Fail finds commands that do damage after an earlier command of the same code block has failed.
func TestFail(t *testing.T) {
	for block, fault := range map[string]string{
		`messages=$(kubectl exec deployment/redis-master -- redis-cli --raw get messages)
kubectl delete deployment redis-master
printf %s "$messages" | kubectl exec -i deployment/redis-master -- redis-cli -x set messages`: "kubectl delete deployment redis-master",
		"kubectl replace -f a.yaml && kubectl replace -f b.yaml\nkubectl replace -f c.yaml": "kubectl replace -f c.yaml",
		`kubectl drain "$(kubectl get pods -o name)"`:                                       "kubectl drain",
		"kubectl get a | kubectl exec -i x -- redis-cli -x set messages":                    "set messages",
		"kubectl create secret a -o yaml | kubectl replace -f - && kubectl delete pod b":    "kubectl delete pod b",
		"kubectl rollout status deployment/a || kubectl delete deployment a":                "kubectl delete deployment a",
		"kubectl get a; rm -rf .data":                                                       "rm -rf .data",
		"kubectl get a > /tmp/a.jsonl":                                                      "a.jsonl was lost",
		"kubectl get a\nmc mirror --remove a b":                                             "mc mirror",
	} {
		_, faults, err := Fail(t.Context(), Block{Text: block + "\n"})
		must.OK(t, err)
		if len(faults) == 0 || !strings.Contains(faults[0], fault) {
			t.Errorf("%s: faults %q, want %q", block, faults, fault)
		}
	}
}

func TestVague(t *testing.T) {
	for _, command := range []string{
		"kubectl delete persistentvolumeclaim -l app=redis",
		"kubectl drain node --pod-selector=tier=frontend",
		"kubectl rollout restart deployment",
		"kubectl label podmonitor --all release=prometheus",
	} {
		calls := must.Get(Calls(t.Context(), Block{Text: command + "\n"}))(t)
		if calls[0].Vague() == "" {
			t.Errorf("it may change objects of others: %s", command)
		}
	}
}
