package docs

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"guestbook/api/internal/settings"
	"guestbook/api/test/kit/must"
)

var update = flag.Bool("update", false, "write the table of docs/http.md")

// docs/http.md contains the table of settings that "api -help" prints. To update the table in docs/http.md, run
// "go test ./api/test/docs -run Settings -update".
func TestSettings(t *testing.T) {
	var help strings.Builder
	must.OK(t, settings.Usage(&help))
	lines := strings.Split(strings.TrimSpace(help.String()), "\n")
	// The columns of the table begin at the same positions as their titles in the first line.
	byDefault, meaning := strings.Index(lines[0], "DEFAULT"), strings.Index(lines[0], "MEANING")
	table := "| Variable | Default | Meaning |\n|---|---|---|\n"
	for _, line := range lines[1:] {
		value := strings.TrimSpace(line[byDefault:meaning])
		if value != "" {
			value = "`" + value + "`"
		}
		table += "| `" + strings.TrimSpace(line[:byDefault]) + "` | " + value + " | " + line[meaning:] + " |\n"
	}
	document := texts(t)["docs/http.md"]
	if strings.Contains(document, table) {
		return
	}
	if !*update {
		t.Fatalf("docs/http.md has another table than api -help; it should be\n%s", table)
	}
	document = regexp.MustCompile(`\| Variable .*\n(\|.*\n)+`).ReplaceAllLiteralString(document, table)
	must.OK(t, os.WriteFile(filepath.Join(must.Root(t), "docs", "http.md"), []byte(document), 0o644))
}
