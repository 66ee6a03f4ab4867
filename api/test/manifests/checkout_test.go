package manifests

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"guestbook/api/test/kit/must"
)

// Without .gitattributes, a clone on Windows (core.autocrlf=true) would end lines with CR LF, which breaks shell scripts in images.
func TestACheckoutOnWindowsIsTheSame(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", append([]string{"-c", "user.name=test", "-c", "user.email=test@example.com"}, args...)...)
		cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL=/dev/null")
		must.Run(t, cmd)
	}
	original, checkout := filepath.Join(dir, "original"), filepath.Join(dir, "checkout")
	git("init", "-q", original)
	of := []string{"--git-dir", filepath.Join(original, ".git"), "--work-tree", must.Root(t)}
	git(append(of, "add", "-A")...)
	git(append(of, "commit", "-qm", "all files")...)
	git("-c", "core.autocrlf=true", "clone", "-q", original, checkout)
	must.OK(t, os.RemoveAll(filepath.Join(checkout, ".git")))

	files := folder(t, checkout)
	for name, text := range files {
		if text != must.Read(t, must.Root(t), name) {
			t.Errorf("%s has other bytes", name)
		}
	}
	if len(files) < 100 {
		t.Errorf("only %d files", len(files))
	}
}
