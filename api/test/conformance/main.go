// Command conformance tests whether the guestbook at a URL behaves as clients of the PHP guestbook expect. docs/http.md describes the
// report.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"text/template"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("conformance", flag.ContinueOnError)
	flags.SetOutput(stderr)
	base := flags.String("url", "http://127.0.0.1:8000", "where the guestbook is")
	key := flags.String("key", "", "the book to use, which is put back at the end (default a book of its own)")
	only := flags.String("profiles", "", "only these, even if asking does not find them (default those of "+strings.Join(profiles, ",")+" that are found)")
	skip := flags.String("skip", "", "profiles to leave out")
	format := flags.String("format", "table", "of the report: table or junit")
	all := flags.Bool("v", false, "the table also has the rows that pass")
	timeout := flags.Duration("timeout", 2*time.Minute, "for the whole run")
	var known list
	flags.Func("known", "a `file` of rows that are known to fail, each as profile/row", known.read)
	if flags.Parse(args) != nil {
		return 2
	}
	u, err := url.Parse(strings.TrimSuffix(*base, "/"))
	form, badFormat := template.ParseFS(templates, *format+".tmpl")
	if err != nil || u.Host == "" || flags.NArg() > 0 || badFormat != nil {
		fmt.Fprintf(stderr, "conformance: cannot read %q: use -url http://HOST:PORT, and -format table or junit\n", args)
		return 2
	}
	if unknown := known.unknown(); len(unknown) > 0 {
		fmt.Fprintf(stderr, "conformance: there are no rows %q: take them off the list\n", unknown)
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	b := &book{ctx: ctx, base: u, key: cmp.Or(*key, "conformance-"+unique()), found: map[string]string{}, left: map[string]bool{}, past: map[string]bool{"": true}}
	if err := b.ask(); err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 2
	}
	for _, profile := range profiles {
		wanted := *only == "" || slices.Contains(strings.Split(*only, ","), profile)
		if b.left[profile] = !wanted || slices.Contains(strings.Split(*skip, ","), profile); *only != "" && wanted {
			b.found[profile] = ""
		}
	}
	report := report{b, b.tryAll(known), *all}
	b.ctx = context.WithoutCancel(ctx)
	if err := errors.Join(form.Execute(stdout, report), b.restore()); err != nil {
		fmt.Fprintln(stderr, "conformance:", err)
		return 1
	}
	return report.Code()
}

// A list contains the test cases that may fail, such as "php/bytes of get".
type list []string

// read adds the test cases in a file to the list, one from each line. In a file of test cases, "@FILE" includes the file FILE, and "!NAME"
// removes the test case NAME.
func (l *list) read(file string) error {
	text, err := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		line = strings.TrimSpace(line)
		if other, ok := strings.CutPrefix(line, "@"); ok {
			err = errors.Join(err, l.read(filepath.Join(filepath.Dir(file), other)))
		} else if row, ok := strings.CutPrefix(line, "!"); ok {
			*l = slices.DeleteFunc(*l, func(name string) bool { return name == row })
		} else if line != "" {
			*l = append(*l, line)
		}
	}
	return err
}

// unknown returns the names in the list that belong to no test case.
func (l list) unknown() []string {
	l = slices.Clone(l)
	for _, g := range groups() {
		for _, r := range g.rows {
			l = slices.DeleteFunc(l, func(name string) bool { return name == g.profile+"/"+r.name })
		}
	}
	return l
}
