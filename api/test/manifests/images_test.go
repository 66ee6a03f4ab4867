package manifests

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A container engine may refuse a name without a registry, as CRI-O does.
func TestImagesNameTheirRegistry(t *testing.T) {
	names := map[string][]string{} // of images, in each file
	for _, file := range withPods(t) {
		for _, o := range objects(t, read(t, file)) {
			for _, spec := range podSpecs(o) {
				for _, container := range slices.Concat(list(spec["initContainers"]), list(spec["containers"])) {
					names[file] = append(names[file], fmt.Sprint(container["image"]))
				}
			}
		}
	}
	for _, file := range files(t, "*/Dockerfile") {
		d := parseDockerfile(read(t, file))
		names[file] = slices.DeleteFunc(d.from, func(name string) bool { return name == "scratch" || slices.Contains(d.stages, name) })
	}
	image := regexp.MustCompile(`(?m)^ *image: (\S+)$`)
	for _, file := range files(t, "compose.yaml", "k8s/components/*/Kustomization") {
		for _, match := range image.FindAllStringSubmatch(read(t, file), -1) {
			names[file] = append(names[file], match[1])
		}
	}
	total := 0
	for file, images := range names {
		for _, name := range images {
			registry, _, _ := strings.Cut(name, "/")
			if !strings.Contains(registry, ".") {
				t.Errorf("%s: the image %s has no registry: docker.io/…", file, name)
			}
			total++
		}
	}
	if total < 20 {
		t.Errorf("only %d images were found", total)
	}
}
