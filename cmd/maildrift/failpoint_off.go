//go:build !failpoints

package main

// failpoint does nothing in the daemon that people run.
func failpoint(string) {}
