package manifests

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// Each image name has a version and a registry. The container runtime CRI-O may refuse an image name without a registry.
func TestImages(t *testing.T) {
	named := regexp.MustCompile(`(?m)^(?:[^#\n]*\bimage: |FROM (?:--platform=\S+ )?)([^\s,}]+)`)
	versioned := regexp.MustCompile(`^[^/]*\.[^/]*/\S*(@sha256:\w+|:[^:/@]+)$`) // such as docker.io/library/nginx:1.30-alpine
	total := 0
	for _, file := range append(withPods(t), files(t, "compose.yaml", "k8s/components/*/Kustomization", "*/Dockerfile")...) {
		text := must.Read(t, file)
		for _, match := range named.FindAllStringSubmatch(text, -1) {
			total++
			image := match[1]
			isStage := image == "scratch" || strings.Contains(text, " AS "+image+"\n")
			if !isStage && (!versioned.MatchString(image) || strings.HasSuffix(image, ":latest")) {
				t.Errorf("%s: the image %s may change, or it has no registry: docker.io/…:v1", file, image)
			}
		}
	}
	if total < 20 {
		t.Errorf("only %d images were found", total)
	}
}

func TestTheAPIsImageHoldsTheBinaryAndCertificates(t *testing.T) {
	_, stage, _ := strings.Cut(must.Read(t, must.Root(t), "api/Dockerfile"), "\nFROM scratch\n")
	copied := regexp.MustCompile(`(?m)^(COPY|ADD) .*`).FindAllString(stage, -1)
	if want := []string{"COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/", "COPY --from=build /api /api"}; !slices.Equal(copied, want) {
		t.Errorf("the Dockerfile has %q, want %q", copied, want)
	}
}
