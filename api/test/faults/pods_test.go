//go:build faults

package faults

var podFaults = []fault{}
