//go:build !linux

package store

// Rest does nothing here: the kernel decides by itself what of the file stays in memory.
func (*Store) Rest() error { return nil }
