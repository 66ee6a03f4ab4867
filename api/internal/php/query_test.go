package php

import (
	"maps"
	"net/url"
	"strings"
	"testing"
)

func TestParseQuery(t *testing.T) {
	text := func(s string) Value { return Value{Text: s} }
	array := Value{Array: true}
	for _, c := range []struct {
		name, query string
		want        Params
	}{
		{"nothing", "", Params{}},
		{"one pair", "cmd=get", Params{"cmd": text("get")}},
		{"a name without =", "cmd", Params{"cmd": text("")}},
		{"an empty value", "value=", Params{"value": text("")}},
		{"= in a value", "value=a=b", Params{"value": text("a=b")}},
		{"an empty name", "=x&cmd=get", Params{"cmd": text("get")}},
		{"empty pairs", "&&cmd=get&&", Params{"cmd": text("get")}},
		{"; does not separate", "value=hi;%20there;key=x", Params{"value": text("hi; there;key=x")}},
		{"+ is a space", "value=a+b%2Bc", Params{"value": text("a b+c")}},
		{"%% stays", "value=100%%20sure", Params{"value": text("100% sure")}},
		{"a bad escape stays", "value=a%zz%4", Params{"value": text("a%zz%4")}},
		{"% at the end stays", "value=100%", Params{"value": text("100%")}},
		{"hexadecimal of both cases", "value=%c3%A9%E2%82%ac", Params{"value": text("é€")}},
		{"any byte", "value=%00%ff", Params{"value": text("\x00\xff")}},
		{"bytes that are not escaped", "value=\"é\xff", Params{"value": text("\"é\xff")}},
		{"the last wins", "key=a&key=b", Params{"key": text("b")}},
		{"brackets are an array", "cmd[]=set&key[a]=b&value[a][b]=c", Params{"cmd": array, "key": array, "value": array}},
		{"escaped brackets too", "cmd%5B%5D=set", Params{"cmd": array}},
		{"text after an array wins", "key[]=a&key=b", Params{"key": text("b")}},
		{"an array after text wins", "key=a&key[]=b", Params{"key": array}},
		{"rubbish after the bracket", "cmd[]x=set", Params{"cmd": array}},
		{"an unclosed bracket", "cmd[x=set&a.b[c.d=e", Params{"cmd_x": text("set"), "a_b_c_d": text("e")}},
		{"a bracket without a name", "[cmd]=set", Params{}},
		{"dots and spaces in names", "c.m%20d=x", Params{"c_m_d": text("x")}},
		{"leading spaces in names", "%20+cmd=get", Params{"cmd": text("get")}},
		{"names end at NUL", "cmd%00x=get", Params{"cmd": text("get")}},
		{"names are exact", "Cmd=get", Params{"Cmd": text("get")}},
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
