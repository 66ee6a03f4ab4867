package manifests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// selectors returns every label selector below a YAML node.
func selectors(node any) (found []object) {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			found = append(found, selectors(n)...)
		}
	case object:
		for key, child := range node {
			if selector, ok := child.(object); ok && slices.Contains([]string{"selector", "podSelector", "labelSelector"}, key) {
				found = append(found, selector)
			}
			found = append(found, selectors(child)...)
		}
	}
	return found
}

// selects reports whether a selector matches labels. A selector is a map of labels, or has matchLabels and matchExpressions.
func selects(selector, labels object) bool {
	for name, value := range selector {
		switch name {
		case "matchLabels":
			if !selects(value.(object), labels) {
				return false
			}
		case "matchExpressions":
			for _, e := range list(value) {
				if !slices.Contains(e["values"].([]any), labels[fmt.Sprint(e["key"])]) { // every expression in k8s/ uses the operator In
					return false
				}
			}
		default:
			if labels[name] != value {
				return false
			}
		}
	}
	return true
}

// If two guestbooks share a namespace, no selector of either guestbook matches a pod of the other guestbook.
func TestTwoGuestbooksInANamespace(t *testing.T) {
	first := objects(t, base(t))
	second := objects(t, built(t, "# - components/instance\n", "- components/instance\n"))
	if len(second) != len(first) {
		t.Errorf("the second has %q", keys(second))
	}
	podsOf := func(all map[string]object) (labels []object) {
		for _, o := range all {
			if o["kind"] == "Deployment" {
				labels = append(labels, sub(sub(sub(sub(o, "spec"), "template"), "metadata"), "labels"))
			}
		}
		return labels
	}
	matches := func(from map[string]object, pods []object, count map[string]int) {
		for name, o := range from {
			for _, selector := range selectors(o["spec"]) {
				for _, labels := range pods {
					if selects(selector, labels) {
						count[name]++
					}
				}
			}
		}
	}
	own, other := map[string]int{}, map[string]int{}
	matches(first, podsOf(first), own)
	matches(second, podsOf(second), own)
	matches(first, podsOf(second), other)
	matches(second, podsOf(first), other)
	if len(other) > 0 {
		t.Errorf("these select pods of the other guestbook: %v", other)
	}
	for name, o := range second {
		if first[name] != nil {
			t.Errorf("both have a %s", name)
		}
		// A PersistentVolumeClaim has no selector, and a HorizontalPodAutoscaler refers to a Deployment by its name.
		if kind := fmt.Sprint(o["kind"]); own[name] == 0 && kind != "PersistentVolumeClaim" && kind != "HorizontalPodAutoscaler" {
			t.Errorf("%s selects no pod of its own", name)
		}
		for _, container := range containers(o) {
			for _, v := range list(container["env"]) {
				value := fmt.Sprint(v["value"])
				if (strings.Contains(value, "redis-master") || strings.Contains(value, "redis-slave")) && !strings.Contains(value, "-second") {
					t.Errorf("%s: %v=%s is the first one's", name, v["name"], value)
				}
			}
		}
	}
	env := settings(second["Deployment/frontend-second"])
	if env["REDIS_MASTER_ADDR"] != "redis-master-second:6379" || env["REDIS_SLAVE_ADDR"] != "redis-slave-second:6379" || env["REDIS_WAIT_SLAVES"] != "0" {
		t.Errorf("the second one's API has %v", env)
	}
}
