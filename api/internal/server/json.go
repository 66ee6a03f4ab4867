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
	for i := plainUntil(s, 0); i < len(s); i = plainUntil(s, i) {
		c, size := s[i], 1
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

// plainUntil finds the first byte from i on that may be another one in JSON: what is no ASCII, control characters,
// quotes and backslashes. It looks at eight at a time: the books are long.
func plainUntil[Text string | []byte](s Text, i int) int {
	const each, high = 0x0101010101010101, 0x8080808080808080
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		if (w|(w-each*' ')|((w^each*'"')-each)|((w^each*'\\')-each))&high != 0 {
			break
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' && s[i] < utf8.RuneSelf {
		i++
	}
	return i
}
