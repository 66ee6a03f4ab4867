package server

import (
	"fmt"
	"unicode/utf8"
)

// appendJSONString appends s as a JSON string. Only what JSON forbids is changed, so that ordinary text keeps
// the bytes that guestbook.php wrote: quotes, backslashes and control characters are escaped, and each byte
// that is not UTF-8 becomes U+FFFD.
func appendJSONString[Text string | []byte](dst []byte, s Text) []byte {
	dst = append(dst, '"')
	done := 0 // how much of s is in dst
	for i := 0; i < len(s); {
		c, size := s[i], 1
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			var r rune
			if r, size = utf8.DecodeRuneInString(string(s[i:min(i+utf8.UTFMax, len(s))])); r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		dst = append(dst, s[done:i]...)
		switch {
		case c >= utf8.RuneSelf:
			dst = append(dst, "\uFFFD"...)
		case c == '"', c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, `\n`...)
		case c == '\t':
			dst = append(dst, `\t`...)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, c)
		}
		i += size
		done = i
	}
	return append(append(dst, s[done:]...), '"')
}
