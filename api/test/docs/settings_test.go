package docs

import (
	"strings"
	"testing"

	"guestbook/api/internal/settings"
	"guestbook/api/test/kit/must"
)

// docs/http.md contains the table of settings that "api -help" prints.
func TestSettings(t *testing.T) {
	var help strings.Builder
	must.OK(t, settings.Usage(&help))
	lines := strings.Split(strings.TrimSpace(help.String()), "\n")
	byDefault, meaning := strings.Index(lines[0], "DEFAULT"), strings.Index(lines[0], "MEANING")
	table := "| Variable | Default | Meaning |\n|---|---|---|\n"
	for _, line := range lines[1:] {
		value := strings.TrimSpace(line[byDefault:meaning])
		if value != "" {
			value = "`" + value + "`"
		}
		table += "| `" + strings.TrimSpace(line[:byDefault]) + "` | " + value + " | " + line[meaning:] + " |\n"
	}
	if !strings.Contains(texts(t)["docs/http.md"], table) {
		t.Errorf("docs/http.md has another table than api -help; it should be\n%s", table)
	}
}
