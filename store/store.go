// Package store keeps maildrift's memory in one bbolt file: the registry of
// domains added at run time, the state and baseline of every record, the history of
// transitions and answers, incidents and sweep summaries.
//
//	s, err := store.Open(ctx, "maildrift.db", store.Options{})
//	memory, err := s.Load(ctx)       // once, at start
//	err = s.Commit(ctx, batch)       // one transaction, durable when it returns
//
// # Layout
//
// Buckets, all keys made for range reads in order:
//
//	meta         schema version, database id, time of creation
//	domains      domain          → monitor.StoredDomain (domain.go)
//	states       domain 0 record → monitor.RecordState (state.go)
//	current      domain 0 record → the last answer of each source, and where the record's history begins (answers.go)
//	ended        seq             → answers of one record that ended at one time (answers.go)
//	transitions  seq             → monitor.Transition with its votes (transition.go)
//	unwatched    domain 0 record → nothing: rows of current whose record is not watched any more
//	names        source          → its number (names.go)
//	incidents    closing time, domain 0 record 0 … → JSON of closed incidents
//	upkeep       domain          → JSON of monitor.Upkeep
//	sweeps       seq             → JSON of monitor.SweepSummary
//	self         "self"          → JSON of monitor.SelfState
//	audit        seq             → JSON of monitor.Audit
//	tokens       name            → JSON of access.Token
//	notices      seq             → JSON of monitor.Notice
//
// What there is for every domain, record or answer is written as bytes, the rest as JSON.
//
// # History is an undo log
//
// A row of current says what a record's sources say now; a sweep that finds nothing new writes none, and the first
// one only them, in order. What an answer put an end to is appended to ended, with the number of the record's entry
// before it. So writing history touches the end of one bucket, however many records there are, and reading a record's
// takes its row and one entry for each of its changes, from the newest back. Transitions are chained likewise.
//
// An answer is as old as its end, and the logs are in order of that. So pruning deletes the oldest part of a log, a
// few keys a transaction, and nothing else: a chain that leads there ends there. The pages are used again by what comes,
// so the file does not grow while as much is deleted as is written.
//
// Each row and entry has its contents in it, once for all sources that say the same. A bucket of contents by hash,
// as the first databases had it, would be written in random order, and nobody could know what it is needed for
// without reading all of history.
//
// Sequence numbers order events even if the clock steps back. Transitions carry
// their own copy of what they speak of, so pruning answers never makes history
// unreadable.
//
// The file does not shrink by itself: CompactBeside writes it anew beside commits and reads, and puts the new file in its
// place (compaction.go).
//
// All methods may be called concurrently; bbolt admits one writer at a time.
package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sync/errgroup"

	"maildrift/monitor"
)

// schemaVersion is what this program writes. Version 1 had JSON for everything, and answers in another order; version 2 had it for
// domains. Both are migrated (migrate.go).
const schemaVersion = 3

var (
	bucketMeta        = []byte("meta")
	bucketDomains     = []byte("domains")
	bucketStates      = []byte("states")
	bucketCurrent     = []byte("current")
	bucketEnded       = []byte("ended")
	bucketTransitions = []byte("transitions")
	bucketUnwatched   = []byte("unwatched")
	bucketNames       = []byte("names")
	bucketIncidents   = []byte("incidents")
	bucketSweeps      = []byte("sweeps")
	bucketUpkeep      = []byte("upkeep")
	bucketSelf        = []byte("self")
	bucketAudit       = []byte("audit")
	bucketNotices     = []byte("notices")

	keyVersion = []byte("version")
	keyID      = []byte("id")
	keyCreated = []byte("created")
	keySelf    = []byte("self")
)

// Options of Open; the zero value is ready for use.
type Options struct {
	// Timeout is how long to wait for another process to let go of the file; 0 means 1 s.
	Timeout time.Duration
	// Init starts with an empty database although one is known to have existed.
	Init bool
	// ReadOnly opens without writing. A database of an earlier version is then refused.
	ReadOnly bool
	// Logger is told of a migration; nil for nobody.
	Logger *slog.Logger
}

// Store is an open database.
type Store struct {
	// db is the file that is in place. It is replaced by a compaction, which holds writers and readers then; to use it is
	// enough to hold one of them.
	db   *bolt.DB
	path string
	// names are the numbers of sources.
	names names
	// commits lets one at a time change rows of current, since a new one is made from that before it.
	commits sync.Mutex
	// writers lets one at a time write, readers many begin to read; reading counts those who read the file that is in place.
	writers sync.Mutex
	readers sync.RWMutex
	reading *sync.WaitGroup
	// touched are the keys that a compaction has still to look at; nil without one. It is for those who hold writers.
	touched *touched
	// compacting is held by a compaction. closed tells it to end.
	compacting sync.Mutex
	closed     atomic.Bool
	// olds closes files that were replaced, each when the last who reads it has ended.
	olds errgroup.Group
}

// Open opens the database at path, or makes a new one if there has never been
// one. Errors say what is wrong with the file and what to do; it is never overwritten.
func Open(ctx context.Context, path string, o Options) (*Store, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := inspect(path, o); err != nil {
		return nil, err
	}
	if o.Timeout <= 0 {
		o.Timeout = time.Second
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) && !o.ReadOnly {
		if err := create(path, o.Timeout); err != nil {
			return nil, err
		}
	}
	db, err := openBolt(path, o)
	if err != nil {
		return nil, err
	}
	s := newStore(db, path)
	if err := s.begin(ctx, o); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	return s, nil
}

func newStore(db *bolt.DB, path string) *Store {
	return &Store{db: db, path: path, reading: &sync.WaitGroup{}}
}

