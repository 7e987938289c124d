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

// view runs a read-only transaction. If the file is replaced meanwhile, it reads on in the old one.
func (s *Store) view(f func(tx *bolt.Tx) error) error {
	return guard(s.path, func() error {
		tx, err := s.beginReading()
		if err != nil {
			return err
		}
		defer func() { _ = tx.Rollback() }() // it has nothing to lose
		return f(tx)
	})
}

// beginReading begins a transaction on the file that is in place. Nobody can close that until it has begun.
func (s *Store) beginReading() (*bolt.Tx, error) {
	s.readers.RLock()
	defer s.readers.RUnlock()
	return s.db.Begin(false)
}

// update runs a read-write transaction.
func (s *Store) update(f func(tx *writeTx) error) error {
	s.writers.Lock()
	defer s.writers.Unlock()
	return guard(s.path, func() error {
		return s.db.Update(func(tx *bolt.Tx) error { return f(&writeTx{tx, s.touched}) })
	})
}
