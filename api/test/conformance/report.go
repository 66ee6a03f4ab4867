package main

import (
	"embed"
	"errors"
	"slices"
	"time"
)

// templates holds a template for each value of the option -format: "table" for people, "junit" for programs.
//
//go:embed *.tmpl
var templates embed.FS

type result struct {
	Profile, Name, Why string
	Err                error
	Known              bool
	Asked              []string
	Seconds            float64
}

func (r result) Outcome() string {
	switch {
	case r.Known && r.Err != nil:
		return "known"
	case r.Known:
		return "PASSES"
	case r.Err != nil:
		return "BROKEN"
	}
	return "kept"
}

// Details returns what the report prints below the name of a test case: the requests, the answer, the expected answer and the reason.
func (r result) Details() []string {
	if r.Err == nil {
		return []string{"came      what was expected: take the row off the list of -known"}
	}
	came := []string{"came      " + r.Err.Error()}
	if d := (*difference)(nil); errors.As(r.Err, &d) {
		came = []string{"came      " + d.came, "expected  " + d.expected}
	}
	return slices.Concat(r.Asked, came, []string{"matters   " + r.Why})
}

// tryAll runs the test cases of each profile that the server supports and the user has not excluded.
func (b *book) tryAll(known list) (results []result) {
	for _, g := range groups() {
		if b.left[g.profile] || !b.has(g.profile) || g.needs != "" && !b.has(g.needs) {
			continue
		}
		for _, row := range g.rows {
			start := time.Now()
			b.asked = nil
			err := row.keeps(b, row.request)
			r := result{g.profile, row.name, g.why, err, slices.Contains(known, g.profile+"/"+row.name), nil, time.Since(start).Seconds()}
			if err != nil {
				b.holds = nil
				for _, request := range b.asked {
					r.Asked = append(r.Asked, b.curl(request))
				}
				r.Asked = slices.Compact(r.Asked)
				r.Asked = r.Asked[max(0, len(r.Asked)-3):]
			}
			results = append(results, r)
		}
	}
	return results
}

type report struct {
	*book
	Results []result
	Verbose bool
}

func (r report) Code() int {
	if !r.has("php") && !r.has("entries") || r.Count("", "BROKEN")+r.Count("", "PASSES") > 0 || len(r.Results) == 0 {
		return 1
	}
	return 0
}

// Count returns the number of a profile's test cases with this outcome. The profile "" stands for all profiles.
func (r report) Count(profile, outcome string) (n int) {
	for _, result := range r.Results {
		if result.Outcome() == outcome && (profile == "" || profile == result.Profile) {
			n++
		}
	}
	return n
}

// Missing returns the reason why no test case of this profile ran, or "" if its test cases ran.
func (r report) Missing(profile string) string {
	if r.left[profile] {
		return "it is left out"
	}
	return r.found[profile]
}

func (r report) Profiles() []string { return profiles }
