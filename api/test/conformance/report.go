package main

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A result is the outcome of a row.
type result struct {
	profile, name, why string
	err                error // nil: the guestbook keeps it
	known              bool  // to fail
	asked              []string
	took               time.Duration
}

// red reports whether the outcome is not the expected one.
func (r result) red() bool { return (r.err != nil) != r.known }

// details tell, a line each, what was asked, what came and what was expected, and why it matters.
func (r result) details() (lines []string) {
	if r.err == nil {
		return []string{"came      what was expected; the list of -known says that it fails: take it off"}
	}
	lines = append(lines, r.asked...)
	if d := (*difference)(nil); errors.As(r.err, &d) {
		lines = append(lines, "came      "+d.came, "expected  "+d.expected)
	} else {
		lines = append(lines, "came      "+r.err.Error())
	}
	return append(lines, "matters   "+r.why)
}

// tryAll tries each row of the profiles that were found.
func (b *book) tryAll(known list) (results []result) {
	for _, g := range groups() {
		if !b.has(g.profile) || g.needs != "" && !b.has(g.needs) {
			continue
		}
		for _, row := range g.rows {
			start := time.Now()
			b.asked = nil
			r := result{profile: g.profile, name: row.name, why: g.why, err: row.keeps(b, row.request), known: slices.Contains(known, g.profile+"/"+row.name)}
			if r.err != nil {
				b.holds = nil
				for _, request := range b.asked {
					r.asked = append(r.asked, b.curl(request))
				}
				r.asked = slices.Compact(r.asked)
				r.asked = r.asked[max(0, len(r.asked)-3):]
			}
			r.took = time.Since(start)
			results = append(results, r)
		}
	}
	return results
}

type report struct {
	book    *book
	results []result
	all     bool
}

func (r report) code() int {
	if len(r.results) == 0 || slices.ContainsFunc(r.results, result.red) || !r.book.has("php") && !r.book.has("entries") {
		return 1
	}
	return 0
}

// table writes what a person reads: the profiles, and each row that failed.
func (r report) table(w io.Writer) {
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "PROFILE\tKEPT\tBROKEN\tKNOWN\tNOT TRIED, BECAUSE")
	for _, profile := range profiles {
		var kept, broken, known int
		for _, result := range r.results {
			switch {
			case result.profile != profile:
			case result.err == nil:
				kept++
			case result.known:
				known++
			default:
				broken++
			}
		}
		fmt.Fprintf(columns, "%s\t%d\t%d\t%d\t%s\n", profile, kept, broken, known, r.book.found[profile])
	}
	columns.Flush()
	for _, note := range r.book.notes {
		fmt.Fprintln(w, note)
	}
	for _, result := range r.results {
		switch {
		case result.err == nil && result.known:
			fmt.Fprintf(w, "\nPASSES  %s/%s\n", result.profile, result.name)
		case result.err == nil:
			if r.all {
				fmt.Fprintf(w, "ok      %s/%s\n", result.profile, result.name)
			}
			continue
		case result.known:
			fmt.Fprintf(w, "\nknown   %s/%s\n", result.profile, result.name)
		default:
			fmt.Fprintf(w, "\nBROKEN  %s/%s\n", result.profile, result.name)
		}
		fmt.Fprintln(w, "        "+strings.Join(result.details(), "\n        "))
	}
}

// tap writes the Test Anything Protocol, version 13.
func (r report) tap(w io.Writer) {
	fmt.Fprintf(w, "TAP version 13\n1..%d\n", len(r.results))
	for i, result := range r.results {
		ok, todo := "ok", ""
		if result.err != nil || result.known {
			ok = "not ok"
		}
		if result.known && result.err != nil {
			todo = " # TODO known"
		}
		fmt.Fprintf(w, "%s %d - %s/%s%s\n", ok, i+1, result.profile, result.name, todo)
		if ok == "not ok" {
			fmt.Fprintf(w, "  ---\n  details: |\n    %s\n  ...\n", strings.Join(result.details(), "\n    "))
		}
	}
}

// junit writes the XML that Jenkins, GitLab and others read.
func (r report) junit(w io.Writer) {
	type outcome struct {
		Text string `xml:",chardata"`
	}
	type testcase struct {
		Class   string   `xml:"classname,attr"`
		Name    string   `xml:"name,attr"`
		Seconds float64  `xml:"time,attr"`
		Failure *outcome `xml:"failure"`
		Skipped *outcome `xml:"skipped"`
	}
	var suite struct {
		XMLName xml.Name   `xml:"testsuite"`
		Name    string     `xml:"name,attr"`
		Tests   int        `xml:"tests,attr"`
		Cases   []testcase `xml:"testcase"`
	}
	suite.Name, suite.Tests = "conformance", len(r.results)
	for _, result := range r.results {
		c := testcase{Class: result.profile, Name: result.name, Seconds: result.took.Seconds()}
		if text := (outcome{strings.Join(result.details(), "\n")}); result.red() {
			c.Failure = &text
		} else if result.known {
			c.Skipped = &text
		}
		suite.Cases = append(suite.Cases, c)
	}
	text, _ := xml.MarshalIndent(suite, "", "\t") // it is made of texts and numbers only
	fmt.Fprintf(w, "%s%s\n", xml.Header, text)
}
