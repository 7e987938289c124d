package store

import (
	"fmt"
	"runtime/debug"

	bolt "go.etcd.io/bbolt"
)

// guard turns a panic of bbolt, which it raises on pages that make no sense,
// and a fault on memory that its file no longer backs, into an error.
func guard(path string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %s: %v; restore a backup", ErrDamaged, path, p)
		}
	}()
	return f()
}

// view runs a read-only transaction.
func (s *Store) view(f func(tx *bolt.Tx) error) error {
	return guard(s.path, func() error { return s.db.View(f) })
}

// update runs a read-write transaction.
func (s *Store) update(f func(tx *bolt.Tx) error) error {
	return guard(s.path, func() error { return s.db.Update(f) })
}
