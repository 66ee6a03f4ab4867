package manifests

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// versioned matches an image name with a registry and a version, such as docker.io/library/nginx:1.30-alpine.
var versioned = regexp.MustCompile(`^[^/]*\.[^/]*/\S*(@sha256:\w+|:[^:/@]+)$`)

func pinned(image string) bool {
	return versioned.MatchString(image) && !strings.HasSuffix(image, ":latest")
}

// lastStage returns the last build stage of a Dockerfile.
func lastStage(dockerfile string) string {
	return dockerfile[strings.LastIndex(dockerfile, "FROM ")+len("FROM "):]
}

// arguments returns the last word of each line of a Dockerfile that begins with one of these instructions, such as "COPY|ADD".
func arguments(dockerfile, instructions string) (words []string) {
	for _, match := range regexp.MustCompile(`(?m)^(?:`+instructions+`) (?:.* )?(\S+)$`).FindAllStringSubmatch(dockerfile, -1) {
		words = append(words, match[1])
	}
	return words
}

// Each image name contains a version, and a registry such as docker.io. Without a registry, the container runtime CRI-O may refuse the
// name. No image of the guestbook runs as root.
func TestImages(t *testing.T) {
	named := regexp.MustCompile(`(?m)^(?:[^#\n]*\bimage: |FROM (?:--platform=\S+ )?)([^\s,}]+)`)
	total := 0
	for _, file := range append(withPods(t), files(t, "compose.yaml", "k8s/components/*/Kustomization", "*/Dockerfile")...) {
		text := must.Read(t, file)
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			total++
			if image := match[1]; !pinned(image) && image != "scratch" && !strings.Contains(text, " AS "+image+"\n") {
				t.Errorf("%s: the image %s may change, or it has no registry: docker.io/…:v1", file, image)
			}
		}
		if filepath.Base(file) == "Dockerfile" {
			users := arguments(lastStage(text), "USER")
			if len(users) == 0 || !regexp.MustCompile(`^[1-9]\d*(:|$)`).MatchString(users[len(users)-1]) {
				t.Errorf("%s: the users are %q, want a number other than root's", file, users)
			}
		}
	}
	if total < 20 {
		t.Errorf("only %d images were found", total)
	}
	for image, want := range map[string]bool{
		"a.io:5000/nginx@sha256:0123": true, "a.io:5000/me/api:v1": true, "a.io:5000/nginx": false,
		"a.io/me/nginx:latest": false, "nginx:1.30": false, "me/nginx:1.30": false,
	} {
		if pinned(image) != want {
			t.Errorf("%s counts as pinned: %v", image, !want)
		}
	}
}

func TestTheAPIsImageHoldsTheBinaryAndCertificates(t *testing.T) {
	stage := lastStage(must.Read(t, must.Root(t), "api/Dockerfile"))
	copied := arguments(stage, "COPY|ADD")
	if !strings.HasPrefix(stage, "scratch\n") || !slices.Equal(copied, []string{"/etc/ssl/certs/", "/api"}) {
		t.Errorf("it is made from %.20q, with %q", stage, copied)
	}
}
