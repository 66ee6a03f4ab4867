// Package limits reads the numbers that limit the guestbook from the files that set them: Go code, nginx.conf and the manifests.
package limits

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/must"
)

// figures maps the name of a limit to its value: a count, a number of bytes, or a number of nanoseconds. Limits have these names:
//
//	server.maxBodyBytes                   names a constant, or a field set to a constant, of package server, store, settings or main.
//	main.WithTimeout                      names the timeout of a context in main.go.
//	GOMEMLIMIT                            names an environment variable of the API's container.
//	nginx events worker_connections       names a directive of nginx.conf, after the blocks around the directive.
//	frontend api resources limits memory  names a number in the manifest of frontend, master, slave or scaler.
type figures map[string]int64

// read returns all limits that the repository's files set.
func read(t testing.TB) figures {
	t.Helper()
	f, root := figures{}, must.Root(t)
	for pkg, folder := range map[string]string{
		"main": "api", "server": "api/internal/server", "store": "api/internal/store", "settings": "api/internal/settings",
	} {
		f.constants(t, pkg, filepath.Join(root, folder))
	}
	f.nginx(must.Read(t, root, "nginx/nginx.conf"))
	for name, file := range map[string]string{
		"frontend": "frontend-deployment", "master": "redis-master-deployment", "slave": "redis-slave-deployment", "scaler": "frontend-hpa",
	} {
		var manifest any
		must.OK(t, yaml.Unmarshal([]byte(must.Read(t, root, "k8s", file+".yaml")), &manifest))
		f.manifest(name, manifest)
	}
	for name, figure := range f {
		if variable, ok := strings.CutPrefix(name, "frontend api env "); ok {
			f[strings.TrimSuffix(variable, " value")] = figure
		}
	}
	return f
}

// Figure returns the limit with this name, and fails the test if the limit does not exist.
func Figure(t testing.TB, name string) int64 {
	t.Helper()
	figure := read(t)[name]
	if figure == 0 {
		t.Fatalf("there is no figure %q", name)
	}
	return figure
}

// units maps the units in configuration files to their factors.
var units = map[string]int64{
	"": 1, "k": 1 << 10, "m": 1 << 20, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "MiB": 1 << 20, "mb": 1 << 20,
	"ms": int64(time.Millisecond), "s": int64(time.Second),
}

var quantity = regexp.MustCompile(`^([0-9]+)([a-zA-Z]*)$`)

// put adds a limit with this name if the text is a number, such as 5, 64k or 10s.
func (f figures) put(name, text string) {
	parts := quantity.FindStringSubmatch(text)
	if parts == nil {
		return
	}
	if unit, ok := units[parts[2]]; ok {
		n, _ := strconv.ParseInt(parts[1], 10, 64)
		f[name] = n * unit
	}
}

// constants adds each constant that a package's Go files define to the map f.
func (f figures) constants(t testing.TB, pkg, folder string) {
	t.Helper()
	var files []*ast.File
	positions, info := token.NewFileSet(), &types.Info{Types: map[ast.Expr]types.TypeAndValue{}}
	for _, file := range must.Get(filepath.Glob(filepath.Join(folder, "*.go")))(t) {
		if !strings.HasSuffix(file, "_test.go") {
			text := strings.NewReplacer("time.Second", "1_000_000_000", "time.Millisecond", "1_000_000").Replace(must.Read(t, file))
			files = append(files, must.Get(parser.ParseFile(positions, file, text, 0))(t))
		}
	}
	// The type checker computes constants even without imported packages, so its errors are ignored.
	config := types.Config{Error: func(error) {}}
	_, _ = config.Check(pkg, positions, files, info)
	put := func(name string, value ast.Expr) {
		if n, ok := constant.Int64Val(constant.ToInt(info.Types[value].Value)); ok {
			f[pkg+"."+name] = n
		}
	}
	for _, file := range files {
		for node := range ast.Preorder(file) {
			switch node := node.(type) {
			case *ast.ValueSpec:
				for i, value := range node.Values {
					put(node.Names[i].Name, value)
				}
			case *ast.KeyValueExpr:
				put(types.ExprString(node.Key), node.Value)
			case *ast.CallExpr:
				if types.ExprString(node.Fun) == "context.WithTimeout" {
					put("WithTimeout", node.Args[1])
				}
			}
		}
	}
}

var words = regexp.MustCompile(`"[^"]*"|'[^']*'|[{};]|#.*|[^\s{};"'#]+`)

func (f figures) nginx(text string) {
	blocks := []string{"nginx"}
	var directive []string
	for _, word := range words.FindAllString(text, -1) {
		switch {
		case strings.HasPrefix(word, "#"):
		case word == "{":
			blocks, directive = append(blocks, strings.Join(directive, " ")), nil
		case word == "}":
			blocks = blocks[:len(blocks)-1]
		case word == ";":
			name := directive[:1]
			if directive[0] == "limit_conn" {
				name = directive[:2] // one directive for each zone
			}
			f.put(strings.Join(append(blocks, name...), " "), directive[len(directive)-1])
			directive = nil
		default:
			directive = append(directive, word)
		}
	}
}

// manifest adds every number in a Kubernetes manifest to the map f. For example, the name "scaler maxReplicas" stands for the field
// spec.maxReplicas of the manifest "scaler".
func (f figures) manifest(name string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			f.manifest(name+" "+key, child)
		}
	case []any:
		for i, child := range node {
			item := fmt.Sprint(i)
			if o, ok := child.(map[string]any); ok && o["name"] != nil {
				item = fmt.Sprint(o["name"])
			}
			if setting, ok := strings.CutPrefix(fmt.Sprint(child), "--"); ok && i+1 < len(node) {
				pod, _, _ := strings.Cut(name, " ")
				f.put(pod+" "+setting, fmt.Sprint(node[i+1]))
			}
			f.manifest(name+" "+item, child)
		}
	default:
		f.put(strings.NewReplacer("spec template spec ", "", "spec ", "", "containers ", "", "initContainers ", "").Replace(name), fmt.Sprint(node))
	}
}
