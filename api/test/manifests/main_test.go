package manifests

import (
	"os"
	"testing"

	"guestbook/api/test/kit/podtest"
)

func TestMain(m *testing.M) { os.Exit(podtest.Main(m)) }
