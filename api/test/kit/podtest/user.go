package podtest

import (
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"strings"
	"testing"

	"guestbook/api/test/kit/must"
)

// UserFile returns the text of api/redis-user.conf, which describes the API's Redis user.
func UserFile(t testing.TB) string {
	t.Helper()
	return must.Read(t, must.Root(t), "api", "redis-user.conf")
}

// User returns arguments of redis-server that create the API's Redis user with this password.
func User(t testing.TB, password string) []string {
	t.Helper()
	sum := sha256.Sum256([]byte(password))
	file := filepath.Join(t.TempDir(), "redis-user.conf")
	must.Write(t, file, strings.ReplaceAll(UserFile(t), strings.Repeat("0", 2*len(sum)), hex.EncodeToString(sum[:])))
	return []string{"--include", file}
}
