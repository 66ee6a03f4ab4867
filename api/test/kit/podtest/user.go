package podtest

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"guestbook/api/test/kit/localpod"
)

// UserFile is what the repository says about the API's Redis user.
func UserFile(t testing.TB) string {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "api", "redis-user.conf"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// User gives the arguments with which a redis-server knows the API's user by this password.
func User(t testing.TB, password string) []string {
	t.Helper()
	sum := sha256.Sum256([]byte(password))
	text := strings.ReplaceAll(UserFile(t), strings.Repeat("0", 2*len(sum)), hex.EncodeToString(sum[:]))
	file := filepath.Join(t.TempDir(), "redis-user.conf")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--include", file}
}
