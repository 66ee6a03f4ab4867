package manifests

import (
	"regexp"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// The GitHub workflows run only make targets, and run every make target of .ci/run. Each action in a GitHub workflow is pinned to the hash
// of a commit, because its author can move a tag.
func TestWorkflows(t *testing.T) {
	step := regexp.MustCompile(`(?m)^[^#\n]*\b(uses|run): +(.*)$`)
	pinned := regexp.MustCompile(`^\S+@[0-9a-f]{40} `)
	single := regexp.MustCompile(`^make (\$\{\{ matrix\.target \}\}|[a-z0-9-]+)[^;&|]*$`)
	target := regexp.MustCompile(`(?m)^ *make ([a-z0-9-]+)`)
	var typed []string
	for _, file := range files(t, ".github/workflows/*.yml") {
		text := must.Read(t, file)
		for _, match := range step.FindAllStringSubmatch(text, -1) {
			command := single.FindStringSubmatch(match[2])
			switch {
			case match[1] == "uses" && !pinned.MatchString(match[2]):
				t.Errorf("%s: the action %s is not named by a commit", file, match[2])
			case match[1] == "run" && command == nil:
				t.Errorf("%s: %q is not one target", file, match[2])
			case match[1] == "run":
				typed = append(typed, "make "+command[1])
			}
		}
		for _, targets := range regexp.MustCompile(`(?m)^ +target: \[(.*)\]$`).FindAllStringSubmatch(text, -1) {
			typed = append(typed, "make "+strings.ReplaceAll(targets[1], ", ", "\nmake "))
		}
	}
	all := strings.Join(typed, "\n") + "\n"
	makefile := must.Read(t, must.Root(t), "Makefile")
	for _, match := range target.FindAllStringSubmatch(all, -1) {
		if !strings.Contains(makefile, "\n"+match[1]+":") {
			t.Errorf("the workflows name make %s", match[1])
		}
	}
	for _, match := range target.FindAllStringSubmatch(must.Read(t, must.Root(t), ".ci/run"), -1) {
		if !strings.Contains(all, "make "+match[1]+"\n") {
			t.Errorf("the workflows lack make %s of .ci/run; they have\n%s", match[1], all)
		}
	}
}
