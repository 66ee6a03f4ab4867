//go:build !linux

package main

func scheduleInBatches() {}
