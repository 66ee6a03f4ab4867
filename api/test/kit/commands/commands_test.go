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
	for _, c := range []struct {
		promised, said string
		kept           bool
	}{
		{"hello", "hello\n", true},
		{"hello", "hello\nmore\n", false},
		{"hello\n…", "hello\nmore\n", true},
		{"…\nlast", "one\ntwo\nlast\n", true},
		{"…\nlast", "last\n", true},
		{"a…d", "abcd", true},
		{"HTTP/1.1 503", "HTTP/1.1 502", false},
		{"NAME READY AGE\nfrontend-85984fdc78-drn9f 2/2 10s", "NAME      READY AGE\nfrontend-7f6b9d5c4-abcde   2/2   1m3s\n", true},
		{"NAME READY AGE\nfrontend-85984fdc78-drn9f 2/2 10s", "NAME      READY AGE\nfrontend-7f6b9d5c4-abcde   1/2   1m3s\n", false},
		{"guestbook-default-deny created", "guestbook-default-denied created", false},
		{"cpu: 12%/80%", "cpu: 7%/80%", true},
		{"…12%/80%", "cpu: <unknown>/80%", false},
	} {
		if kept := regexp.MustCompile(promises(c.promised, aside) + `\z`).MatchString(c.said); kept != c.kept {
			t.Errorf("promised %q, said %q: %v, want %v", c.promised, c.said, kept, c.kept)
		}
	}
}

func TestFiguresAreAside(t *testing.T) {
	b := Block{Words: []string{"figures"}, Output: "  3 X-Answered-By: frontend-85984fdc78-drn9f …\n…\n"}
	const said = "      12 X-Answered-By: frontend-9998854d-kn5nt v1\r\n"
	if !regexp.MustCompile(b.promised() + `\z`).MatchString(said) {
		t.Errorf("%q is not what %q promises", said, b.Output)
	}
}
