package manifests

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
)

// releasedOn is the time of the released commit. The commit is years old, so that a test notices a file with today's date.
const releasedOn = "2021-02-03T04:05:06Z"

// execute runs a program and returns its standard output. If the program fails, execute ends the test.
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

// A publisher is a folder with a Git repository of one commit and an SSH key, and a registry with base images.
type publisher struct {
	dir, root, registry string
}

// newPublisher returns a publisher whose registry has each base image for the given platforms.
func newPublisher(t *testing.T, platforms ...string) publisher {
	t.Helper()
	root := must.Root(t)
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

// serve starts the registry of the publisher on a free port.
func (p *publisher) serve(t *testing.T) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(p.root, ".build/crane"), "registry", "serve", "--address", "127.0.0.1:0")
	stderr := must.Get(cmd.StderrPipe())(t)
	must.OK(t, cmd.Start())
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

// checkout clones the publisher's repository with the given umask, and returns the path of the clone.
func (p *publisher) checkout(t *testing.T, name, umask string) string {
	t.Helper()
	dir := filepath.Join(p.dir, name)
	execute(t, p.dir, nil, "sh", "-ec", "umask "+umask+"; git clone -q repository "+dir+"; mkdir "+dir+"/.build; cp -p "+p.root+"/.build/crane "+p.root+"/.build/cyclonedx-gomod "+dir+"/.build; touch "+dir+"/.build/*")
	return dir
}

// release runs `make release` in the folder dir, and returns the output.
func (p *publisher) release(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "make", append([]string{"-s", "release", "VERSION=v1.0.0", "REGISTRY=ghcr.io/Owner", "BASES=" + p.registry}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// documented returns the block of commands in CHANGELOG.md that contains the text words, and ends the test unless there is exactly one.
func (p *publisher) documented(t *testing.T, words string) []commands.Block {
	t.Helper()
	blocks := must.Get(commands.Read(p.root, "CHANGELOG.md"))(t)
	blocks = slices.DeleteFunc(blocks, func(b commands.Block) bool { return !b.Is("release") || !strings.Contains(b.Text, words) })
	if len(blocks) != 1 {
		t.Fatalf("%d commands say %q", len(blocks), words)
	}
	return blocks
}

// folder returns a map from the path of each file in a folder to the content of the file.
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

// archived returns a map from the name of each entry in a tar archive to the content of the entry. archived fails the test unless every
// entry has the commit's time, belongs to root, and is readable by everybody.
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
		content := must.Get(io.ReadAll(r))(t)
		found[header.Name] = string(content)
	}
}

// A reference is an OCI descriptor: the digest, the size and the platform of another document in the archive.
type reference struct {
	Digest      string
	Size        int64
	Platform    struct{ Architecture string }
	Annotations map[string]string
}

// An ociImage is the image for one platform in an OCI archive.
type ociImage struct {
	size   int64    // sum of the compressed layers, in bytes
	layers []string // content of the compressed layers
	config struct {
		Config struct {
			User            string
			Entrypoint, Cmd []string
			ExposedPorts    map[string]any
		}
	}
}

// ociImages returns the digest of the index in an OCI archive, and a map from each architecture to its image.
func ociImages(t *testing.T, archive string) (digest string, images map[string]ociImage) {
	t.Helper()
	entries := archived(t, archive)
	decode := func(ref reference, into any) {
		t.Helper()
		blob := entries["blobs/sha256/"+strings.TrimPrefix(ref.Digest, "sha256:")]
		if sum := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(blob))); sum != ref.Digest {
			t.Fatalf("the blob %s has the digest %s", ref.Digest, sum)
		}
		must.OK(t, json.Unmarshal([]byte(blob), into))
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

// unpacked returns a map from the name of each file in the image's last layer to the content of the file.
func (i ociImage) unpacked(t *testing.T) map[string]string {
	t.Helper()
	unzipped := must.Get(gzip.NewReader(strings.NewReader(i.layers[len(i.layers)-1])))(t)
	layer := must.Get(io.ReadAll(unzipped))(t)
	return archived(t, string(layer))
}
