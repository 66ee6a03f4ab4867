package manifests

import (
	"bytes"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"guestbook/api/test/kit/must"
)

// Without .gitattributes, a clone on Windows (core.autocrlf=true) would end lines with CR LF, which breaks shell scripts in images.
func TestACheckoutOnWindowsIsTheSame(t *testing.T) {
	root := must.Root(t)
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		must.Run(t, cmd)
	}
	original, checkout := filepath.Join(dir, "original"), filepath.Join(dir, "checkout")
	git("init", "-q", original)
	of := []string{"--git-dir", filepath.Join(original, ".git"), "--work-tree", root}
	git(append(of, "add", "-A")...)
	git(append(of, "commit", "-qm", "all files")...)
	git("-c", "core.autocrlf=true", "clone", "-q", original, checkout)

	files := 0
	err := filepath.WalkDir(checkout, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if entry.Name() == ".git" {
				return fs.SkipDir
			}
			return err
		}
		files++
		name, _ := filepath.Rel(checkout, path)
		got, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		if want, err := os.ReadFile(filepath.Join(root, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s has other bytes (%v)", name, err)
		}
		return nil
	})
	if err != nil || files < 100 {
		t.Errorf("%d files, %v", files, err)
	}
}
