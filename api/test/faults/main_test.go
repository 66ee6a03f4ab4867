//go:build faults

package faults

import (
	"os"
	"testing"

	"github.com/rs/zerolog"

	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) {
	zerolog.SetGlobalLevel(zerolog.Disabled) // silences toxiproxy, which logs by zerolog
	os.Exit(podtest.Main(m))
}
