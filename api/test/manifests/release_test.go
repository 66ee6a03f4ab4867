package manifests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/podtest"
)

// The commit that the tests release, years ago, so that the day of the build would be seen.
const releasedOn = "2021-02-03T04:05:06Z"

// execute runs a program and returns its standard output. It ends the test if the program fails.
func execute(t *testing.T, dir string, env []string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), args[0], args[1:]...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Env, cmd.Stderr = dir, append(os.Environ(), env...), &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%q: %v\n%s%s", args, err, out, stderr.String())
	}
	return string(out)
}

// A publisher has a registry of base images, the repository as one commit, and an SSH key.
type publisher struct {
	dir, root, registry string
}

// newPublisher returns a publisher whose registry has a base image for each platform given.
func newPublisher(t *testing.T, platforms ...string) publisher {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	p := publisher{dir: t.TempDir(), root: root}
	execute(t, root, nil, "make", "-s", ".build/crane", ".build/cyclonedx-gomod")
	p.serve(t)
	layer := filepath.Join(p.dir, "layer.tar")
	execute(t, root, nil, "tar", "-cf", layer, "LICENSE")
	for _, base := range []string{"library/nginx:1.30-alpine", "valkey/valkey:9.1-alpine", "library/haproxy:3.2-alpine"} {
		index := []string{"index", "append", "-t", p.registry + "/" + base}
		for _, platform := range platforms {
			image := p.registry + "/" + platform + "/" + base
			p.crane(t, "append", "--oci-empty-base", "-f", layer, "-t", image)
			p.crane(t, "mutate", image, "-t", image, "--set-platform", platform, "--entrypoint", "/base", "--cmd", "base")
			index = append(index, "-m", image)
		}
		p.crane(t, index...)
	}
	of := []string{"git", "--git-dir", filepath.Join(p.dir, "repository"), "--work-tree", root, "-c", "user.name=a", "-c", "user.email=a@example.com"}
	execute(t, root, nil, "git", "init", "-q", "--bare", filepath.Join(p.dir, "repository"))
	execute(t, root, nil, append(of, "add", "-A")...)
	day := []string{"GIT_AUTHOR_DATE=" + releasedOn, "GIT_COMMITTER_DATE=" + releasedOn}
	execute(t, root, day, append(of, "commit", "-qm", "a release")...)
	execute(t, p.dir, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
	return p
}

// serve starts the publisher's registry on a free port.
func (p *publisher) serve(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.root, ".build/crane"), "registry", "serve", "--address", "127.0.0.1:0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	var said []byte
	for port := regexp.MustCompile(`serving on port (\d+)\n`); p.registry == ""; {
		more := make([]byte, 200)
		n, err := stderr.Read(more)
		if said = append(said, more[:n]...); err != nil {
			t.Fatalf("the registry says %q: %v", said, err)
		}
		if match := port.FindSubmatch(said); match != nil {
			p.registry = "127.0.0.1:" + string(match[1])
		}
	}
	go func() { _, _ = io.Copy(io.Discard, stderr) }()
}

func (p *publisher) crane(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(execute(t, p.dir, nil, append([]string{filepath.Join(p.root, ".build/crane")}, args...)...))
}

// checkout returns a clone of the repository below the publisher's folder, made under a umask.
func (p *publisher) checkout(t *testing.T, name, umask string) string {
	t.Helper()
	dir := filepath.Join(p.dir, name)
	execute(t, p.dir, nil, "sh", "-ec", "umask "+umask+"; git clone -q repository "+dir+"; mkdir "+dir+"/.build; cp -p "+p.root+"/.build/crane "+p.root+"/.build/cyclonedx-gomod "+dir+"/.build; touch "+dir+"/.build/*")
	return dir
}

