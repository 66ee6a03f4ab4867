package docs

import (
	"regexp"
	"slices"
	"strings"
	"testing"

	"guestbook/api/internal/settings"
	"guestbook/api/test/kit/must"
)

// docs/http.md and openapi.json name the same paths, parameters and HTTP statuses.
func TestHTTP(t *testing.T) {
	description, document := must.Read(t, must.Root(t), "api/internal/server/openapi.json"), texts(t)["docs/http.md"]
	found := func(text, pattern string) (groups []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			groups = append(groups, match[1])
		}
		slices.Sort(groups)
		return slices.Compact(groups)
	}
	paths := found(description, `(?m)^ +"(/[^"{]*[^"{/])[^"]*": \{`)
	parameters := found(description, `"name": "([^"]+)",\s*"in": "(?:query|header)"`)
	if len(paths) < 8 || len(parameters) < 9 {
		t.Errorf("openapi.json has only the paths %q and the parameters %q", paths, parameters)
	}
	for _, name := range append(paths, parameters...) {
		if !regexp.MustCompile(regexp.QuoteMeta(name) + `\b`).MatchString(document) {
			t.Errorf("docs/http.md does not name %s", name)
		}
	}
	tables := strings.Join(found(document, `(?m)^(\|.*)$`), "\n")
	tables = regexp.MustCompile(`\d+ (KB|KiB|MiB)`).ReplaceAllString(tables, "")
	// The 500 in docs/http.md is a number of entries, not an HTTP status.
	named := slices.DeleteFunc(found(tables, `\b([2-5]\d\d)\b`), func(status string) bool { return status == "500" })
	described := append(found(description, `"([2-5]\d\d)":`), "405", "431")
	if slices.Sort(described); !slices.Equal(named, described) {
		t.Errorf("docs/http.md has the statuses %v, openapi.json %v", named, described)
	}
}

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
