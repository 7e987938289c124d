package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
)

const (
	// compactBatch is how many bytes are read and written at a time. Each batch is on the disk before the next is read, so
	// that a commit beside it finds no more than that before it in the disk's queue; and no page of the old file is kept
	// from being used again for longer than a batch is read.
	compactBatch = 2 << 20
	// pauseBeside is how many times as long as a batch took the disk is then left to those who commit.
	pauseBeside = 1
	// catchUpKeys are that many: they are taken over at a time, and when so many have been written since the last time.
	catchUpKeys = 4000
	// heldKeys is how few keys must be left for holding up those who commit while they are taken over, and
	// catchUpRounds after how many attempts to get there they are held up in any case.
	heldKeys      = 200
	catchUpRounds = 10
	// restEvery is how many bytes are copied until the process lets go of the pages that they were in.
	restEvery = 64 << 20
	// giveBackPiece is how many bytes of the old file are freed at a time, and giveBackPause how long the file system has then
	// for what others want of it.
	giveBackPiece = 8 << 20
	giveBackPause = 10 * time.Millisecond
	// roomBeside is how many bytes of the disk a compaction leaves to those who commit.
	roomBeside = 64 << 20
)

// errClosed is that the database was closed meanwhile.
var errClosed = errors.New("the database is being closed")

// compaction writes a database anew.
//
// It copies key after key in short transactions, while others write. What they write may or may not be in the copy then,
// so the keys are noted, from before the first is copied, and looked up again afterwards: what is there now is written to the
// copy, and what is not is deleted from it. That is done until few are left, and with those while nobody can write.
// Then the copy says what the original says, whatever happened in between and however often a key was looked up.
type compaction struct {
	s *Store
	// real is where the database is if its path is a symbolic link; path is that of the copy, to the copy, nil when it
	// is in place.
	real, path string
	to         *bolt.DB
	pause      float64
	progress   func(done, of int64)
	// used is about how many bytes there are to copy, copied how many are, and rested how many were when the pages were let go.
	used, copied, rested int64
	meanwhile            int
	held                 time.Duration
	// memory is that of a batch's keys and values, and batch what is written next.
	memory []byte
	batch  []change
}

// change is a value that a key is to have in the copy; gone that it is not to be there.
type change struct {
	place
	v    []byte
	gone bool
}

// begin makes an empty file beside the database and has noted from now on what is written.
func (c *compaction) begin() (err error) {
	s := c.s
	if s.closed.Load() {
		return errClosed
	}
	if s.db.IsReadOnly() {
		return bolterrors.ErrDatabaseReadOnly
	}
	if c.real, c.path, err = copyOf(s.path); err != nil {
		return err
	}
	size, free, err := s.Room()
	if err != nil {
		return err
	}
	c.used = size - free
	if err := needRoom(filepath.Dir(c.real), c.used+roomBeside); err != nil {
		return err
	}
	if err := removeIfThere(c.path); err != nil {
		return err
	}
	if err := c.create(); err != nil {
		_ = os.Remove(c.path)
		return err
	}
	s.writers.Lock()
	s.touched = newTouched()
	s.writers.Unlock()
	return nil
}

// copyOf gives where a database is, if its path is a symbolic link, and where its copy is made: on the same disk.
func copyOf(path string) (where, beside string, err error) {
	where, err = filepath.EvalSymlinks(path)
	return where, where + ".compact", err
}

// removeUnfinished removes what a compaction has left that was killed. It needs the lock of the database.
func removeUnfinished(path string) error {
	_, beside, err := copyOf(path)
	if err != nil {
		return err
	}
	return removeIfThere(beside)
}

// needRoom is ErrRoom if fewer bytes can be written in a directory, as far as that is known.
func needRoom(dir string, bytes int64) error {
	if has, known := roomOf(dir); known && has < bytes {
		return fmt.Errorf("%w: there are %d bytes in %s, and %d are needed", ErrRoom, has, dir, bytes)
	}
	return nil
}

// create opens the new file as the old one is, and for the same people.
func (c *compaction) create() error {
	info, err := os.Stat(c.real)
	if err != nil {
		return err
	}
	if c.to, err = bolt.Open(c.path, 0o600, &bolt.Options{Timeout: time.Second, NoSync: true, FreelistType: bolt.FreelistMapType, MaxSize: c.s.db.MaxSize}); err != nil {
		return err
	}
	if err := errors.Join(os.Chmod(c.path, info.Mode().Perm()), giveTo(c.path, info)); err != nil {
		return errors.Join(err, c.to.Close())
	}
	return nil
}

