package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// apps returns all values of the label "app" in a YAML node, both in labels and in selectors. A selector without this label counts as nil.
func apps(node any) (found []any) {
	switch node := node.(type) {
	case []any:
		for _, n := range node {
			found = append(found, apps(n)...)
		}
	case object:
		for key, child := range node {
			selector, ok := child.(object)
			if !ok || !slices.Contains([]string{"selector", "podSelector", "labelSelector", "labels"}, key) {
				found = append(found, apps(child)...)
				continue
			}
			app := selector["app"]
			if labels := sub(selector, "matchLabels"); labels != nil {
				app = labels["app"]
			}
			for _, e := range list(selector["matchExpressions"]) {
				if e["key"] == "app" {
					app = e["values"]
				}
			}
			found = append(found, app)
		}
	}
	return found
}

// Two guestbooks with different labels "app" can share a namespace, because no selector of the first matches a pod of the second.
func TestTwoGuestbooksInANamespace(t *testing.T) {
	first, second := objects(t, base(t)), objects(t, built(t, "# - components/instance\n", "- components/instance\n"))
	if len(second) != len(first) {
		t.Errorf("the second has %q", keys(second))
	}
	n := 0
	for pattern, all := range map[string]map[string]object{
		`^\[?(guestbook|redis|guestbook redis)\]?$`: first, `^\[?guestbook-second\]?$`: second,
	} {
		for name, o := range all {
			for _, app := range apps(o["spec"]) {
				if n++; !regexp.MustCompile(pattern).MatchString(fmt.Sprint(app)) {
					t.Errorf("%s has or selects pods with app: %v", name, app)
				}
			}
		}
	}
	if n < 40 {
		t.Errorf("only %d labels", n)
	}
	for name, o := range second {
		if first[name] != nil {
			t.Errorf("both have a %s", name)
		}
		for _, field := range fields(o) {
			if regexp.MustCompile(` env .*=redis-(master|slave)(:|$)`).MatchString(field) {
				t.Errorf("%s: %s is the first one's", name, field)
			}
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
