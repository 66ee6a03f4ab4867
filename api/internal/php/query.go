// Package php reads request parameters as PHP does. The clients of guestbook.php rely on that, because the stock page does not encode
// its parameters.
package php

import (
	"encoding/hex"
	"slices"
	"strings"
)

// maxVars is the number of parameters that are read, as PHP's max_input_vars. Further ones are ignored.
const maxVars = 1000

// Params holds the parameters of one request. The last of several with the same name counts.
type Params []Param

// Param is one parameter as it was set.
type Param struct {
	Name, Text string
	// Array reports that the name has brackets, as in "cmd[]=x". PHP makes an array of it, which equals no text. Text is empty then.
	Array bool
}

// Get returns the parameter of that name, and reports whether there is one.
func (ps Params) Get(name string) (_ Param, ok bool) {
	for _, p := range slices.Backward(ps) {
		if p.Name == name {
			return p, true
		}
	}
	return Param{}, false
}

// ParseQuery returns the parameters of s, a query or a form body, as PHP's parse_str does (main/php_variables.c:
// php_default_treat_data and php_register_variable_ex):
//
//   - only "&" separates; ";" is an ordinary character
//   - "+" is a space, a "%" without two hexadecimal digits stays as it is
//   - the last of several equal names counts
//   - in a name, leading spaces go, " " and "." become "_", and a NUL ends it
//   - "name[…]" is an array, but an unclosed "[" becomes "_"
//
// It returns no error, because PHP accepts every query.
func ParseQuery(s string) Params {
	params := make(Params, 0, 4)
	for vars := 0; s != "" && vars < maxVars; {
		var pair string
		pair, s, _ = strings.Cut(s, "&")
		if pair == "" {
			continue
		}
		vars++
		name, text, _ := strings.Cut(pair, "=")
		switch name, array := variableName(unescape(name)); {
		case name == "":
		case array:
			params = append(params, Param{Name: name, Array: true})
		default:
			params = append(params, Param{Name: name, Text: unescape(text)})
		}
	}
	return params
}

// variableName returns the name of the PHP variable that a parameter called name sets, and reports whether it is an array.
func variableName(name string) (_ string, array bool) {
	name = strings.TrimLeft(name, " ")
	name, _, _ = strings.Cut(name, "\x00")
	base, index, bracket := strings.Cut(name, "[")
	if bracket && base != "" && !strings.Contains(index, "]") {
		return mangle.Replace(name), false
	}
	return mangle.Replace(base), bracket
}

// mangle replaces the characters that the name of a PHP variable cannot have.
var mangle = strings.NewReplacer(" ", "_", ".", "_", "[", "_")

// unescape decodes "+" and "%XX". Every other byte stays as it is.
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
			var decoded [1]byte
			if _, err := hex.Decode(decoded[:], []byte(s[i+1:i+3])); err == nil {
				c = decoded[0]
				i += 2
			}
		}
		out.WriteByte(c)
	}
	return out.String()
}
