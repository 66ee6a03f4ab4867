// Package php parses request parameters as PHP does. The PHP guestbook's page sends its parameters without percent-encoding, so the API
// must parse them by the rules of PHP.
package php

import (
	"encoding/hex"
	"strings"
)

// maxVars is the greatest number of parameters that ParseQuery returns, as many as the default of PHP's setting max_input_vars.
const maxVars = 1000

// Params maps the name of each parameter of a request to the parameter's value.
type Params map[string]Value

// Value is the value of a request parameter.
type Value struct {
	Text string
	// Array is true if the parameter's name has brackets, as in "cmd[]=x". PHP stores a parameter such as "cmd[]=x" as an array, which is
	// never equal to a string. The field Text is empty if the field Array is true.
	Array bool
}

// ParseQuery returns the parameters of a URL's query or of a form body. ParseQuery follows PHP's parse_str (main/php_variables.c:
// php_default_treat_data and php_register_variable_ex):
//
//   - Only "&" separates parameters. A ";" is an ordinary character.
//   - "+" is a space, and a "%" without two hexadecimal digits stays unchanged.
//   - If several parameters have the same name, only the last of them is used.
//   - In a name, leading spaces are removed, later spaces and dots become "_", and a NUL ends the name.
//   - "name[…]" is an array, but a "[" without a "]" becomes "_".
//   - Parameters without a name, and parameters after the first maxVars, are ignored.
//
// ParseQuery returns no error, because PHP accepts every query.
func ParseQuery(s string) Params {
	params := Params{}
	for vars := 0; s != "" && vars < maxVars; vars++ {
		var pair string
		pair, s, _ = strings.Cut(strings.TrimLeft(s, "&"), "&")
		name, text, _ := strings.Cut(pair, "=")
		switch name, array := variableName(unescape(name)); {
		case name == "":
		case array:
			params[name] = Value{Array: true}
		default:
			params[name] = Value{Text: unescape(text)}
		}
	}
	return params
}

// variableName returns the name of the PHP variable that a parameter sets, and reports whether the variable is an array. The argument
// "name" is the parameter's name without percent-encoding. The returned name ends before the brackets of an array, and is "" if PHP ignores
// the parameter.
func variableName(name string) (_ string, array bool) {
	name = strings.TrimLeft(name, " ")
	name, _, _ = strings.Cut(name, "\x00")
	base, index, bracket := strings.Cut(name, "[")
	if bracket && base != "" && !strings.Contains(index, "]") {
		return mangle.Replace(name), false
	}
	return mangle.Replace(base), bracket
}

// mangle writes "_" in place of each character that the name of a PHP variable cannot contain.
var mangle = strings.NewReplacer(" ", "_", ".", "_", "[", "_")

// unescape decodes each "+" to a space, and each "%" with two hexadecimal digits to a byte. Any other "%" stays unchanged.
func unescape(s string) string {
	if !strings.ContainsAny(s, "+%") {
		return s
	}
	var out strings.Builder
	out.Grow(len(s))
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '+':
			c = ' '
		case c == '%' && i+2 < len(s):
			if decoded, err := hex.DecodeString(s[i+1 : i+3]); err == nil {
				c = decoded[0]
				i += 2
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}
