package php

import (
	"maps"
	"net/url"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	text := func(s string) Param { return Param{Text: s} }
	array := Param{Array: true}
	for _, c := range []struct {
		name, query string
		want        map[string]Param
	}{
		{"nothing", "", map[string]Param{}},
		{"one pair", "cmd=get", map[string]Param{"cmd": text("get")}},
		{"a name without =", "cmd", map[string]Param{"cmd": text("")}},
		{"an empty value", "value=", map[string]Param{"value": text("")}},
		{"= in a value", "value=a=b", map[string]Param{"value": text("a=b")}},
		{"an empty name", "=x&cmd=get", map[string]Param{"cmd": text("get")}},
		{"empty pairs", "&&cmd=get&&", map[string]Param{"cmd": text("get")}},
		{"; does not separate", "value=hi;%20there;key=x", map[string]Param{"value": text("hi; there;key=x")}},
		{"+ is a space", "value=a+b%2Bc", map[string]Param{"value": text("a b+c")}},
		{"%% stays", "value=100%%20sure", map[string]Param{"value": text("100% sure")}},
		{"a bad escape stays", "value=a%zz%4", map[string]Param{"value": text("a%zz%4")}},
		{"% at the end stays", "value=100%", map[string]Param{"value": text("100%")}},
		{"hexadecimal of both cases", "value=%c3%A9%E2%82%ac", map[string]Param{"value": text("é€")}},
		{"any byte", "value=%00%ff", map[string]Param{"value": text("\x00\xff")}},
		{"bytes that are not escaped", "value=\"é\xff", map[string]Param{"value": text("\"é\xff")}},
		{"the last wins", "key=a&key=b", map[string]Param{"key": text("b")}},
		{"brackets are an array", "cmd[]=set&key[a]=b&value[a][b]=c", map[string]Param{"cmd": array, "key": array, "value": array}},
		{"escaped brackets too", "cmd%5B%5D=set", map[string]Param{"cmd": array}},
		{"text after an array wins", "key[]=a&key=b", map[string]Param{"key": text("b")}},
		{"an array after text wins", "key=a&key[]=b", map[string]Param{"key": array}},
		{"rubbish after the bracket", "cmd[]x=set", map[string]Param{"cmd": array}},
		{"an unclosed bracket", "cmd[x=set&a.b[c.d=e", map[string]Param{"cmd_x": text("set"), "a_b_c_d": text("e")}},
		{"a bracket without a name", "[cmd]=set", map[string]Param{}},
		{"dots and spaces in names", "c.m%20d=x", map[string]Param{"c_m_d": text("x")}},
		{"leading spaces in names", "%20+cmd=get", map[string]Param{"cmd": text("get")}},
		{"names end at NUL", "cmd%00x=get", map[string]Param{"cmd": text("get")}},
		{"names are exact", "Cmd=get", map[string]Param{"Cmd": text("get")}},
		{"no more than max_input_vars", strings.Repeat("a=1&", 999) + "b=2&c=3", map[string]Param{"a": text("1"), "b": text("2")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			params := ParseQuery(c.query)
			got := map[string]Param{}
			for _, p := range params {
				last, ok := params.Get(p.Name)
				if !ok || last.Name != p.Name {
					t.Errorf("%q is not found", p.Name)
				}
				last.Name = ""
				got[p.Name] = last
			}
			if !maps.Equal(got, c.want) {
				t.Errorf("ParseQuery(%.60q) = %v, want %v", c.query, got, c.want)
			}
		})
	}
}

// If a browser percent-encodes a text, ParseQuery returns the original text, whatever parameters precede the text.
func FuzzParseQuery(f *testing.F) {
	for _, s := range []string{"", "hi; there", "100%%20sure", "a%zz", "&#+\"\\\n", "😀", "\xff\x00", "cmd[]=x", "a.b[c"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, before, value string) {
		params := ParseQuery(before + "&value=" + url.QueryEscape(value))
		if len(params) > maxVars {
			t.Errorf("%d parameters, at most %d", len(params), maxVars)
		}
		if got, _ := params.Get("value"); strings.Count(before, "&") < maxVars-1 && got != (Param{Name: "value", Text: value}) {
			t.Errorf("value %q arrives as %+v", value, got)
		}
		for _, p := range params {
			if p.Name == "" || strings.Contains(p.Name, "\x00") || p.Name[0] == ' ' {
				t.Errorf("PHP has no variable called %q", p.Name)
			}
			if p.Array && p.Text != "" {
				t.Errorf("%q is an array with the text %q", p.Name, p.Text)
			}
		}
	})
}
