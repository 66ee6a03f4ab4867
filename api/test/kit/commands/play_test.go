package commands

import (
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// Fail finds commands that do damage after an earlier command of the same code block has failed.
func TestFail(t *testing.T) {
	for block, fault := range map[string]string{
		"kubectl get a || kubectl delete b":                              "kubectl delete b",
		"kubectl get a && kubectl get b\nkubectl replace -f c.yaml":      "kubectl replace -f c.yaml",
		`kubectl drain "$(kubectl get pods -o name)"`:                    "kubectl drain",
		"kubectl get a | kubectl exec -i x -- redis-cli -x set messages": "set messages",
		"kubectl get a > /tmp/a.jsonl":                                   "a.jsonl was lost",
		"kubectl exec a -- b.sh && kubectl delete c":                     "kubectl delete c",
	} {
		_, faults, err := Fail(t.Context(), Block{Text: block + "\n"})
		if must.OK(t, err); !strings.Contains(strings.Join(faults, "\n"), fault) {
			t.Errorf("%s: faults %q, want %q", block, faults, fault)
		}
	}
}

func TestVague(t *testing.T) {
	for _, command := range []string{"kubectl delete pod -l app=redis", "kubectl rollout restart deployment", "kubectl label podmonitor --all a=b"} {
		if calls := must.Get(Calls(t.Context(), Block{Text: command}))(t); calls[0].Vague() == "" {
			t.Errorf("this may change objects of others: %s", command)
		}
	}
}
