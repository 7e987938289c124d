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
//	domains      domain                         → JSON of monitor.StoredDomain
//	states       domain 0 record                → JSON of monitor.RecordState
//	contents     content hash                   → RRset, exact bytes, once
//	intervals    domain 0 record 0 source 0 seq → when, outcome, TTL, content hash
//	transitions  seq                            → JSON of monitor.Transition
//	byrecord     domain 0 record 0 seq          → nothing: the index of transitions
//	incidents    closing time, domain 0 record 0 … → JSON of closed incidents
//	upkeep       domain                         → JSON of monitor.Upkeep
//	sweeps       seq                            → JSON of monitor.SweepSummary
//	self         "self"                         → JSON of monitor.SelfState
//	audit        seq                            → JSON of monitor.Audit
//	tokens       name                           → JSON of access.Token
//	notices      seq                            → JSON of monitor.Notice
//
// Sequence numbers order events even if the clock steps back. Transitions carry
// their own copy of what they speak of, so pruning answers never makes history
// unreadable.
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
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

// schemaVersion is what this program writes.
const schemaVersion = 1

var (
	bucketMeta        = []byte("meta")
	bucketDomains     = []byte("domains")
	bucketStates      = []byte("states")
	bucketContents    = []byte("contents")
	bucketIntervals   = []byte("intervals")
	bucketTransitions = []byte("transitions")
	bucketByRecord    = []byte("byrecord")
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
	// ReadOnly opens without writing.
	ReadOnly bool
}

