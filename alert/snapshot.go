package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/silence/silencepb"
	"google.golang.org/protobuf/encoding/protodelim"
	"google.golang.org/protobuf/proto"
)

const (
	// writeShare is the least ratio of rest to work of a snapshot's writer: a
	// write of 2 ms is followed by a rest of 40 ms at least, so that a storm of
	// changes costs a twentieth of a disk, and the rest never exceeds the
	// maintenance interval.
	writeShare = 20
	// complaintPause keeps a full disk from filling the log, too.
	complaintPause = time.Minute
)

// snapshot is one of Alertmanager's stores as a file: written soon after each
// change and only then, whole, and under its name only once it is on the disk.
// An empty path means that nothing is kept.
type snapshot struct {
	path  string
	every time.Duration // longest rest between a change and its write
	log   *slog.Logger

	gc    func() (int, error)
	write func(io.Writer) (int64, error)

	dirty atomic.Bool
	wake  chan struct{} // capacity 1: a wake-up that is not yet taken serves all

	mu         sync.Mutex // one writer at a time
	size       int64
	complained time.Time
}

func newSnapshot(dir, name string, every time.Duration, log *slog.Logger) *snapshot {
	s := &snapshot{every: every, log: log.With("snapshot", name), wake: make(chan struct{}, 1)}
	if dir != "" {
		s.path = filepath.Join(dir, name)
	}
	return s
}

// load returns what the file holds. A missing file is an empty one. Of a
// damaged file it returns the records before the damage, and moves the file
// aside for whoever wants to look: better to tell something twice than to tell
// nothing because of a broken disk. The error is for files that cannot be read.
func (s *snapshot) load(record func() proto.Message) ([]byte, error) {
	if s.path == "" {
		return nil, nil
	}
	raw, err := os.ReadFile(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read snapshot: %w", err)
	}
	good, records, damage := soundPrefix(raw, record)
	if damage == nil {
		return raw, nil
	}
	aside := fmt.Sprintf("%s.corrupt-%s", s.path, time.Now().UTC().Format("20060102T150405.000"))
	if err := os.Rename(s.path, aside); err != nil {
		return nil, fmt.Errorf("move corrupt snapshot aside: %w", err)
	}
	s.touch(nil) // so that what was saved of it is on disk again soon
	s.log.Error("snapshot corrupt", "moved_to", aside, "err", damage,
		"records_kept", records, "bytes_lost", len(raw)-len(good),
		"hint", "some notifications may be sent again, some silences may be gone")
	return good, nil
}

// soundPrefix is the part of raw that parses as length-delimited records.
func soundPrefix(raw []byte, record func() proto.Message) (good []byte, n int, damage error) {
	r := bytes.NewReader(raw)
	for {
		at := len(raw) - r.Len()
		m := record()
		err := protodelim.UnmarshalFrom(r, m)
		if errors.Is(err, io.EOF) && r.Len() == 0 && at == len(raw) {
			return raw, n, nil
		}
		if err == nil && !complete(m) {
			err = errors.New("record lacks its content")
		}
		if err != nil {
			return raw[:at], n, fmt.Errorf("record %d at byte %d: %w", n+1, at, err)
		}
		n++
	}
}

// touch notes a change. It has the shape of Alertmanager's broadcast callback,
// which is called under the lock of the store that changed, so it never waits.
func (s *snapshot) touch([]byte) {
	s.dirty.Store(true)
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// follow writes after changes until stop is closed.
func (s *snapshot) follow(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-s.wake:
		}
		began := time.Now()
		if err := s.save(); err != nil {
			s.complain(err)
		}
		rest := time.NewTimer(min(writeShare*time.Since(began), s.every))
		select {
		case <-stop:
			rest.Stop()
			return
		case <-rest.C:
		}
	}
}

// maintain is what Alertmanager's own maintenance loop calls at its interval:
// expired entries go, and a change that follow could not write is tried again.
func (s *snapshot) maintain() (int64, error) {
	n, err := s.gc()
	if n > 0 {
		s.dirty.Store(true)
	}
	err = errors.Join(err, s.save())
	if err != nil && !s.complain(err) {
		err = nil // said so a moment ago
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, err
}

// complain logs the error unless it has just done so, and reports whether.
func (s *snapshot) complain(err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.complained) < complaintPause {
		return false
	}
	s.complained = time.Now()
	s.log.Error("snapshot failed", "err", err,
		"hint", "until this is repaired a restart may repeat notifications or forget silences")
	return true
}

// save writes the store if it has changed since the last write.
func (s *snapshot) save() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	// The mark goes before the writing starts: a change during it sets it again.
	if s.path == "" || !s.dirty.Swap(false) {
		return nil
	}
	size, err := replaceFile(s.path, s.write)
	if err != nil {
		s.dirty.Store(true)
		return fmt.Errorf("write snapshot: %w", err)
	}
	s.size, s.complained = size, time.Time{}
	return nil
}

// replaceFile gives path a new content, or leaves the old one whole.
func replaceFile(path string, write func(io.Writer) (int64, error)) (size int64, err error) {
	// One temporary name, not a random one: what a killed process left behind
	// is overwritten instead of piling up.
	f, err := os.OpenFile(path+".tmp", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return 0, err
	}
	size, err = write(f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return 0, err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return 0, err
	}
	return size, syncDir(filepath.Dir(path))
}

// syncDir makes a rename survive a power cut.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// complete reports whether a record holds what Alertmanager requires of it.
func complete(m proto.Message) bool {
	switch m := m.(type) {
	case *nflogpb.MeshEntry:
		return m.Entry != nil && m.Entry.Receiver != nil
	case *silencepb.MeshSilence:
		return m.Silence != nil
	default:
		return true
	}
}

// newMeshEntry and newMeshSilence are the records of the two stores.
func newMeshEntry() proto.Message   { return new(nflogpb.MeshEntry) }
func newMeshSilence() proto.Message { return new(silencepb.MeshSilence) }
