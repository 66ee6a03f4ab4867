package docs

import (
	"testing"

	"guestbook/api/test/kit/commands"
	"guestbook/api/test/kit/must"
)

func texts(t *testing.T) map[string]string {
	t.Helper()
	read := map[string]string{}
	for _, file := range must.Get(commands.Documents(must.Root(t)))(t) {
		read[file] = must.Read(t, must.Root(t), file)
	}
	return read
}