// release makes a release in a checkout, and returns what make says.
func (p *publisher) release(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "release", "VERSION=v1.0.0", "REGISTRY=ghcr.io/Owner", "BASES=" + p.registry}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// documented returns the command of CHANGELOG.md in which the words are.
func (p *publisher) documented(t *testing.T, words string) []commands.Block {
	t.Helper()
	blocks, err := commands.Read(p.root, "CHANGELOG.md")
	if err != nil {
		t.Fatal(err)
	}
	blocks = slices.DeleteFunc(blocks, func(b commands.Block) bool { return !b.Is("release") || !strings.Contains(b.Text, words) })
	if len(blocks) != 1 {
		t.Fatalf("%d commands say %q", len(blocks), words)
	}
	return blocks
}

// folder maps the names of the files in a folder to their content.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found[path] = read(t, filepath.Join(dir, path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// archived maps the entries of a tar archive to their content. All must be of the commit's time, of root and readable to everybody.
func archived(t *testing.T, archive string) map[string]string {
	t.Helper()
	day, err := time.Parse(time.RFC3339, releasedOn)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for r := tar.NewReader(strings.NewReader(archive)); ; {
		header, err := r.Next()
		if errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		if !header.ModTime.Equal(day) || header.Uid != 0 || header.Gid != 0 || header.Uname+header.Gname != "" || header.Mode != 0o644 && header.Mode != 0o755 {
			t.Errorf("%s has the time %v, user %d %q, group %d %q and mode %o", header.Name, header.ModTime, header.Uid, header.Uname, header.Gid, header.Gname, header.Mode)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found[header.Name] = string(content)
	}
}

// A reference is how an OCI document names another one.
type reference struct {
	Digest      string
	Size        int64
	Platform    struct{ Architecture string }
	Annotations map[string]string
}

// An ociImage is one platform's image of an archive.
type ociImage struct {
	size   int64    // of the compressed layers
	layers []string // as they are in the archive
	config struct {
		Config struct {
			User            string
			Entrypoint, Cmd []string
			ExposedPorts    map[string]any
		}
	}
}

// ociImages returns the digest of an OCI archive's index, and the image of each architecture.
func ociImages(t *testing.T, archive string) (digest string, images map[string]ociImage) {
	t.Helper()
	entries := archived(t, archive)
	decode := func(ref reference, into any) {
		t.Helper()
		blob := entries["blobs/sha256/"+strings.TrimPrefix(ref.Digest, "sha256:")]
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(blob))); sum != ref.Digest {
			t.Fatalf("the blob %s has the digest %s", ref.Digest, sum)
		}
		if err := json.Unmarshal([]byte(blob), into); err != nil {
			t.Fatal(err)
		}
	}
	var top, index struct{ Manifests []reference }
	if err := json.Unmarshal([]byte(entries["index.json"]), &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json is %s: %v", entries["index.json"], err)
	}
	if name := top.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; !strings.HasPrefix(name, "ghcr.io/owner/gb-") || !strings.HasSuffix(name, ":v1.0.0") {
		t.Errorf("the image is called %q", name)
	}
	decode(top.Manifests[0], &index)
	images = map[string]ociImage{}
	for _, m := range index.Manifests {
		var manifest struct {
			Config reference
			Layers []reference
		}
		decode(m, &manifest)
		var image ociImage
		decode(manifest.Config, &image.config)
		for _, layer := range manifest.Layers {
			image.size += layer.Size
			image.layers = append(image.layers, entries["blobs/sha256/"+strings.TrimPrefix(layer.Digest, "sha256:")])
		}
		images[m.Platform.Architecture] = image
	}
	return top.Manifests[0].Digest, images
}

// unpacked returns the entries of an image's last layer.
func (i ociImage) unpacked(t *testing.T) map[string]string {
	t.Helper()
	unzipped, err := gzip.NewReader(strings.NewReader(i.layers[len(i.layers)-1]))
	if err != nil {
		t.Fatal(err)
	}
	layer, err := io.ReadAll(unzipped)
	if err != nil {
		t.Fatal(err)
	}
	return archived(t, string(layer))
}

