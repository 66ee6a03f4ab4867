package server

import "encoding/json/jsontext"

// appendJSONString appends s as a JSON string. Only what JSON forbids is changed, so that ordinary text keeps
// the bytes that guestbook.php wrote: quotes, backslashes and control characters are escaped, and each byte
// that is not UTF-8 becomes U+FFFD.
func appendJSONString(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // its error says that a byte was not UTF-8
	return dst
}
