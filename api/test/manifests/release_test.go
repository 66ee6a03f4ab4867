package manifests

import (
	"debug/elf"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

func TestRelease(t *testing.T) {
	p := newPublisher(t, "linux/amd64", "linux/arm64")
	first := p.checkout(t, "a", "022")
	said, err := p.release(t, first, "COMPLETE=1", "KEY="+filepath.Join(p.dir, "key"))
	if err != nil {
		t.Fatal(err, said)
	}
	t.Log(said)
	dist := folder(t, filepath.Join(first, "dist"))

	t.Run("again, elsewhere, under another umask", func(t *testing.T) {
		second := p.checkout(t, strings.Repeat("a-longer-name/", 3)+"b", "077")
		// The second clone's cyclonedx-gomod has other bytes, because each machine compiles another cyclonedx-gomod.
		execute(t, second, nil, "sh", "-ec", "find . -type f -exec touch -d 2019-08-07 {} +; echo >>.build/cyclonedx-gomod")
		for _, setting := range []string{"TZ=Asia/Tokyo", "GOFLAGS=-buildvcs=true", "GOAMD64=v3", "GOFIPS140=latest", "SOURCE_DATE_EPOCH=1600000000"} {
			name, value, _ := strings.Cut(setting, "=")
			t.Setenv(name, value)
		}
		execute(t, p.dir, nil, "cp", filepath.Join(first, "dist", "SHA256SUMS"), second)
		typed := strings.NewReplacer("make release", "make -s release BASES="+p.registry+" KEY="+filepath.Join(p.dir, "key"), "OWNER", "Owner", "GOTOOLCHAIN=go1.27.4", "")
		for _, b := range p.documented(t, "make release") {
			if said, err := (&commands.Shell{Dir: second, Replace: typed}).Run(t.Context(), b); err != nil {
				t.Fatal(err, said)
			}
		}
		again := folder(t, filepath.Join(second, "dist"))
		if !slices.Equal(keys(again), keys(dist)) || len(dist) < 14 {
			t.Errorf("the files are %q, want %q", keys(again), keys(dist))
		}
		for name, content := range dist {
			if again[name] != content {
				t.Errorf("%s has other bytes", name)
			}
			if strings.Contains(content, time.Now().UTC().Format(time.DateOnly)) {
				t.Errorf("%s holds the day of the build", name)
			}
		}
	})

	digests := map[string]string{}
	said = execute(t, first, nil, "make", "-s", "release-push", "VERSION=v1.0.0", "REGISTRY="+p.registry+"/owner")
	t.Run("pushed images", func(t *testing.T) {
		served := map[string]string{"etc/nginx/nginx.conf": "nginx/nginx.conf", "etc/nginx/csp.conf": "nginx/csp.conf", "usr/local/bin/start.sh": "nginx/start.sh"}
		for _, file := range files(t, "nginx/html/*") {
			served["etc/nginx/html/"+filepath.Base(file)] = "nginx/html/" + filepath.Base(file)
		}
		machines := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}
		for name, want := range map[string]map[string]string{
			"gb-frontend-api":   {"api": "", "etc/ssl/certs/ca-certificates.crt": ""},
			"gb-frontend-nginx": served,
			"gb-redis-slave":    {"run.sh": "redis-slave/run.sh", "move.sh": "redis-slave/move.sh"},
		} {
			digest, architectures := index(t, dist[name+".oci.tar"])
			digests["ghcr.io/owner/"+name+":v1.0.0"] = digest
			if !slices.Equal(architectures, keys(machines)) {
				t.Errorf("%s is for %q", name, architectures)
			}
			pushed := p.registry + "/owner/" + name + "@" + digest
			if !strings.Contains(said, pushed) {
				t.Errorf("make release-push does not name %s: %s", pushed, said)
			}
			for _, architecture := range architectures {
				entries := archived(t, p.crane(t, "export", "--platform", "linux/"+architecture, pushed, "-"))
				if !slices.Equal(keys(entries), keys(want)) {
					t.Errorf("%s for %s has the files %q, want %q", name, architecture, keys(entries), keys(want))
				}
				for entry, from := range want {
					if from != "" && entries[entry] != must.Read(t, p.root, from) {
						t.Errorf("%s for %s: %s is another", name, architecture, entry)
					}
				}
				if name == "gb-frontend-api" {
					file := must.Get(elf.NewFile(strings.NewReader(entries["api"])))(t)
					if file.Machine != machines[architecture] || entries["api"] != dist["api-linux-"+architecture] {
						t.Errorf("the API for %s is for %v, or another than the program", architecture, file.Machine)
					}
				}
			}
		}
		if size := len(dist["gb-frontend-api.oci.tar"]); size > 2*8_000_000 {
			t.Errorf("the API's two images have %d bytes, want at most 8 MB each", size)
		}
		for name, blob := range archived(t, dist["gb-frontend-api.oci.tar"]) {
			if len(blob) > 8_000_000 {
				t.Errorf("%s of the API's image has %d bytes, want at most 8 MB", name, len(blob))
			}
		}
	})

	t.Run("program", func(t *testing.T) {
		pod := podtest.New(t, localpod.Options{APIBinary: filepath.Join(first, "dist", "api-linux-"+runtime.GOARCH)})
		podtest.Start(t, pod.Master, pod.Slave)
		start := time.Now()
		podtest.Start(t, pod.API)
		ready, memory := time.Since(start), pod.API.Usage().Memory
		t.Logf("ready after %v, idle with %.1f MiB", ready, float64(memory)/(1<<20))
		if memory > 12<<20 {
			t.Errorf("the idle API takes %d bytes, want at most 12 MiB", memory)
		}
	})

	t.Run("manifests", func(t *testing.T) {
		image := regexp.MustCompile(`(?m)^([ -]*image: )(\S+)$`)
		for name, of := range map[string]string{
			"guestbook.yaml": "all-in-one/guestbook-all-in-one.yaml", "frontend.yaml": "all-in-one/frontend.yaml",
			"frontend-replica.yaml": "all-in-one/frontend-replica.yaml", "frontend-leader-follower.yaml": "all-in-one/frontend-leader-follower.yaml",
			"ha.yaml": "k8s/ha/*.yaml", "compose.yaml": "compose.yaml",
		} {
			for _, match := range image.FindAllStringSubmatch(dist[name], -1) {
				tag, digest, _ := strings.Cut(match[2], "@")
				want, ours := digests[tag]
				if _, base, _ := strings.Cut(tag, "/"); !ours {
					want = p.crane(t, "digest", p.registry+"/"+base)
				}
				if digest != want {
					t.Errorf("%s: the image is %s, want the digest %s", name, match[2], want)
				}
			}
			if name == "compose.yaml" {
				if strings.Contains(dist[name], "build:") {
					t.Error("compose.yaml builds images")
				}
				continue
			}
			// A released manifest is the same as the manifest in the repository, except for the names of images.
			want := map[string]object{}
			for _, file := range files(t, of) {
				maps.Copy(want, objects(t, image.ReplaceAllString(must.Read(t, file), "${1}any")))
			}
			same(t, objects(t, image.ReplaceAllString(dist[name], "${1}any")), want)
		}
	})

	t.Run("bundle", func(t *testing.T) { checkBundle(t, dist["guestbook-v1.0.0-airgap.tar"]) })

	t.Run("provenance and modules", func(t *testing.T) { p.checkProvenance(t, first, dist) })

	t.Run("a changed byte is refused", func(t *testing.T) {
		blocks := slices.Concat(p.documented(t, "sha256sum --check --ignore-missing"), p.documented(t, "ssh-keygen"))
		download := filepath.Join(p.dir, "download")
		must.OK(t, os.CopyFS(download, os.DirFS(filepath.Join(first, "dist"))))
		execute(t, p.dir, nil, "cp", "key.pub", filepath.Join(download, "release.pub"))
		shell := &commands.Shell{Dir: download}
		check := func() (err error) {
			for _, b := range blocks {
				_, failed := shell.Run(t.Context(), b)
				err = errors.Join(err, failed)
			}
			return err
		}
		must.OK(t, check())
		for name, content := range dist {
			path := filepath.Join(download, name)
			changed := []byte(content)
			changed[len(changed)/2] ^= 1
			must.OK(t, os.WriteFile(path, changed, 0o600))
			if check() == nil {
				t.Errorf("a changed %s is not refused", name)
			}
			must.Write(t, path, content)
		}
	})
}