// Store is an open database.
type Store struct {
	db   *bolt.DB
	path string
	// mu guards fresh: the contents that were referred to since a search for unused ones began; nil while none goes on.
	mu    sync.Mutex
	fresh map[rrset.Hash]bool
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
	var db *bolt.DB
	err := guard(path, func() (err error) {
		db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: o.Timeout, ReadOnly: o.ReadOnly, FreelistType: bolt.FreelistMapType})
		return err
	})
	if err != nil {
		if errors.Is(err, bolterrors.ErrTimeout) {
			return nil, fmt.Errorf("%w: %s is in use by %s; stop it first", ErrLocked, path, holder(path))
		}
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	s := &Store{db: db, path: path}
	if err := s.checkVersion(); err != nil {
		_ = db.Close()
		return nil, err
	}
	if !o.ReadOnly {
		if err := os.WriteFile(path+".pid", fmt.Appendf(nil, "%d %s\n", os.Getpid(), time.Now().UTC().Format(time.RFC3339)), 0o600); err != nil {
			_ = db.Close()
			return nil, fmt.Errorf("note who uses %s: %w", path, err)
		}
	}
	return s, nil
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
		for _, b := range [][]byte{
			bucketMeta, bucketDomains, bucketStates, bucketContents, bucketIntervals,
			bucketTransitions, bucketByRecord, bucketIncidents, bucketSweeps, bucketSelf, bucketUpkeep, bucketAudit, bucketNotices,
		} {
			if _, err := tx.CreateBucket(b); err != nil {
				return err
			}
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

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (s *Store) checkVersion() error {
	return s.view(func(tx *bolt.Tx) error {
		meta := tx.Bucket(bucketMeta)
		if meta == nil || meta.Get(keyVersion) == nil {
			return fmt.Errorf("%w: %s is a bbolt database of another program; name another data directory", ErrForeign, s.path)
		}
		var v int
		if _, err := fmt.Sscan(string(meta.Get(keyVersion)), &v); err != nil || v < 1 {
			return fmt.Errorf("%w: %s has no readable schema version", ErrForeign, s.path)
		}
		if v > schemaVersion {
			return fmt.Errorf("%w: %s has schema version %d, this maildrift knows up to %d; run the newer maildrift, or restore an older backup", ErrNewer, s.path, v, schemaVersion)
		}
		return nil
	})
}

// Close closes the database.
func (s *Store) Close() error {
	if !s.db.IsReadOnly() {
		_ = os.Remove(s.path + ".pid")
	}
	return s.db.Close()
}

// recordKey is "domain 0 record".
func recordKey(id monitor.RecordID) []byte {
	return []byte(string(id.Domain) + "\x00" + id.Key)
}

func seqKey(seq uint64) []byte { return binary.BigEndian.AppendUint64(nil, seq) }

func putJSON(b *bolt.Bucket, key []byte, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return b.Put(key, data)
}

// Commit writes a batch in one transaction. Transitions get their sequence
// numbers here.
func (s *Store) Commit(ctx context.Context, b monitor.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := s.update(func(tx *bolt.Tx) error {
		s.useContents(b.Intervals)
		return errors.Join(
			commitRegistry(tx, b), commitStates(tx, b), commitTransitions(tx, b),
			commitIntervals(tx, b), commitIncidents(tx, b), commitUpkeep(tx, b), commitAudit(tx, b), commitNotices(tx, b), commitSweep(tx, b))
	})
	if err != nil {
		return fmt.Errorf("write to %s: %w", s.path, err)
	}
	return nil
}

func commitRegistry(tx *bolt.Tx, b monitor.Batch) error {
	bucket := tx.Bucket(bucketDomains)
	for _, d := range b.Domains {
		if err := putJSON(bucket, []byte(d.Name), d); err != nil {
			return err
		}
	}
	for _, name := range b.Gone {
		if err := bucket.Delete([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

func commitStates(tx *bolt.Tx, b monitor.Batch) error {
	bucket := tx.Bucket(bucketStates)
	states := slices.Clone(b.States)
	slices.SortFunc(states, func(x, y monitor.RecordState) int { return x.ID.Compare(y.ID) })
	for _, st := range states {
		if err := putJSON(bucket, recordKey(st.ID), st); err != nil {
			return err
		}
	}
	for _, id := range b.Removed {
		if err := bucket.Delete(recordKey(id)); err != nil {
			return err
		}
	}
	if b.Self != nil {
		return putJSON(tx.Bucket(bucketSelf), keySelf, b.Self)
	}
	return nil
}

func commitUpkeep(tx *bolt.Tx, b monitor.Batch) error {
	if len(b.Upkeep) == 0 && len(b.UpkeepGone) == 0 {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists(bucketUpkeep) // the first databases have none
	if err != nil {
		return err
	}
	for _, u := range b.Upkeep {
		if err := putJSON(bucket, []byte(u.Domain), u); err != nil {
			return err
		}
	}
	for _, name := range b.UpkeepGone {
		if err := bucket.Delete([]byte(name)); err != nil {
			return err
		}
	}
	return nil
}

func commitAudit(tx *bolt.Tx, b monitor.Batch) error {
	return appendLog(tx, bucketAudit, b.Audit, func(a *monitor.Audit, seq uint64) { a.Seq = seq })
}

func commitNotices(tx *bolt.Tx, b monitor.Batch) error {
	return appendLog(tx, bucketNotices, b.Notices, func(*monitor.Notice, uint64) {})
}

// appendLog appends to a log that the first databases do not have.
func appendLog[T any](tx *bolt.Tx, name []byte, rows []T, number func(row *T, seq uint64)) error {
	if len(rows) == 0 {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	bucket.FillPercent = 0.95
	for _, row := range rows {
		seq, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		number(&row, seq)
		if err := putJSON(bucket, seqKey(seq), row); err != nil {
			return err
		}
	}
	return nil
}

func commitTransitions(tx *bolt.Tx, b monitor.Batch) error {
	log, index := tx.Bucket(bucketTransitions), tx.Bucket(bucketByRecord)
	log.FillPercent = 0.95
	for _, t := range b.Transitions {
		seq, err := log.NextSequence()
		if err != nil {
			return err
		}
		t.Seq = seq
		if err := putJSON(log, seqKey(seq), t); err != nil {
			return err
		}
		if err := index.Put(append(append(recordKey(t.ID), 0), seqKey(seq)...), nil); err != nil {
			return err
		}
	}
	return nil
}

func commitIntervals(tx *bolt.Tx, b monitor.Batch) error {
	bucket, contents := tx.Bucket(bucketIntervals), tx.Bucket(bucketContents)
	sorted := slices.Clone(b.Intervals)
	slices.SortStableFunc(sorted, func(x, y monitor.Interval) int {
		if c := x.ID.Compare(y.ID); c != 0 {
			return c
		}
		return strings.Compare(x.Source, y.Source)
	})
	for _, iv := range sorted {
		seq, err := bucket.NextSequence()
		if err != nil {
			return err
		}
		if !iv.Set.Empty() {
			hash := iv.Set.Hash()
			if contents.Get(hash[:]) == nil {
				if err := putJSON(contents, hash[:], iv.Set); err != nil {
					return err
				}
			}
		}
		if err := bucket.Put(intervalKey(iv, seq), intervalValue(iv)); err != nil {
			return err
		}
	}
	return nil
}

func intervalKey(iv monitor.Interval, seq uint64) []byte {
	return append([]byte(string(iv.ID.Domain)+"\x00"+iv.ID.Key+"\x00"+iv.Source+"\x00"), seqKey(seq)...)
}

// storedInterval is an interval with its content by hash.
type storedInterval struct {
	From    time.Time  `json:"from"`
	Outcome string     `json:"outcome"`
	TTL     uint32     `json:"ttl"`
	Content rrset.Hash `json:"content,omitzero"`
	// Authority and Mark came later: older rows have neither.
	Authority bool         `json:"authority,omitempty"`
	Mark      monitor.Mark `json:"mark,omitempty"`
}

func intervalValue(iv monitor.Interval) []byte {
	v := storedInterval{From: iv.From, Outcome: iv.Outcome.String(), TTL: iv.TTL, Authority: iv.Authority, Mark: iv.Mark}
	if !iv.Set.Empty() {
		v.Content = iv.Set.Hash()
	}
	data, err := json.Marshal(v)
	if err != nil {
		panic(err) // a struct of plain fields always encodes
	}
	return data
}

// commitIncidents keeps the ends of incidents; open ones live in their record's state.
func commitIncidents(tx *bolt.Tx, b monitor.Batch) error {
	bucket := tx.Bucket(bucketIncidents)
	for _, in := range b.Incidents {
		if in.Open() {
			continue
		}
		key := binary.BigEndian.AppendUint64(nil, uint64(in.Closed.UnixNano()))
		key = append(append(key, recordKey(in.ID)...), "\x00"+string(in.Name)+"\x00"+in.Value...)
		if err := putJSON(bucket, key, in); err != nil {
			return err
		}
	}
	return nil
}

func commitSweep(tx *bolt.Tx, b monitor.Batch) error {
	if b.Sweep == nil {
		return nil
	}
	bucket := tx.Bucket(bucketSweeps)
	bucket.FillPercent = 0.95
	seq, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	return putJSON(bucket, seqKey(seq), b.Sweep)
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
	return s.update(func(*bolt.Tx) error { return nil })
}
