//go:build long

package contract

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"guestbook/api/test/kit/localpod"
	"guestbook/api/test/kit/must"
	"guestbook/api/test/kit/podtest"
)

// The API for linux/arm64 passes the contract tests. The emulator QEMU runs the API.
func TestContractOnARM64(t *testing.T) {
	emulator, err := exec.LookPath("qemu-aarch64-static")
	if err != nil {
		t.Fatal("this test needs qemu-user-static: run it with make test-long, which installs it")
	}
	dir := t.TempDir()
	for name, value := range map[string]string{"GOOS": "linux", "GOARCH": "arm64", "CGO_ENABLED": "0"} {
		t.Setenv(name, value)
	}
	must.OK(t, localpod.Build(t.Context(), filepath.Join(dir, "api"), "-trimpath", "-ldflags", "-s -w"))
	script := fmt.Sprintf("#!/bin/sh\nexec %s %s/api\n", emulator, dir)
	emulated := filepath.Join(dir, "emulated")
	must.OK(t, os.WriteFile(emulated, []byte(script), 0o755))
	pod, master := podtest.Pod(t, localpod.Options{APIBinary: emulated})
	podtest.Await(t, pod.Slave, pod.Synced)
	Run(t, pod.URL(), master)
}
