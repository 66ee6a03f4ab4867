// Package limits reads the numbers that limit the guestbook from the files that set them: Go code, nginx.conf and the manifests.
package limits

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"guestbook/api/test/kit/localpod"
)

// Figures maps the name of a limit to its value: a count, a number of bytes, or a number of nanoseconds. Limits have these names:
//
//	server.maxBodyBytes                   names a constant, or a field set to a constant, of package server, store, settings or main.
//	main.WithTimeout                      names the timeout of a context in main.go.
//	GOMEMLIMIT                            names an environment variable of the API's container.
//	nginx events worker_connections       names a directive of nginx.conf, after the blocks around the directive.
//	frontend api resources limits memory  names a number in the manifest of frontend, master, slave or scaler.
type Figures map[string]int64

// Files maps the path of a file to its text.
type Files map[string]string

// Read returns all limits that the repository's files set. If the map "changed" has a text for a file, this text replaces the file.
func Read(changed Files) (Figures, error) {
	root, err := localpod.Root()
	if err != nil {
		return nil, err
	}
	f := Figures{}
	read := func(name string) string {
		if text, ok := changed[name]; ok {
			return text
		}
		text, readErr := os.ReadFile(filepath.Join(root, name))
		err = errors.Join(err, readErr)
		return string(text)
	}
	for _, pkg := range []string{"server", "store", "settings"} {
		names, globErr := filepath.Glob(filepath.Join(root, "api/internal", pkg, "*.go"))
		err = errors.Join(err, globErr)
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				err = errors.Join(err, f.constants(pkg, read("api/internal/"+pkg+"/"+filepath.Base(name))))
			}
		}
	}
	err = errors.Join(err, f.constants("main", read("api/main.go")))
	f.nginx(read("nginx/nginx.conf"))
	for name, file := range map[string]string{
		"frontend": "frontend-deployment", "master": "redis-master-deployment", "slave": "redis-slave-deployment", "scaler": "frontend-hpa",
	} {
		err = errors.Join(err, f.manifest(name, read("k8s/"+file+".yaml")))
	}
	for name, figure := range f {
		if variable, ok := strings.CutPrefix(name, "frontend api env "); ok {
			f[strings.TrimSuffix(variable, " value")] = figure
		}
	}
	return f, err
}

// Figure returns the limit with this name. If no limit has this name, the test ends.
func Figure(t testing.TB, name string) int64 {
	t.Helper()
	figures, err := Read(nil)
	if err != nil || figures[name] == 0 {
		t.Fatalf("there is no figure %q: %v", name, err)
	}
	return figures[name]
}

// units maps the units in configuration files and Go code to their factors.
var units = map[string]int64{
	"": 1, "k": 1 << 10, "m": 1 << 20, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "MiB": 1 << 20, "mb": 1 << 20,
	"ms": int64(time.Millisecond), "s": int64(time.Second),
}

var quantity = regexp.MustCompile(`^([0-9]+)([a-zA-Z]*)$`)

// put adds a limit with this name if the text is a number, such as 5, 64k or 10s.
func (f Figures) put(name, text string) {
	parts := quantity.FindStringSubmatch(text)
	if parts == nil {
		return
	}
	if unit, ok := units[parts[2]]; ok {
		n, _ := strconv.ParseInt(parts[1], 10, 64)
		f[name] = n * unit
	}
}

// constants adds the numbers in a Go file: constants, constant values of fields, and timeouts of contexts.
func (f Figures) constants(pkg, text string) error {
	file, err := parser.ParseFile(token.NewFileSet(), pkg, text, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.ValueSpec:
			for i, name := range node.Names {
				if i < len(node.Values) {
					f.putExpression(pkg, name.Name, node.Values[i])
				}
			}
		case *ast.KeyValueExpr:
			if name, ok := node.Key.(*ast.Ident); ok {
				f.putExpression(pkg, name.Name, node.Value)
			}
		case *ast.CallExpr:
			if call, ok := node.Fun.(*ast.SelectorExpr); ok && call.Sel.Name == "WithTimeout" {
				f.putExpression(pkg, call.Sel.Name, node.Args[len(node.Args)-1])
			}
		}
		return true
	})
	return nil
}

func (f Figures) putExpression(pkg, name string, e ast.Expr) {
	if n, ok := f.value(pkg, e); ok {
		f[pkg+"."+name] = n
	}
}

func (f Figures) value(pkg string, e ast.Expr) (int64, bool) {
	switch e := e.(type) {
	case *ast.BasicLit:
		n, err := strconv.ParseInt(e.Value, 0, 64)
		return n, err == nil
	case *ast.Ident:
		n, ok := f[pkg+"."+e.Name]
		return n, ok
	case *ast.SelectorExpr:
		n, ok := map[string]time.Duration{"Second": time.Second, "Millisecond": time.Millisecond}[e.Sel.Name]
		return int64(n), ok
	case *ast.BinaryExpr:
		x, okX := f.value(pkg, e.X)
		y, okY := f.value(pkg, e.Y)
		switch e.Op {
		case token.MUL:
			return x * y, okX && okY
		case token.SHL:
			return x << y, okX && okY
		}
	}
	return 0, false
}

var words = regexp.MustCompile(`"[^"]*"|'[^']*'|[{};]|#.*|[^\s{};"'#]+`)

func (f Figures) nginx(text string) {
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
			f.put(strings.Join(append(blocks, directive[0]), " "), directive[len(directive)-1])
			directive = nil
		default:
			directive = append(directive, word)
		}
	}
}

// manifest adds every number in a Kubernetes manifest. For example, the name "scaler maxReplicas" stands for the field spec.maxReplicas of
// the manifest "scaler".
func (f Figures) manifest(name, text string) error {
	var document any
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return err
	}
	f.flatten(name, document)
	return nil
}

func (f Figures) flatten(name string, node any) {
	switch node := node.(type) {
	case map[string]any:
		for key, child := range node {
			f.flatten(name+" "+key, child)
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
			f.flatten(name+" "+item, child)
		}
	default:
		f.put(strings.NewReplacer("spec template spec ", "", "spec ", "", "containers ", "", "initContainers ", "").Replace(name), fmt.Sprint(node))
	}
}