// idle starts an API, and returns how long it takes to get ready and the memory that is resident then.
func idle(t *testing.T, program string, master int) (ready time.Duration, bytes int) {
	t.Helper()
	port := podtest.FreePorts(t).API
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = []string{fmt.Sprintf("REDIS_MASTER_ADDR=127.0.0.1:%d", master), fmt.Sprintf("REDIS_SLAVE_ADDR=127.0.0.1:%d", master), fmt.Sprintf("LISTEN_ADDR=127.0.0.1:%d", port)}
	start := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	for {
		response, err := http.Get(fmt.Sprintf("http://127.0.0.1:%d/readyz", port))
		if err == nil {
			response.Body.Close()
			if response.StatusCode == http.StatusOK {
				break
			}
		}
		if time.Since(start) > 10*time.Second {
			t.Fatalf("the API is not ready: %v", err)
		}
		time.Sleep(500 * time.Microsecond)
	}
	ready = time.Since(start)
	_, resident, _ := strings.Cut(read(t, fmt.Sprintf("/proc/%d/status", cmd.Process.Pid)), "VmRSS:")
	if _, err := fmt.Sscanf(resident, "%d kB", &bytes); err != nil {
		t.Fatal(err)
	}
	return ready, bytes * 1024
}

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
		execute(t, second, nil, "find", ".", "-type", "f", "-exec", "touch", "-d", "2019-08-07", "{}", "+")
		t.Setenv("TZ", "Asia/Tokyo")
		t.Setenv("GOFLAGS", "-buildvcs=true")
		t.Setenv("GOAMD64", "v3")
		execute(t, p.dir, nil, "cp", filepath.Join(first, "dist", "SHA256SUMS"), second)
		typed := strings.NewReplacer("make release", "make -s release BASES="+p.registry+" KEY="+filepath.Join(p.dir, "key"), "OWNER", "Owner", "GOTOOLCHAIN=go1.27.4", "")
		for _, b := range p.documented(t, "make release") {
			if said, err := (&commands.Shell{Dir: second, Env: os.Environ(), Replace: typed}).Run(t.Context(), b); err != nil {
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

	digests := map[string]string{} // of the images here
	t.Run("images", func(t *testing.T) {
		served := map[string]string{"etc/nginx/nginx.conf": "nginx/nginx.conf", "etc/nginx/csp.conf": "nginx/csp.conf", "usr/local/bin/start.sh": "nginx/start.sh"}
		for _, file := range files(t, "nginx/html/*") {
			served["etc/nginx/html/"+filepath.Base(file)] = "nginx/html/" + filepath.Base(file)
		}
		for name, want := range map[string]struct {
			dockerfile string
			files      map[string]string
		}{
			"gb-frontend-api":   {"api/Dockerfile", map[string]string{"api": "", "etc/ssl/certs/ca-certificates.crt": ""}},
			"gb-frontend-nginx": {"nginx/Dockerfile", served},
			"gb-redis-slave":    {"redis-slave/Dockerfile", map[string]string{"run.sh": "redis-slave/run.sh", "move.sh": "redis-slave/move.sh"}},
		} {
			digest, images := ociImages(t, dist[name+".oci.tar"])
			digests["ghcr.io/owner/"+name+":v1.0.0"] = digest
			if !slices.Equal(keys(images), []string{"amd64", "arm64"}) {
				t.Errorf("%s is for %q", name, keys(images))
			}
			for architecture, image := range images {
				t.Logf("%s for %s: %.2f MB compressed", name, architecture, float64(image.size)/1e6)
				entries := image.unpacked(t)
				for entry, from := range want.files {
					if content, ok := entries[entry]; !ok || from != "" && content != read(t, files(t, from)[0]) {
						t.Errorf("%s for %s: %s is missing or another", name, architecture, entry)
					}
				}
				for entry := range entries {
					if _, ok := want.files[entry]; !ok && !strings.HasSuffix(entry, "/") {
						t.Errorf("%s for %s has %s as well", name, architecture, entry)
					}
				}
				// What the Dockerfile says last is what the image does.
				config, dockerfile := image.config.Config, read(t, files(t, want.dockerfile)[0])
				for line, value := range map[string]any{"USER ": config.User, "ENTRYPOINT ": config.Entrypoint, "CMD ": config.Cmd} {
					match := regexp.MustCompile(`(?m)^` + line + `(.*)$`).FindStringSubmatch(dockerfile)
					said := fmt.Sprint(value)
					if list, ok := value.([]string); ok {
						text, _ := json.Marshal(list)
						said = string(text)
					}
					inherited := map[string]string{"ENTRYPOINT ": `["/base"]`, "CMD ": "null"}[line]
					if match == nil && said != inherited || match != nil && said != match[1] {
						t.Errorf("%s has %s%s; its Dockerfile says %q", name, line, said, match)
					}
				}
			}
			if name == "gb-frontend-api" {
				for architecture, machine := range map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64} {
					program := images[architecture].unpacked(t)["api"]
					file, err := elf.NewFile(strings.NewReader(program))
					if err != nil || file.Machine != machine || program != dist["api-linux-"+architecture] {
						t.Errorf("the API for %s is for %v: %v", architecture, file.Machine, err)
					}
					if images[architecture].size > 8_000_000 {
						t.Errorf("the API's image for %s has %d bytes, want at most 8 MB", architecture, images[architecture].size)
					}
				}
			}
		}
	})

	t.Run("program", func(t *testing.T) {
		master := newMaster(t).start(t)
		fastest := time.Hour
		for try := 0; try < 20 && fastest > 30*time.Millisecond; try++ {
			ready, memory := idle(t, filepath.Join(first, "dist", "api-linux-"+runtime.GOARCH), master.port)
			t.Logf("ready after %v, idle with %.1f MiB", ready, float64(memory)/(1<<20))
			if fastest = min(fastest, ready); memory > 12<<20 {
				t.Errorf("the idle API takes %d bytes, want at most 12 MiB", memory)
			}
		}
		if fastest > 30*time.Millisecond {
			t.Errorf("the API is never ready within 30 ms; the shortest time was %v", fastest)
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
			// All else is as it was.
			want := map[string]object{}
			for _, file := range files(t, of) {
				maps.Copy(want, objects(t, image.ReplaceAllString(read(t, file), "${1}any")))
			}
			same(t, objects(t, image.ReplaceAllString(dist[name], "${1}any")), want)
		}
	})

	t.Run("bundle", func(t *testing.T) {
		bundle := archived(t, dist["guestbook-v1.0.0-airgap.tar"])
		if want := []string{"guestbook.yaml", "images-linux-amd64.tar", "images-linux-arm64.tar"}; !slices.Equal(keys(bundle), want) {
			t.Fatalf("it holds %q, want %q", keys(bundle), want)
		}
		needed := map[string]bool{}
		for _, o := range objects(t, bundle["guestbook.yaml"]) {
			for _, spec := range podSpecs(o) {
				for _, c := range slices.Concat(list(spec["initContainers"]), list(spec["containers"])) {
					needed[fmt.Sprint(c["image"])] = true
				}
			}
		}
		for _, architecture := range []string{"amd64", "arm64"} {
			entries := archived(t, bundle["images-linux-"+architecture+".tar"])
			var held []struct {
				Config   string
				RepoTags []string
				Layers   []string
			}
			if err := json.Unmarshal([]byte(entries["manifest.json"]), &held); err != nil {
				t.Fatal(err)
			}
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
	})

	t.Run("provenance and modules", func(t *testing.T) {
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
		if err := json.Unmarshal([]byte(dist["provenance.json"]), &statement); err != nil {
			t.Fatal(err)
		}
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
		if err := json.Unmarshal([]byte(dist["sbom.cdx.json"]), &sbom); err != nil {
			t.Fatal(err)
		}
		modules := map[string]string{}
		for _, c := range sbom.Components {
			modules[c.Name] = c.Version
		}
		redigo := regexp.MustCompile(`github.com/gomodule/redigo (\S+)`).FindStringSubmatch(read(t, files(t, "go.mod")[0]))[1]
		if modules["github.com/gomodule/redigo"] != redigo || modules["std"] == "" {
			t.Errorf("the modules are %q", modules)
		}
	})

	t.Run("a changed byte is refused", func(t *testing.T) {
		blocks := slices.Concat(p.documented(t, "sha256sum --check --ignore-missing"), p.documented(t, "ssh-keygen"))
		download := filepath.Join(p.dir, "download")
		if err := os.CopyFS(download, os.DirFS(filepath.Join(first, "dist"))); err != nil {
			t.Fatal(err)
		}
		execute(t, p.dir, nil, "cp", "key.pub", filepath.Join(download, "release.pub"))
		shell := &commands.Shell{Dir: download, Env: os.Environ()}
		check := func() (failed []string) {
			for _, b := range blocks {
				if _, err := shell.Run(t.Context(), b); err != nil {
					failed = append(failed, err.Error())
				}
			}
			return failed
		}
		if failed := check(); failed != nil {
			t.Fatalf("the checks of what was published fail: %q", failed)
		}
		for name, content := range dist {
			path := filepath.Join(download, name)
			changed := []byte(content)
			changed[len(changed)/2] ^= 1
			if err := os.WriteFile(path, changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if check() == nil {
				t.Errorf("a changed %s is not refused", name)
			}
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("pushed", func(t *testing.T) {
		said := execute(t, first, nil, "make", "-s", "release-push", "VERSION=v1.0.0", "REGISTRY="+p.registry+"/owner")
		for image, digest := range digests {
			pushed := strings.Replace(strings.TrimSuffix(image, ":v1.0.0"), "ghcr.io", p.registry, 1) + "@" + digest
			if !strings.Contains(said, pushed) || p.crane(t, "digest", pushed) != digest {
				t.Errorf("%s is not in the registry: %s", pushed, said)
			}
		}
	})
}

// A platform is left out, and named, unless the release must be complete.
func TestReleaseWithoutAPlatform(t *testing.T) {
	p := newPublisher(t, "linux/amd64")
	dir := p.checkout(t, "a", "022")
	if said, err := p.release(t, dir, "COMPLETE=1"); err == nil || !strings.Contains(said, "left out: gb-frontend-nginx for linux/arm64") {
		t.Errorf("a release that must be complete ends with %v: %s", err, said)
	}
	said, err := p.release(t, dir)
	if err != nil || strings.Count(said, "left out: ") != 2 {
		t.Fatalf("%v: %s", err, said)
	}
	dist := folder(t, filepath.Join(dir, "dist"))
	for name, want := range map[string][]string{"gb-frontend-api": {"amd64", "arm64"}, "gb-frontend-nginx": {"amd64"}, "gb-redis-slave": {"amd64"}} {
		if _, images := ociImages(t, dist[name+".oci.tar"]); !slices.Equal(keys(images), want) {
			t.Errorf("%s is for %q, want %q", name, keys(images), want)
		}
	}
	if got, want := keys(archived(t, dist["guestbook-v1.0.0-airgap.tar"])), []string{"guestbook.yaml", "images-linux-amd64.tar"}; !slices.Equal(got, want) {
		t.Errorf("the bundle holds %q, want %q", got, want)
	}
	if said, err := p.release(t, dir, "BASES=127.0.0.1:9"); err == nil || !strings.Contains(said, "name its registry as BASES") {
		t.Errorf("a release without base images ends with %v: %s", err, said)
	}
	if said, err := p.release(t, dir, "DIST=nginx"); err == nil || !strings.Contains(said, "holds something else than a release") {
		t.Errorf("a release in a folder with other files ends with %v: %s", err, said)
	}
}
