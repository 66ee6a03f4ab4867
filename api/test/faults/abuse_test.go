//go:build faults

package faults

var abuse = []fault{}
