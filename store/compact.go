package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

var (
	// ErrCompacting is that a compaction is under way already.
	ErrCompacting = errors.New("a compaction is under way")
	// ErrRoom is that there is too little room on the disk for a compaction.
	ErrRoom = errors.New("too little room on the disk")
)

// Compaction says what a compaction did.
type Compaction struct {
	// Before and After are the sizes of the file in bytes.
	Before, After int64
	// Took is how long it took, and Held for how long of that nobody could commit, at its end.
	Took, Held time.Duration
	// Meanwhile counts the keys that were written meanwhile and taken over afterwards.
	Meanwhile int
}

// Compact compacts the database at path, which no daemon uses. It is CompactBeside in a hurry.
func Compact(ctx context.Context, path string, progress func(done, of int64)) (Compaction, error) {
	if _, err := os.Stat(path); err != nil {
		return Compaction{}, fmt.Errorf("compact: %w", err) // Open would make one
	}
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return Compaction{}, err
	}
	done, err := s.compact(ctx, progress, 0)
	return done, errors.Join(err, s.Close())
}

// CompactBeside writes the database anew, without the room that deleted rows have left, and puts the new file in the
// place of the old one. Commits and reads go on meanwhile: they share the disk, but only for Held at the end nobody
// can commit. Who reads over the end reads on in the old file, whose room on the disk is free when the last of them is done.
//
// Progress, if it is not nil, is told how many bytes are copied, and of how many at most. There is one compaction at a
// time, for others it is ErrCompacting. With an error the database is as it was, but if the error says otherwise; Close
// ends a compaction with one.
func (s *Store) CompactBeside(ctx context.Context, progress func(done, of int64)) (Compaction, error) {
	return s.compact(ctx, progress, pauseBeside)
}

func (s *Store) compact(ctx context.Context, progress func(done, of int64), pause float64) (done Compaction, err error) {
	if !s.compacting.TryLock() {
		return done, fmt.Errorf("compact %s: %w", s.path, ErrCompacting)
	}
	defer s.compacting.Unlock()
	began := time.Now()
	c := &compaction{s: s, pause: pause, progress: progress}
	if err = c.begin(); err == nil {
		done.Before = s.Size()
		err = c.run(ctx)
	}
	if err != nil {
		return done, fmt.Errorf("compact %s: %w", s.path, err)
	}
	done.After, done.Took, done.Held, done.Meanwhile = s.Size(), time.Since(began), c.held, c.meanwhile
	return done, nil
}

// Room gives how large the database is, and how much of that is room that deleted rows have left, in bytes.
func (s *Store) Room() (size, free int64, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		stats, page := tx.DB().Stats(), int64(tx.DB().Info().PageSize)
		size = tx.Size()
		free = min(size, int64(stats.FreePageN+stats.PendingPageN)*page)
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("look at %s: %w", s.path, err)
	}
	return size, free, nil
}
