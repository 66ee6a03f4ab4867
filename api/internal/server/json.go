package server

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// appendJSONString appends s as a JSON string. Only what JSON forbids is changed, so that ordinary text keeps
// the bytes that guestbook.php wrote: quotes, backslashes and control characters are escaped, and each byte
// that is not UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	done := 0 // how much of s is in dst
	for i, r := range s {
		escaped := ""
		switch {
		case r > '\\' && r != utf8.RuneError: // most are
			continue
		case r == utf8.RuneError && !strings.HasPrefix(s[i:], "\uFFFD"):
			escaped = "\uFFFD"
		case r == '"', r == '\\':
			escaped = `\` + s[i:i+1]
		case r == '\n':
			escaped = `\n`
		case r == '\t':
			escaped = `\t`
		case r < ' ':
			escaped = fmt.Sprintf(`\u%04x`, r)
		default:
			continue
		}
		dst = append(append(dst, s[done:i]...), escaped...)
		done = i + 1
	}
	return append(append(dst, s[done:]...), '"')
}
