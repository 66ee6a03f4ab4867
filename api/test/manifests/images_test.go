package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// Each image name has a version and a registry, because CRI-O may refuse a name without a registry. No image of the guestbook runs as root.
func TestImages(t *testing.T) {
	total := 0
	check := func(file, image string) {
		total++
		if registry, _, _ := strings.Cut(image, "/"); !strings.Contains(registry, ".") {
			t.Errorf("%s: the image %s has no registry: docker.io/…", file, image)
		}
		if !pinned(image) {
			t.Errorf("%s: the image %s may change", file, image)
		}
	}
	for _, file := range withPods(t) {
		for _, o := range objects(t, must.Read(t, file)) {
			for _, container := range containers(o) {
				check(file, fmt.Sprint(container["image"]))
			}
		}
	}
	for _, file := range files(t, "compose.yaml", "k8s/components/*/Kustomization") {
		for _, match := range regexp.MustCompile(`(?m)^ *image: (\S+)$`).FindAllStringSubmatch(must.Read(t, file), -1) {
			check(file, match[1])
		}
	}
	for _, file := range files(t, "*/Dockerfile") {
		d := parseDockerfile(must.Read(t, file))
		for _, image := range d.from {
			if image != "scratch" && !slices.Contains(d.stages, image) {
				check(file, image)
			}
		}
		user, _, _ := strings.Cut(d.user, ":")
		if n, err := strconv.Atoi(user); err != nil || n == 0 {
			t.Errorf("%s: the user is %q, want a number other than root's", file, d.user)
		}
	}
	if total < 20 {
		t.Errorf("only %d images were found", total)
	}
	for image, want := range map[string]bool{"registry:5000/nginx@sha256:0123": true, "registry:5000/me/api:v1": true, "registry:5000/nginx": false} {
		if pinned(image) != want {
			t.Errorf("%s counts as pinned: %v", image, !want)
		}
	}
}

// dockerfile holds those parts of a Dockerfile that the tests check.
type dockerfile struct {
	from         []string // the image or the stage in each line FROM
	stages       []string
	copied, user string // targets of COPY and ADD, and the USER, in the last stage
}

func parseDockerfile(text string) (d dockerfile) {
	for line := range strings.Lines(text) {
		words := slices.DeleteFunc(strings.Fields(line), func(w string) bool { return strings.HasPrefix(w, "--platform") })
		if len(words) < 2 {
			continue
		}
		switch words[0] {
		case "FROM":
			d.from, d.copied, d.user = append(d.from, words[1]), "", ""
			if len(words) == 4 {
				d.stages = append(d.stages, words[3])
			}
		case "COPY", "ADD":
			d.copied += words[len(words)-1] + " "
		case "USER":
			d.user = words[1]
		}
	}
	return d
}

func TestTheAPIsImageHoldsTheBinaryAndCertificates(t *testing.T) {
	d := parseDockerfile(must.Read(t, must.Root(t), "api/Dockerfile"))
	if last := d.from[len(d.from)-1]; last != "scratch" || d.copied != "/etc/ssl/certs/ /api " {
		t.Errorf("it is made from %s, with %s", last, d.copied)
	}
}
