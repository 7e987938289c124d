package store

import (
	"fmt"

	bolt "go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// Rest takes the pages of the file out of the process's memory, where all that was read since the start stays mapped and
// counts as resident. They stay in the kernel's cache as long as it has room, and are mapped again when they are needed. It
// may be called at any time; those who read meanwhile notice nothing.
func (s *Store) Rest() error {
	return s.view(func(tx *bolt.Tx) error { // while it is read the file is not mapped anew at another place
		//nolint:gosec // a file's size is not negative
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, tx.DB().Info().Data, uintptr(tx.Size()), unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("let go of the pages of %s: %w", s.path, errno)
		}
		return nil
	})
}
