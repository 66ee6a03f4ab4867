package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// selectors returns all labels and selectors in a YAML node, each in Go's format, such as "map[app:redis role:slave]".
func selectors(node any) (found []string) {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			found = append(found, selectors(n)...)
		}
	case object:
		for key, child := range node {
			if _, ok := child.(object); ok && slices.Contains([]string{"selector", "podSelector", "labelSelector", "labels"}, key) {
				found = append(found, fmt.Sprint(child))
			} else {
				found = append(found, selectors(child)...)
			}
		}
	}
	return found
}

// Two guestbooks with different labels "app" can share a namespace, because no selector of the first matches a pod of the second.
func TestTwoGuestbooksInANamespace(t *testing.T) {
	first, second := objects(t, base(t)), objects(t, built(t, "# - components/instance\n", "- components/instance\n"))
	n := 0
	for app, all := range map[string]map[string]object{`(guestbook|redis|guestbook redis)`: first, `guestbook-second`: second} {
		pattern := regexp.MustCompile(`\bapp:` + app + `[ \]]|\[key:app operator:In values:\[` + app + `\]`)
		for name, o := range all {
			for _, selector := range selectors(o["spec"]) {
				if n++; !pattern.MatchString(selector) {
					t.Errorf("%s has or selects pods with %s", name, selector)
				}
			}
		}
	}
	if n < 40 || len(second) != len(first) {
		t.Errorf("only %d labels; the second guestbook has %q", n, keys(second))
	}
	others := regexp.MustCompile(` env .*=redis-(master|slave)(:|$)`)
	for name, o := range second {
		if first[name] != nil || slices.ContainsFunc(fields(o), others.MatchString) {
			t.Errorf("both have a %s, or its environment leads to the first one's Redis", name)
		}
	}
	api := fields(second["Deployment/frontend-second"])
	for _, setting := range []string{
		"REDIS_MASTER_ADDR value=redis-master-second:6379", "REDIS_SLAVE_ADDR value=redis-slave-second:6379", "REDIS_WAIT_SLAVES value=0",
	} {
		if !slices.Contains(api, apiEnv+setting) {
			t.Errorf("the second one's API lacks %s: %q", setting, api)
		}
	}
	if second["Service/redis-master-second"] == nil || second["Service/redis-slave-second"] == nil {
		t.Errorf("the second one's Redis has other Services: %q", keys(second))
	}
}
