package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
)

// What can be wrong with a database file, for errors.Is.
var (
	// ErrLocked is that another process uses it.
	ErrLocked = errors.New("database in use")
	// ErrForeign is that it is not maildrift's.
	ErrForeign = errors.New("not a maildrift database")
	// ErrDamaged is that part of it is missing or overwritten.
	ErrDamaged = errors.New("damaged database")
	// ErrMissing is that there was one, and it is gone.
	ErrMissing = errors.New("database missing")
	// ErrNewer is that a newer maildrift wrote it.
	ErrNewer = errors.New("database of a newer maildrift")
	// ErrOlder is that an older maildrift wrote it, and it may not be written now.
	ErrOlder = errors.New("database of an older maildrift")
)

// The header of a bbolt meta page: after 16 bytes of page header come magic,
// version, page size, flags, root bucket, freelist, high-water mark, transaction and checksum.
const (
	boltMagic   = 0xED0CDAED
	boltVersion = 2
	metaOffset  = 16
	metaSize    = 64
)

func newID() string { return rand.Text() }

// inspect looks at a file before it is mapped into memory. A file cut short
// would end the process with a fault that cannot be caught; a file of zero length would be
// taken for a new database and all history be silently gone.
func inspect(path string, o Options) error {
	info, err := os.Stat(path)
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(path + ".id"); err == nil && !o.Init {
			return fmt.Errorf("%w: %s is gone although it existed (%s.id remembers it); restore a backup, or start with --init to begin with empty history", ErrMissing, path, path)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	switch {
	case info.IsDir():
		return fmt.Errorf("%w: %s is a directory", ErrForeign, path)
	case info.Size() == 0:
		return fmt.Errorf("%w: %s is empty; restore a backup, or move it away and start with --init", ErrDamaged, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("look at the database: %w", err)
	}
	defer f.Close()
	head := make([]byte, metaOffset+metaSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		return fmt.Errorf("%w: %s is only %d bytes long", ErrForeign, path, info.Size())
	}
	size := int64(binary.LittleEndian.Uint32(head[metaOffset+8:]))
	metas := [][]byte{head[metaOffset:]}
	if size < 512 || size > 1<<16 {
		size = int64(os.Getpagesize())
	}
	second := make([]byte, metaOffset+metaSize)
	if _, err := f.ReadAt(second, size); err == nil {
		metas = append(metas, second[metaOffset:])
	}
	return judgeMetas(path, info.Size(), metas)
}

// judgeMetas holds the file's length against the newest valid meta page.
func judgeMetas(path string, length int64, metas [][]byte) error {
	var newest uint64
	var want int64
	magic, valid := false, false
	for _, m := range metas {
		magic = magic || binary.LittleEndian.Uint32(m) == boltMagic
		if !validMeta(m) {
			continue
		}
		txid := binary.LittleEndian.Uint64(m[48:])
		if !valid || txid > newest {
			newest = txid
			want = int64(binary.LittleEndian.Uint64(m[40:])) * int64(binary.LittleEndian.Uint32(m[8:]))
		}
		valid = true
	}
	switch {
	case !magic:
		return fmt.Errorf("%w: %s; name another data directory, it will not be overwritten", ErrForeign, path)
	case !valid:
		return fmt.Errorf("%w: both headers of %s are broken; restore a backup", ErrDamaged, path)
	case length < want:
		return fmt.Errorf("%w: %s is %d bytes long but should have at least %d: it was cut short; restore a backup", ErrDamaged, path, length, want)
	}
	return nil
}

func validMeta(m []byte) bool {
	if binary.LittleEndian.Uint32(m) != boltMagic || binary.LittleEndian.Uint32(m[4:]) != boltVersion {
		return false
	}
	sum := fnv.New64a()
	_, _ = sum.Write(m[:56])
	return sum.Sum64() == binary.LittleEndian.Uint64(m[56:])
}
