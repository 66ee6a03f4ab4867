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

// checkBundle expects that the archive contains guestbook.yaml, and one file with all images for each platform.
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
		}
		must.OK(t, json.Unmarshal([]byte(entries["manifest.json"]), &held))
		tags := map[string]bool{}
		for _, image := range held {
			tags[image.RepoTags[0]] = true
			if !strings.Contains(entries[image.Config], `"architecture":"`+architecture+`"`) {
				t.Errorf("%s is not for %s", image.RepoTags, architecture)
			}
		}
		if !maps.Equal(tags, needed) || len(tags) != 4 {
			t.Errorf("for %s it holds %q, want %q", architecture, keys(tags), keys(needed))
		}
	}
}

// checkProvenance compares provenance.json with the released files, and sbom.cdx.json with go.mod.
func (p *publisher) checkProvenance(t *testing.T, first string, dist map[string]string) {
	commit := strings.TrimSpace(execute(t, first, nil, "git", "rev-parse", "HEAD"))
	base := strings.TrimPrefix(p.crane(t, "digest", "--platform", "linux/arm64", p.registry+"/library/nginx:1.30-alpine"), "sha256:")
	want := []string{
		`"_type": "https://in-toto.io/Statement/v1"`, `"predicateType": "https://slsa.dev/provenance/v1"`,
		`"runDetails": {"builder": {"id": "urn:guestbook:`,
		fmt.Sprintf(`{"uri": "git+HEAD", "digest": {"gitCommit": "%s"}}`, commit),
		fmt.Sprintf(`{"uri": "oci://docker.io/library/nginx:1.30-alpine?platform=linux/arm64", "digest": {"sha256": "%s"}}`, base),
	}
	for name, content := range dist {
		if !slices.Contains([]string{"provenance.json", "SHA256SUMS", "SHA256SUMS.sig"}, name) {
			want = append(want, fmt.Sprintf(`{"name": "%s", "digest": {"sha256": "%x"}}`, name, sha256.Sum256([]byte(content))))
		}
	}
	for _, text := range want {
		if provenance := dist["provenance.json"]; !strings.Contains(provenance, text) || !json.Valid([]byte(provenance)) {
			t.Errorf("it lacks %s, or it is not JSON", text)
		}
	}
	redigo := regexp.MustCompile(`github.com/gomodule/redigo (\S+)`).FindStringSubmatch(must.Read(t, p.root, "go.mod"))[1]
	for _, module := range []string{"github.com/gomodule/redigo@" + redigo, "std@"} {
		if !strings.Contains(dist["sbom.cdx.json"], `"purl": "pkg:golang/`+module) {
			t.Errorf("the modules lack %s: %s", module, dist["sbom.cdx.json"])
		}
	}
}
