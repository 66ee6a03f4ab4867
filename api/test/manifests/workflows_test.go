package manifests

import (
	"regexp"
	"testing"

	"guestbook/api/test/kit/must"
)

// The GitHub workflows run only make targets, and run every make target of .ci/run. Each action in a GitHub workflow is pinned to the hash
// of a commit, because an action's author can move a tag.
func TestWorkflows(t *testing.T) {
	step := regexp.MustCompile(`(?m)^[^#\n]*\b(uses|run): +(.*)$`)
	allowed := map[string]*regexp.Regexp{
		"uses": regexp.MustCompile(`^\S+@[0-9a-f]{40} `),
		"run":  regexp.MustCompile(`^make (\$\{\{ matrix\.target \}\}|[a-z0-9-]+)[^;&|]*$`),
	}
	all := ""
	for _, file := range files(t, ".github/workflows/*.yml") {
		text := must.Read(t, file)
		for _, match := range step.FindAllStringSubmatch(text, -1) {
			if !allowed[match[1]].MatchString(match[2]) {
				t.Errorf("%s: %s is not one make target, or an action without the hash of a commit", file, match[0])
			}
		}
		all += text
	}
	for _, match := range regexp.MustCompile(`(?m)^ *make ([a-z0-9-]+)`).FindAllStringSubmatch(must.Read(t, must.Root(t), ".ci/run"), -1) {
		if !regexp.MustCompile(`(?m)^[^#\n]*\b(run: make |target: \[(.*, )?)` + match[1] + `([\], ]|$)`).MatchString(all) {
			t.Errorf("the workflows lack make %s of .ci/run", match[1])
		}
	}
}
