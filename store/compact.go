package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// compactBatch is how many bytes one transaction of a compaction writes at most.
	compactBatch = 16 << 20
	// compactLook is how often it is looked how far a compaction has come.
	compactLook = 200 * time.Millisecond
)

// Compact writes a database that no daemon uses anew, without the room that deleted rows have left, and puts it in the
// place of the old one. It gives both sizes in bytes. Progress, if it is not nil, is told now and then how much is
// written, and of how much at most. With an error the old file is as it was.
func Compact(ctx context.Context, path string, progress func(done, of int64)) (before, after int64, err error) {
	if _, err := os.Stat(path); err != nil {
		return 0, 0, fmt.Errorf("compact: %w", err) // Open would make one
	}
	s, err := Open(ctx, path, Options{})
	if err != nil {
		return 0, 0, err
	}
	before = s.Size()
	fresh := path + ".compact"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, os.ErrNotExist) {
		return 0, 0, errors.Join(fmt.Errorf("compact %s: %w", path, err), s.Close())
	}
	stop := report(fresh, before, progress)
	err = s.writeTo(fresh)
	stop()
	err = errors.Join(err, s.Close())
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = os.Remove(fresh)
		return 0, 0, fmt.Errorf("compact %s: %w", path, err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return 0, 0, fmt.Errorf("compact %s: %w", path, err)
	}
	info, err := os.Stat(path)
	if err != nil {
		return 0, 0, fmt.Errorf("compact %s: %w", path, err)
	}
	return before, info.Size(), syncDir(filepath.Dir(path))
}

func (s *Store) writeTo(path string) error {
	dst, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		return err
	}
	err = guard(s.path, func() error { return bolt.Compact(dst, s.db, compactBatch) })
	return errors.Join(err, dst.Sync(), dst.Close())
}

// report tells how large a file has become until it is stopped.
func report(path string, of int64, progress func(done, of int64)) (stop func()) {
	if progress == nil {
		return func() {}
	}
	ended, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		tick := time.NewTicker(compactLook)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				if info, err := os.Stat(path); err == nil {
					progress(min(info.Size(), of), of)
				}
			}
		}
	}()
	return func() { close(ended); <-over }
}
