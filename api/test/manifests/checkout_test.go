package manifests

import (
	"os"
	"path/filepath"
	"testing"

	"guestbook/api/test/kit/must"
)

// Because of .gitattributes, Git ends lines with LF even on Windows. Shell scripts with CR LF would not run.
func TestACheckoutOnWindowsIsTheSame(t *testing.T) {
	dir := t.TempDir()
	commit(t, filepath.Join(dir, "original"))
	execute(t, dir, []string{"GIT_CONFIG_GLOBAL=/dev/null"}, "git", "-c", "core.autocrlf=true", "clone", "-q", "original", "checkout")
	must.OK(t, os.RemoveAll(filepath.Join(dir, "checkout", ".git")))
	files := folder(t, filepath.Join(dir, "checkout"))
	for name, text := range files {
		if text != must.Read(t, must.Root(t), name) {
			t.Errorf("%s has other bytes", name)
		}
	}
	if len(files) < 100 {
		t.Errorf("only %d files", len(files))
	}
}
