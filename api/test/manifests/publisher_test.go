package manifests

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// releasedOn is the time of the released commit. The commit is years old, so that the test notices a file with today's date.
const releasedOn = "2021-02-03T04:05:06Z"

// execute ends the test if the program fails.
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

// A publisher has what a test needs to make releases: a Git repository, an SSH key, and a registry with base images.
type publisher struct {
	dir, root, registry string
}

// newPublisher returns a publisher whose registry has each base image for the given platforms, such as "linux/amd64".
func newPublisher(t *testing.T, platforms ...string) publisher {
	t.Helper()
	root := must.Root(t)
	p := publisher{dir: t.TempDir(), root: root}
	execute(t, root, nil, "make", "-s", ".build/crane", ".build/cyclonedx-gomod")
	p.serve(t)
	layer := filepath.Join(p.dir, "layer.tar")
	execute(t, root, nil, "tar", "-cf", layer, "--files-from=/dev/null")
	for _, base := range []string{"library/nginx:1.30-alpine", "valkey/valkey:9.1-alpine", "library/haproxy:3.2-alpine"} {
		index := []string{"index", "append", "-t", p.registry + "/" + base}
		for _, platform := range platforms {
			image := p.registry + "/" + platform + "/" + base
			p.crane(t, "append", "--oci-empty-base", "-f", layer, "-t", image)
			p.crane(t, "mutate", image, "-t", image, "--set-platform", platform)
			index = append(index, "-m", image)
		}
		p.crane(t, index...)
	}
	commit(t, filepath.Join(p.dir, "repository"))
	execute(t, p.dir, nil, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", "key")
	return p
}

// commit creates a Git repository with one commit.
func commit(t *testing.T, repository string) {
	t.Helper()
	git := []string{"git", "--git-dir", repository, "--work-tree", must.Root(t), "-c", "user.name=a", "-c", "user.email=a@example.com"}
	execute(t, ".", nil, "git", "init", "-q", "--bare", repository)
	execute(t, must.Root(t), nil, append(git, "add", "-A")...)
	day := []string{"GIT_AUTHOR_DATE=" + releasedOn, "GIT_COMMITTER_DATE=" + releasedOn}
	execute(t, ".", day, append(git, "commit", "-qm", "a release")...)
}

func (p *publisher) serve(t *testing.T) {
	t.Helper()
	p.registry = fmt.Sprintf("127.0.0.1:%d", podtest.FreePorts(t).Nginx)
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.root, ".build/crane"), "registry", "serve", "--address", p.registry)
	must.OK(t, cmd.Start())
	t.Cleanup(func() { _ = cmd.Wait() })
	must.Await(t, "the registry answers", 20*time.Second, func() error {
		_, err := http.Head("http://" + p.registry + "/v2/")
		return err
	})
}

func (p *publisher) crane(t *testing.T, args ...string) string {
	t.Helper()
	return strings.TrimSpace(execute(t, p.dir, nil, append([]string{filepath.Join(p.root, ".build/crane")}, args...)...))
}

// checkout clones the publisher's repository under this umask, and returns the clone's path.
func (p *publisher) checkout(t *testing.T, name, umask string) string {
	t.Helper()
	dir := filepath.Join(p.dir, name)
	execute(t, p.dir, nil, "sh", "-ec", "umask "+umask+"; git clone -q repository "+dir+"; mkdir "+dir+"/.build; cp -p "+p.root+"/.build/crane "+p.root+"/.build/cyclonedx-gomod "+dir+"/.build; touch "+dir+"/.build/*")
	return dir
}

// release runs `make release` in a folder.
func (p *publisher) release(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "release", "VERSION=v1.0.0", "REGISTRY=ghcr.io/Owner", "BASES=" + p.registry}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// documented returns the only block of commands in CHANGELOG.md that contains the words.
func (p *publisher) documented(t *testing.T, words string) []commands.Block {
	t.Helper()
	blocks := must.Get(commands.Read(p.root, "CHANGELOG.md"))(t)
	blocks = slices.DeleteFunc(blocks, func(b commands.Block) bool { return !b.Is("release") || !strings.Contains(b.Text, words) })
	if len(blocks) != 1 {
		t.Fatalf("%d commands say %q", len(blocks), words)
	}
	return blocks
}

// folder returns the content of each file in a folder, by the file's path.
func folder(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			found[path] = must.Read(t, filepath.Join(dir, path))
		}
		return err
	})
	must.OK(t, err)
	return found
}

// archived returns the content of each file in a tar archive, by the file's name. Every file in the archive must have the commit's time,
// belong to root, and be readable by everybody.
func archived(t *testing.T, archive string) map[string]string {
	t.Helper()
	day := must.Get(time.Parse(time.RFC3339, releasedOn))(t)
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
		if header.Typeflag == tar.TypeReg {
			found[header.Name] = string(must.Get(io.ReadAll(r))(t))
		}
	}
}

// index returns the digest of an OCI archive's image index, and the architectures of its images.
func index(t *testing.T, archive string) (digest string, architectures []string) {
	t.Helper()
	entries := archived(t, archive)
	var top struct {
		Manifests []struct {
			Digest      string
			Annotations map[string]string
		}
	}
	if err := json.Unmarshal([]byte(entries["index.json"]), &top); err != nil || len(top.Manifests) != 1 {
		t.Fatalf("index.json is %s: %v", entries["index.json"], err)
	}
	if name := top.Manifests[0].Annotations["org.opencontainers.image.ref.name"]; !strings.HasPrefix(name, "ghcr.io/owner/gb-") || !strings.HasSuffix(name, ":v1.0.0") {
		t.Errorf("the image is called %q", name)
	}
	digest = top.Manifests[0].Digest
	blob := entries["blobs/"+strings.Replace(digest, ":", "/", 1)]
	for _, match := range regexp.MustCompile(`"architecture":\s*"(\w+)"`).FindAllStringSubmatch(blob, -1) {
		architectures = append(architectures, match[1])
	}
	return digest, architectures
}
