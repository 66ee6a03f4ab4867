// Package guestbook is the domain: what a guestbook is, whatever keeps or serves it.
package guestbook

import "errors"

// ErrWrongType means that the key holds something else than a guestbook.
var ErrWrongType = errors.New("the key holds another type of data than text")
