package php

import (
	"maps"
	"net/url"
	"strings"
	"testing"
)

// The conformance program tests how the values of parameters are parsed.
func TestParseQuery(t *testing.T) {
	text := func(s string) Value { return Value{Text: s} }
	array := Value{Array: true}
	for _, c := range []struct {
		name, query string
		want        Params
	}{
		{"a name without =", "cmd", Params{"cmd": text("")}},
		{"an empty name", "=x&cmd=get", Params{"cmd": text("get")}},
		{"empty pairs", "&&cmd=get&&", Params{"cmd": text("get")}},
		{"hexadecimal of both cases", "value=%c3%A9%E2%82%ac", Params{"value": text("é€")}},
		{"escaped brackets too", "cmd%5B%5D=set", Params{"cmd": array}},
		{"text after an array wins", "key[]=a&key=b", Params{"key": text("b")}},
		{"an array after text wins", "key=a&key[]=b", Params{"key": array}},
		{"rubbish after the bracket", "cmd[]x=set", Params{"cmd": array}},
		{"an unclosed bracket", "cmd[x=set&a.b[c.d=e", Params{"cmd_x": text("set"), "a_b_c_d": text("e")}},
		{"a bracket without a name", "[cmd]=set", Params{}},
		{"dots and spaces in names", "c.m%20d=x", Params{"c_m_d": text("x")}},
		{"leading spaces in names", "%20+cmd=get", Params{"cmd": text("get")}},
		{"names end at NUL", "cmd%00x=get", Params{"cmd": text("get")}},
		{"no more than max_input_vars", strings.Repeat("a=1&", 999) + "b=2&c=3", Params{"a": text("1"), "b": text("2")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := ParseQuery(c.query); !maps.Equal(got, c.want) {
				t.Errorf("ParseQuery(%.60q) = %v, want %v", c.query, got, c.want)
			}
		})
	}
}

// If a browser percent-encodes a text, ParseQuery returns the original text, even if other parameters precede the text.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"", "hi; there", "100%%20sure", "a%zz", "&#+\"\\\n", "😀", "\xff\x00", "cmd[]=x", "a.b[c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, value string) {
		params := ParseQuery(before + "&value=" + url.QueryEscape(value))
		if len(params) > maxVars {
			t.Errorf("%d parameters, at most %d", len(params), maxVars)
		}
		if got := params["value"]; strings.Count(before, "&") < maxVars-1 && got != (Value{Text: value}) {
			t.Errorf("value %q arrives as %+v", value, got)
		}
		for name, p := range params {
			if name == "" || strings.Contains(name, "\x00") || name[0] == ' ' {
				t.Errorf("PHP has no variable called %q", name)
			}
			if p.Array && p.Text != "" {
				t.Errorf("%q is an array with the text %q", name, p.Text)
			}
		}
	})
}
