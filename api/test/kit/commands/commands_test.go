package commands

import (
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"guestbook/api/test/kit/must"
)

func TestRead(t *testing.T) {
	root := t.TempDir()
	text := "Do:\n\n```sh cluster\nkubectl get pods\n```\n\n```text\nNAME\n```\n\n* or\n\n  ```sh\n  a \\\n    b\n  ```\n\nIt is\n\n```text\nno output\n```\n"
	must.Write(t, filepath.Join(root, "a.md"), text)
	blocks := must.Get(Read(root, "a.md"))(t)
	want := []Block{
		{File: "a.md", Line: 3, Words: []string{"cluster"}, Text: "kubectl get pods\n", Output: "NAME\n"},
		{File: "a.md", Line: 13, Words: []string{}, Text: "a \\\n  b\n"},
	}
	if !reflect.DeepEqual(blocks, want) {
		t.Errorf("read\n%q, want\n%q", blocks, want)
	}
}

func TestPromises(t *testing.T) {
	for _, c := range []struct{ promised, said string }{
		{"hello", "hello\nmore\n"},
		{"HTTP/1.1 503", "HTTP/1.1 502"},
		{"NAME READY AGE\nfrontend-85984fdc78-drn9f 2/2 10s", "NAME      READY AGE\nfrontend-7f6b9d5c4-abcde   1/2   1m3s\n"},
		{"guestbook-default-deny created", "guestbook-default-denied created"},
		{"…12%/80%", "cpu: <unknown>/80%"},
	} {
		if regexp.MustCompile(Block{Output: c.promised}.promised() + `\z`).MatchString(c.said) {
			t.Errorf("%q matches %q", c.said, c.promised)
		}
	}
}