// If a base image does not exist for a platform, "make release" omits the image for this platform and prints the image's name. With
// COMPLETE=1, "make release" fails if a base image does not exist for a platform.
func TestReleaseWithoutAPlatform(t *testing.T) {
	p := newPublisher(t, "linux/amd64")
	dir := p.checkout(t, "a", "022")
	said, err := p.release(t, dir)
	if err != nil || strings.Count(said, "left out: ") != 2 {
		t.Fatalf("%v: %s", err, said)
	}
	dist := folder(t, filepath.Join(dir, "dist"))
	for name, want := range map[string][]string{"gb-frontend-api": {"amd64", "arm64"}, "gb-frontend-nginx": {"amd64"}, "gb-redis-slave": {"amd64"}} {
		if _, architectures := index(t, dist[name+".oci.tar"]); !slices.Equal(architectures, want) {
			t.Errorf("%s is for %q, want %q", name, architectures, want)
		}
	}
	if got, want := keys(archived(t, dist["guestbook-v1.0.0-airgap.tar"])), []string{"guestbook.yaml", "images-linux-amd64.tar"}; !slices.Equal(got, want) {
		t.Errorf("the bundle holds %q, want %q", got, want)
	}
	for argument, want := range map[string]string{
		"COMPLETE=1":        "left out: gb-frontend-nginx for linux/arm64",
		"BASES=127.0.0.1:9": "name its registry as BASES",
		"DIST=nginx":        "holds something else than a release",
		"VERSION=v1.0.0+a":  "cannot have the tag",
		"REGISTRY=https://": "is no registry",
	} {
		if said, err := p.release(t, dir, argument); err == nil || !strings.Contains(said, want) {
			t.Errorf("make release %s ends with %v: %s", argument, err, said)
		}
	}
}
