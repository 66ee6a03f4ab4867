package docs

import (
	"os"
	"path/filepath"
	"testing"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/localpod"
)

func repository(t *testing.T) string {
	t.Helper()
	root, err := localpod.Root()
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// texts returns a map from the path of each document to its text.
func texts(t *testing.T) map[string]string {
	t.Helper()
	root := repository(t)
	files, err := commands.Documents(root)
	if err != nil {
		t.Fatal(err)
	}
	read := map[string]string{}
	for _, file := range files {
		content, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		read[file] = string(content)
	}
	return read
}
