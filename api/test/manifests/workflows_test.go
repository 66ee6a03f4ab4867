package manifests

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// The workflows run only make targets, and every target of .ci/run. Actions are pinned to commits, because a tag can be moved.
func TestWorkflows(t *testing.T) {
	target := regexp.MustCompile(`(?m)^ *make ([a-z0-9-]+)`)
	typed := map[string]bool{}
	for _, file := range files(t, ".github/workflows/*.yml") {
		var workflow struct {
			Jobs map[string]struct {
				Strategy struct{ Matrix map[string][]string }
				Steps    []struct{ Uses, Run string }
			}
		}
		must.OK(t, yaml.Unmarshal([]byte(must.Read(t, file)), &workflow))
		for _, job := range workflow.Jobs {
			for _, step := range job.Steps {
				if _, commit, _ := strings.Cut(step.Uses, "@"); step.Uses != "" && !regexp.MustCompile(`^[0-9a-f]{40}$`).MatchString(commit) {
					t.Errorf("%s: the action %s is not named by a commit", file, step.Uses)
				}
				commands := []string{step.Run}
				for name, values := range job.Strategy.Matrix {
					if variable := "${{ matrix." + name + " }}"; strings.Contains(step.Run, variable) {
						commands = nil
						for _, value := range values {
							commands = append(commands, strings.ReplaceAll(step.Run, variable, value))
						}
					}
				}
				for _, command := range commands {
					match := target.FindStringSubmatch(command)
					if step.Run != "" && (match == nil || strings.ContainsAny(command, ";&|\n")) {
						t.Errorf("%s: %q is not one target", file, command)
					} else if step.Run != "" {
						typed[match[1]] = true
					}
				}
			}
		}
	}
	makefile := must.Read(t, files(t, "Makefile")[0])
	for name := range typed {
		if !regexp.MustCompile(`(?m)^` + name + `:`).MatchString(makefile) {
			t.Errorf("the workflows name make %s", name)
		}
	}
	for _, match := range target.FindAllStringSubmatch(must.Read(t, files(t, ".ci/run")[0]), -1) {
		if !typed[match[1]] {
			t.Errorf("the workflows lack make %s of .ci/run; they have %s", match[1], fmt.Sprint(slices.Sorted(maps.Keys(typed))))
		}
	}
}