// openBolt opens the file that is at path when it is open. While it waited for another process, that may have put
// another file there, and what it let go of is what was left of the old one.
func openBolt(path string, o Options) (*bolt.DB, error) {
	for {
		db, opened, err := openLocked(path, o)
		if there, errStat := os.Stat(path); opened != nil && errStat == nil && !os.SameFile(opened, there) {
			if err == nil {
				_ = db.Close() // nothing was written to it
			}
			continue
		}
		switch {
		case errors.Is(err, bolterrors.ErrTimeout):
			return nil, fmt.Errorf("%w: %s is in use by %s; stop it first", ErrLocked, path, holder(path))
		case err != nil:
			return nil, fmt.Errorf("open %s: %w", path, err)
		}
		return db, nil
	}
}

// openLocked opens the file that is at path now, when nobody else has it, and says which that is.
func openLocked(path string, o Options) (db *bolt.DB, opened os.FileInfo, err error) {
	err = guard(path, func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{
			Timeout: o.Timeout, ReadOnly: o.ReadOnly, FreelistType: bolt.FreelistMapType,
			OpenFile: func(name string, flag int, perm os.FileMode) (*os.File, error) {
				f, err := os.OpenFile(name, flag, perm)
				if err == nil {
					opened, err = f.Stat()
				}
				return f, err
			},
		})
		return err
	})
	return db, opened, err
}

// begin brings an opened file to this program's version, reads what has to be in memory and notes who uses it.
func (s *Store) begin(ctx context.Context, o Options) error {
	version, err := s.version()
	if err != nil {
		return err
	}
	if version < schemaVersion {
		if err := s.migrate(ctx, o, version); err != nil {
			return err
		}
	}
	if err := s.view(s.names.load); err != nil {
		return fmt.Errorf("open %s: %w", s.path, err)
	}
	if o.ReadOnly {
		return nil
	}
	if err := removeUnfinished(s.path); err != nil {
		return fmt.Errorf("remove what is left of a compaction: %w", err)
	}
	if err := os.WriteFile(s.path+".pid", fmt.Appendf(nil, "%d %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339)), 0o600); err != nil {
		return fmt.Errorf("note who uses %s: %w", s.path, err)
	}
	return nil
}

// holder says who has the file open, as far as is known.
func holder(path string) string {
	b, err := os.ReadFile(path + ".pid")
	if err != nil {
		return "another process"
	}
	pid, since, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	return fmt.Sprintf("process %s (since %s)", pid, since)
}

// create makes a new database beside path and moves it there when it is whole.
func create(path string, timeout time.Duration) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	temp := path + ".new"
	_ = os.Remove(temp)
	db, err := bolt.Open(temp, 0o600, &bolt.Options{Timeout: timeout})
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	id := newID()
	err = db.Update(func(tx *bolt.Tx) error {
		if err := createBuckets(tx); err != nil {
			return err
		}
		meta := tx.Bucket(bucketMeta)
		return errors.Join(
			meta.Put(keyVersion, fmt.Append(nil, schemaVersion)), meta.Put(keyID, []byte(id)),
			meta.Put(keyCreated, []byte(time.Now().UTC().Format(time.RFC3339))))
	})
	if err = errors.Join(err, db.Close()); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	if err := os.WriteFile(path+".id", []byte(id+"\n"), 0o600); err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	return syncDir(filepath.Dir(path))
}

func createBuckets(tx *bolt.Tx) error {
	for _, b := range [][]byte{
		bucketMeta, bucketDomains, bucketStates, bucketCurrent, bucketEnded, bucketTransitions, bucketUnwatched,
		bucketNames, bucketIncidents, bucketSweeps, bucketSelf, bucketUpkeep, bucketAudit, bucketNotices,
	} {
		if _, err := tx.CreateBucketIfNotExists(b); err != nil {
			return err
		}
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// version gives the schema version of the file.
func (s *Store) version() (v int, err error) {
	err = s.view(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil || meta.Get(keyVersion) == nil {
			return fmt.Errorf("%w: %s is a bbolt database of another program; name another data directory", ErrForeign, s.path)
		}
		if _, err := fmt.Sscan(string(meta.Get(keyVersion)), &v); err != nil || v < 1 {
			return fmt.Errorf("%w: %s has no readable schema version", ErrForeign, s.path)
		}
		if v > schemaVersion {
			return fmt.Errorf("%w: %s has schema version %d, this maildrift knows up to %d; run the newer maildrift, or restore an older backup", ErrNewer, s.path, v, schemaVersion)
		}
		return nil
	})
	return v, err
}

// Close closes the database. A compaction is given up, and waited for like those who read.
func (s *Store) Close() error {
	s.closed.Store(true)
	s.compacting.Lock()
	defer s.compacting.Unlock()
	if !s.db.IsReadOnly() {
		_ = os.Remove(s.path + ".pid")
	}
	return errors.Join(s.olds.Wait(), s.db.Close())
}

// recordKey is "domain 0 record".
func recordKey(id monitor.RecordID) []byte {
	return []byte(string(id.Domain) + "\x00" + id.Key)
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func putJSON(b *writeBucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return b.Put(key, data)
}

// Backup writes a consistent copy of the database while it is in use, and gives
// its size in bytes.
func (s *Store) Backup(ctx context.Context, w io.Writer) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	var n int64
	err := s.view(func(tx *bolt.Tx) (err error) {
		n, err = tx.WriteTo(w)
		return err
	})
	if err != nil {
		return n, fmt.Errorf("back up %s: %w", s.path, err)
	}
	return n, nil
}

// Size gives the size of the file in bytes.
func (s *Store) Size() int64 {
	info, err := os.Stat(s.path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// Writable says whether a transaction can be committed now, by committing one.
func (s *Store) Writable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.update(func(*writeTx) error { return nil })
}
