package manifests

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// checkBundle fails the test unless the archive contains guestbook.yaml and, for each platform, all images of guestbook.yaml.
func checkBundle(t *testing.T, archive string) {
	bundle := archived(t, archive)
	if want := []string{"guestbook.yaml", "images-linux-amd64.tar", "images-linux-arm64.tar"}; !slices.Equal(keys(bundle), want) {
		t.Fatalf("it holds %q, want %q", keys(bundle), want)
	}
	needed := images(t, bundle["guestbook.yaml"])
	for _, architecture := range []string{"amd64", "arm64"} {
		entries := archived(t, bundle["images-linux-"+architecture+".tar"])
		var held []struct {
			Config   string
			RepoTags []string
			Layers   []string
		}
		must.OK(t, json.Unmarshal([]byte(entries["manifest.json"]), &held))
		tags := map[string]bool{}
		for _, image := range held {
			tags[image.RepoTags[0]] = true
			if !strings.Contains(entries[image.Config], `"architecture":"`+architecture+`"`) {
				t.Errorf("%s is not for %s", image.RepoTags, architecture)
			}
			for _, layer := range image.Layers {
				if entries[layer] == "" {
					t.Errorf("%s lacks %s", image.RepoTags, layer)
				}
			}
		}
		if !maps.Equal(tags, needed) || len(tags) != 4 {
			t.Errorf("for %s it holds %q, want %q", architecture, keys(tags), keys(needed))
		}
	}
}

// checkProvenance compares provenance.json with the released files and their sources, and sbom.cdx.json with go.mod.
func (p *publisher) checkProvenance(t *testing.T, first string, dist map[string]string) {
	var statement struct {
		Type    string `json:"_type"`
		Subject []struct {
			Name   string
			Digest map[string]string
		}
		PredicateType string
		Predicate     struct {
			BuildDefinition struct {
				ResolvedDependencies []struct {
					URI    string
					Digest map[string]string
				}
			}
			RunDetails struct{ Builder struct{ ID string } }
		}
	}
	must.OK(t, json.Unmarshal([]byte(dist["provenance.json"]), &statement))
	if statement.Type != "https://in-toto.io/Statement/v1" || statement.PredicateType != "https://slsa.dev/provenance/v1" || statement.Predicate.RunDetails.Builder.ID == "" {
		t.Errorf("it is %+v", statement)
	}
	sums := map[string]string{}
	for _, subject := range statement.Subject {
		sums[subject.Name] = subject.Digest["sha256"]
	}
	for name, content := range dist {
		sum := fmt.Sprintf("%x", sha256.Sum256([]byte(content)))
		if !slices.Contains([]string{"provenance.json", "SHA256SUMS", "SHA256SUMS.sig"}, name) && sums[name] != sum {
			t.Errorf("its digest of %s is %s, want %s", name, sums[name], sum)
		}
	}
	materials := map[string]string{}
	for _, m := range statement.Predicate.BuildDefinition.ResolvedDependencies {
		for _, digest := range m.Digest {
			materials[m.URI] = digest
		}
	}
	commit := strings.TrimSpace(execute(t, first, nil, "git", "rev-parse", "HEAD"))
	base := strings.TrimPrefix(p.crane(t, "digest", "--platform", "linux/arm64", p.registry+"/library/nginx:1.30-alpine"), "sha256:")
	if materials["git+HEAD"] != commit || materials["oci://docker.io/library/nginx:1.30-alpine?platform=linux/arm64"] != base {
		t.Errorf("the materials are %q, want the commit %s and nginx %s", materials, commit, base)
	}
	var sbom struct {
		Components []struct{ Name, Version string }
	}
	must.OK(t, json.Unmarshal([]byte(dist["sbom.cdx.json"]), &sbom))
	modules := map[string]string{}
	for _, c := range sbom.Components {
		modules[c.Name] = c.Version
	}
	redigo := regexp.MustCompile(`github.com/gomodule/redigo (\S+)`).FindStringSubmatch(must.Read(t, files(t, "go.mod")[0]))[1]
	if modules["github.com/gomodule/redigo"] != redigo || modules["std"] == "" {
		t.Errorf("the modules are %q", modules)
	}
}
