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
		tx, end, err := s.beginReading()
		if err != nil {
			return err
		}
		defer end()
		return f(tx)
	})
}

// beginReading begins a transaction on the file that is in place. Nobody can close that until it has ended.
func (s *Store) beginReading() (tx *bolt.Tx, end func(), err error) {
	s.readers.RLock()
	defer s.readers.RUnlock()
	if tx, err = s.db.Begin(false); err != nil {
		return nil, nil, err
	}
	reading := s.reading
	reading.Add(1)
	return tx, func() {
		_ = tx.Rollback() // it has nothing to lose
		reading.Done()
	}, nil
}

// update runs a read-write transaction.
func (s *Store) update(f func(tx *writeTx) error) error {
	s.writers.Lock()
	defer s.writers.Unlock()
	return guard(s.path, func() error {
		return s.db.Update(func(tx *bolt.Tx) error { return f(&writeTx{tx, s.touched}) })
	})
}