// run does all after the beginning. With an error nothing is left of the copy.
func (c *compaction) run(ctx context.Context) error {
	err := c.copy(ctx)
	if err == nil {
		err = c.follow(ctx)
	}
	if err == nil {
		err = c.replace()
	}
	if c.to != nil {
		c.drop()
	}
	return err
}

// drop gives up.
func (c *compaction) drop() {
	c.s.writers.Lock()
	c.s.touched = nil
	c.s.writers.Unlock()
	_ = c.to.Close()
	_ = os.Remove(c.path)
}

// copy copies every key that there is now. Those that were not yet there may be missing.
func (c *compaction) copy(ctx context.Context) error {
	var names [][]byte
	err := c.s.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error {
			names = append(names, bytes.Clone(name))
			return nil
		})
	})
	for _, name := range names {
		if err == nil {
			err = c.copyBucket(ctx, name)
		}
	}
	return err
}

func (c *compaction) copyBucket(ctx context.Context, name []byte) error {
	for from := []byte{}; from != nil; {
		began := time.Now()
		var err error
		if from, err = c.read(name, from); err == nil {
			err = c.write(nil)
		}
		if err == nil {
			err = c.breathe(ctx, time.Since(began))
		}
		if err == nil && c.behind() >= catchUpKeys {
			_, err = c.catchUp(ctx)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// read reads a batch from a key on, and gives the one after it; nil if there is none.
func (c *compaction) read(name, from []byte) (next []byte, err error) {
	c.memory, c.batch = c.memory[:0], c.batch[:0]
	err = c.s.view(func(tx *bolt.Tx) error {
		cursor := tx.Bucket(name).Cursor()
		k, v := cursor.Seek(from)
		for ; k != nil && len(c.memory) < compactBatch; k, v = cursor.Next() {
			if err := c.add(place{name, c.keep(k)}, v); err != nil {
				return err
			}
		}
		next = bytes.Clone(k)
		return nil
	})
	c.copied += int64(len(c.memory))
	return next, err
}

// keep copies something into the memory of the batch.
func (c *compaction) keep(b []byte) []byte {
	n := len(c.memory)
	c.memory = append(c.memory, b...)
	return c.memory[n:len(c.memory):len(c.memory)]
}

// add takes a value into the batch, as a cursor gives it: nil is a bucket within the bucket, of which there are none.
func (c *compaction) add(p place, v []byte) error {
	if v == nil {
		return fmt.Errorf("%w: there is a bucket %q in %s", ErrForeign, p.k, p.bucket)
	}
	c.batch = append(c.batch, change{place: p, v: c.keep(v)})
	return nil
}

// write writes the batch to the copy, and whatever else there is, and has it on the disk, where the
// database waits for that.
func (c *compaction) write(also func(tx *bolt.Tx) error) error {
	if len(c.batch) == 0 && also == nil {
		return nil
	}
	return guard(c.path, func() error {
		err := c.to.Update(func(tx *bolt.Tx) error {
			for _, ch := range c.batch {
				if err := ch.apply(tx); err != nil {
					return err
				}
			}
			if also != nil {
				return also(tx)
			}
			return nil
		})
		if err != nil || c.s.db.NoSync {
			return err
		}
		return c.to.Sync()
	})
}

func (ch change) apply(tx *bolt.Tx) error {
	b := tx.Bucket(ch.bucket)
	if b == nil {
		var err error
		if b, err = tx.CreateBucket(ch.bucket); err != nil {
			return err
		}
	}
	b.FillPercent = fill
	if ch.gone {
		return b.Delete(ch.k)
	}
	return b.Put(ch.k, ch.v)
}

// breathe tells how far it is and leaves the disk to others for a while. An error says that it is over.
func (c *compaction) breathe(ctx context.Context, took time.Duration) error {
	if c.progress != nil {
		c.progress(min(c.copied, c.used), c.used)
	}
	if c.copied-c.rested >= restEvery {
		c.rested = c.copied
		_ = c.s.Rest() // if they stay that is no reason to stop
	}
	if c.pause > 0 {
		pause := time.NewTimer(time.Duration(c.pause * float64(took)))
		defer pause.Stop()
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
	}
	return c.goesOn(ctx)
}

func (c *compaction) goesOn(ctx context.Context) error {
	if c.s.closed.Load() {
		return errClosed
	}
	return ctx.Err()
}

// behind counts what was written since it was last caught up with.
func (c *compaction) behind() int {
	c.s.writers.Lock()
	defer c.s.writers.Unlock()
	return c.s.touched.n
}

// follow catches up until few keys are left. It does not pause: it has to be faster than those who write.
func (c *compaction) follow(ctx context.Context) error {
	c.pause = 0
	for range catchUpRounds {
		n, err := c.catchUp(ctx)
		if err != nil {
			return err
		}
		if n <= heldKeys {
			break
		}
	}
	return nil
}

// catchUp takes over what was written since the last time, and gives how many keys those were. What is written
// meanwhile is for the next time.
func (c *compaction) catchUp(ctx context.Context) (int, error) {
	c.s.writers.Lock()
	since := c.s.touched
	c.s.touched = newTouched()
	c.s.writers.Unlock()
	places := since.places()
	c.meanwhile += len(places)
	for rest := places; len(rest) > 0; {
		began := time.Now()
		n := min(len(rest), catchUpKeys)
		err := c.s.view(func(tx *bolt.Tx) error { return c.look(tx, rest[:n]) })
		if err == nil {
			err = c.write(nil)
		}
		if err == nil {
			err = c.breathe(ctx, time.Since(began))
		}
		if err != nil {
			return 0, err
		}
		rest = rest[n:]
	}
	return len(places), c.goesOn(ctx)
}

// look makes the batch of what there is now at some places.
func (c *compaction) look(tx *bolt.Tx, places []place) error {
	c.memory, c.batch = c.memory[:0], c.batch[:0]
	for _, p := range places {
		k, v := tx.Bucket(p.bucket).Cursor().Seek(p.k)
		if !bytes.Equal(k, p.k) {
			c.batch = append(c.batch, change{place: p, gone: true})
		} else if err := c.add(p, v); err != nil {
			return err
		}
	}
	return nil
}

// replace takes over what is left and puts the copy in the place of the database, while nobody can write.
func (c *compaction) replace() error {
	s := c.s
	s.writers.Lock()
	defer s.writers.Unlock()
	began := time.Now()
	defer func() { c.held = time.Since(began) }()
	old, err := os.OpenFile(c.real, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if err = c.settle(); err == nil {
		err = os.Rename(c.path, c.real)
	}
	if err != nil {
		return errors.Join(err, old.Close())
	}
	durable := syncDir(filepath.Dir(c.real))
	c.to.NoSync = s.db.NoSync
	s.touched = nil
	s.goOnWith(c.to, old)
	c.to = nil
	if durable != nil {
		return fmt.Errorf("the new file is in place, but may not be after a loss of power: %w", durable)
	}
	return nil
}

// settle takes over what is left, and the numbers of the last entries.
func (c *compaction) settle() error {
	places := c.s.touched.places()
	c.meanwhile += len(places)
	sequences := map[string]uint64{}
	err := c.s.view(func(tx *bolt.Tx) error {
		err := tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			sequences[string(name)] = b.Sequence()
			return nil
		})
		return errors.Join(err, c.look(tx, places))
	})
	if err != nil {
		return err
	}
	return c.write(func(tx *bolt.Tx) error {
		for name, seq := range sequences {
			b, err := tx.CreateBucketIfNotExists([]byte(name))
			if err == nil {
				err = b.SetSequence(seq)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// goOnWith has everybody use another file from now on. Those who read the old one do so to their end; then its room is given
// back, and it is closed.
func (s *Store) goOnWith(db *bolt.DB, file *os.File) {
	s.readers.Lock()
	old, reading := s.db, s.reading
	s.db, s.reading = db, &sync.WaitGroup{}
	s.readers.Unlock()
	s.olds.Go(func() error {
		reading.Wait()
		return errors.Join(s.giveBack(file), old.Close())
	})
}

// giveBack frees a file that has no name any more, from its end and in small pieces: to free a large one at once has whoever
// commits wait for the file system. The file stays locked meanwhile, so that nobody looks into what is left of it.
func (s *Store) giveBack(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	for size := info.Size(); size > 0 && err == nil; {
		size = max(0, size-giveBackPiece)
		if err = file.Truncate(size); !s.closed.Load() {
			time.Sleep(giveBackPause)
		}
	}
	return errors.Join(err, file.Close())
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
