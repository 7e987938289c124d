package store

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// The buckets of version 1 that there are no more: answers by domain 0 record 0 source 0 seq, in JSON, their contents
// by hash, and the index of transitions.
var (
	bucketIntervals1 = []byte("intervals")
	bucketContents1  = []byte("contents")
)

// migrate brings a database of an earlier version to that of this program: into a copy beside it, which takes its place when it
// is whole and has been held against it. The old file stays under another name.
func (s *Store) migrate(ctx context.Context, o Options, version int) error {
	if o.ReadOnly {
		return fmt.Errorf("%w: %s has schema version %d, and this maildrift reads version %d; start it on the file, or run maildrift compact %s, which keep the old one beside it",
			ErrOlder, s.path, version, schemaVersion, s.path)
	}
	log := cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	log.Info("the database is of an earlier version and is being rewritten; the old file is kept", "path", s.path, "version", version)
	began := time.Now()
	kept, err := s.replaceWith(ctx, version, o)
	if err != nil {
		return fmt.Errorf("bring %s from schema version %d to %d (it is as it was): %w", s.path, version, schemaVersion, err)
	}
	log.Info("the database has been rewritten", "path", s.path, "version", schemaVersion, "kept", kept, "took", time.Since(began).Round(time.Millisecond))
	return nil
}

// replaceWith makes the copy, puts it in the place of the database and goes on with it. It gives the name under which
// the old file is kept.
func (s *Store) replaceWith(ctx context.Context, version int, o Options) (kept string, err error) {
	temp := s.path + ".migrated"
	if err := os.Remove(temp); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := s.copyTo(ctx, temp, version); err != nil {
		_ = os.Remove(temp)
		return "", err
	}
	if kept, err = keepOld(s.path, version); err != nil {
		return "", fmt.Errorf("keep the old file: %w", err)
	}
	if err := errors.Join(os.Rename(temp, s.path), syncDir(filepath.Dir(s.path))); err != nil {
		return "", err
	}
	db, err := openBolt(s.path, o)
	if err != nil {
		return "", err
	}
	old := s.db
	s.db = db
	return kept, old.Close()
}

// keepOld gives the file a second name that is free, so that it outlives what takes its place.
func keepOld(path string, version int) (string, error) {
	name := fmt.Sprintf("%s.v%d", path, version)
	for n := 2; ; n++ {
		err := os.Link(path, name)
		if err == nil || sameFile(path, name) { // the latter if this was ended here once before
			return name, nil
		}
		if !errors.Is(err, os.ErrExist) {
			return name, copyFile(path, name) // there are file systems that know no second names
		}
		name = fmt.Sprintf("%s.v%d.%d", path, version, n)
	}
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Sync(), out.Close())
}

// copyTo writes what is in a database of an earlier version to a new file, and holds the two against each other.
func (s *Store) copyTo(ctx context.Context, path string, version int) error {
	db, err := bolt.Open(path, 0o600, &bolt.Options{NoSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	to := newStore(db, path)
	take := to.take2
	if version == 1 {
		take = to.take1
	}
	err = s.view(func(tx *bolt.Tx) error {
		return guard(path, func() error { return take(ctx, tx) })
	})
	return errors.Join(err, db.Sync(), db.Close())
}

// take1 fills a new database with what is in one of version 1.
func (s *Store) take1(ctx context.Context, from *bolt.Tx) error {
	if err := s.db.Update(createBuckets); err != nil {
		return err
	}
	if err := s.view(s.names.load); err != nil {
		return err
	}
	m := migration{ctx: ctx, from: from, to: bulk{db: s.db}, names: &s.names, rows: map[string]*row{}}
	defer m.to.drop()
	if err := m.run(); err != nil {
		return err
	}
	return s.verify(ctx, from)
}

// bulk writes many keys in transactions of a bounded size.
type bulk struct {
	db   *bolt.DB
	tx   *bolt.Tx
	size int
}

func (b *bulk) put(bucket, k, v []byte) error {
	to, err := b.bucket(bucket)
	if err != nil {
		return err
	}
	if err := to.Put(k, v); err != nil {
		return err
	}
	if b.size += len(k) + len(v); b.size > compactBatch {
		return b.end()
	}
	return nil
}

// bucket gives a bucket in the transaction that is open.
func (b *bulk) bucket(name []byte) (to *bolt.Bucket, err error) {
	if b.tx == nil {
		if b.tx, err = b.db.Begin(true); err != nil {
			return nil, err
		}
	}
	to, err = b.tx.CreateBucketIfNotExists(name)
	if err == nil {
		to.FillPercent = fill
	}
	return to, err
}

// end writes what is left.
func (b *bulk) end() error {
	if b.tx == nil {
		return nil
	}
	tx := b.tx
	b.tx, b.size = nil, 0
	return tx.Commit()
}

// drop gives up what was not written yet.
func (b *bulk) drop() {
	if b.tx != nil {
		_ = b.tx.Rollback()
	}
}

// migration copies one database into another. Names, rows and ends are for version 1 only.
type migration struct {
	ctx   context.Context //nolint:containedctx // it lives as long as one call
	from  *bolt.Tx
	to    bulk
	names *names
	// rows are what becomes of each record by its key, ends the ended answers of all.
	rows map[string]*row
	ends []endWriting
}

func (m *migration) run() error {
	for _, bucket := range [][]byte{bucketMeta, bucketIncidents, bucketUpkeep, bucketSweeps, bucketSelf, bucketAudit, bucketTokens, bucketNotices} {
		if err := m.plain(bucket); err != nil {
			return fmt.Errorf("%s: %w", bucket, err)
		}
	}
	for _, step := range []func() error{m.newVersion, m.domains, m.states, m.transitions, m.intervals, m.ended, m.current} {
		if err := step(); err != nil {
			return err
		}
		if err := m.ctx.Err(); err != nil {
			return err
		}
	}
	if _, err := m.to.bucket(bucketNames); err != nil {
		return err
	}
	if err := m.names.save(&writeTx{tx: m.to.tx}); err != nil {
		return err
	}
	return m.to.end()
}

// plain copies a bucket as it is.
func (m *migration) plain(name []byte) error {
	from := m.from.Bucket(name)
	if from == nil {
		return nil // the first databases do not have all
	}
	err := from.ForEach(func(k, v []byte) error { return m.to.put(name, k, v) })
	if err != nil {
		return err
	}
	return m.sequence(name, from.Sequence())
}

func (m *migration) sequence(name []byte, seq uint64) error {
	b, err := m.to.bucket(name)
	if err != nil {
		return err
	}
	return b.SetSequence(seq)
}

func (m *migration) states() error {
	return m.from.Bucket(bucketStates).ForEach(func(k, v []byte) error {
		value, err := state1(k, v)
		if err != nil {
			return err
		}
		return m.to.put(bucketStates, k, value)
	})
}

// state1 gives a state of version 1 as it is written now.
func state1(k, v []byte) ([]byte, error) {
	var st monitor.RecordState
	if err := json.Unmarshal(v, &st); err != nil {
		return nil, fmt.Errorf("state of %q: %w", k, err)
	}
	r := reader{}
	if id := r.recordID(k); r.err != nil || id != st.ID {
		return nil, fmt.Errorf("state of %q is that of %s: %w", k, st.ID, errValue)
	}
	return appendState(nil, &st)
}

func (m *migration) transitions() error {
	log := m.from.Bucket(bucketTransitions)
	err := log.ForEach(func(k, v []byte) error {
		var t monitor.Transition
		if err := json.Unmarshal(v, &t); err != nil {
			return fmt.Errorf("transition %d: %w", seqOf(k), err)
		}
		m.names.learn(monitor.Batch{Transitions: []monitor.Transition{t}})
		w := m.row(recordKey(t.ID))
		value := m.names.appendTransition(nil, w.changed, &t)
		w.changed = seqOf(k)
		return m.to.put(bucketTransitions, k, value)
	})
	if err != nil {
		return err
	}
	return m.sequence(bucketTransitions, log.Sequence())
}

func (m *migration) row(key []byte) *row {
	r, ok := m.rows[string(key)]
	if !ok {
		r = &row{}
		m.rows[string(key)] = r
	}
	return r
}

// intervals reads all answers, record by record, and keeps the last of each source as rows and the others as endings.
func (m *migration) intervals() error {
	return eachRecord1(m.from, func(key []byte, answers []answer1) error {
		slices.SortStableFunc(answers, func(x, y answer1) int { return cmp.Compare(x.seq, y.seq) })
		list := make([]monitor.Interval, len(answers))
		for i, a := range answers {
			list[i] = a.Interval
		}
		m.names.learn(monitor.Batch{Intervals: list})
		w := m.row(key)
		m.ends = append(m.ends, m.names.endingsOf(w, w.apply(list, nil))...)
		return nil
	})
}

// ended writes the log of ended answers in order of time.
func (m *migration) ended() error {
	chain(m.ends, 0)
	for i, e := range m.ends {
		if err := m.to.put(bucketEnded, seqKey(uint64(i)+1), e.value); err != nil {
			return err
		}
	}
	return m.sequence(bucketEnded, uint64(len(m.ends)))
}

func (m *migration) current() error {
	watched := m.from.Bucket(bucketStates)
	for _, key := range slices.Sorted(maps.Keys(m.rows)) {
		r := m.rows[key]
		if err := m.to.put(bucketCurrent, []byte(key), m.names.appendRow(nil, *r)); err != nil {
			return err
		}
		if watched.Get([]byte(key)) == nil {
			if err := m.to.put(bucketUnwatched, []byte(key), nil); err != nil {
				return err
			}
		}
	}
	return nil
}

// verify holds a migrated database against that of version 1 from which it was made.
func (s *Store) verify(ctx context.Context, from *bolt.Tx) error {
	var read names
	err := s.view(func(tx *bolt.Tx) error {
		if err := read.load(tx); err != nil {
			return err
		}
		return errors.Join(sameBucket(from.Bucket(bucketDomains), tx.Bucket(bucketDomains), sameDomain2),
			sameStates(from, tx), sameTransitions(from, tx, &s.names), s.sameAnswers(from, tx), ctx.Err())
	})
	if err != nil {
		return fmt.Errorf("the copy is not what it was made from: %w", err)
	}
	if len(read.numbers) != len(s.names.numbers) {
		return fmt.Errorf("the copy has %d names, not %d", len(read.numbers), len(s.names.numbers))
	}
	return nil
}

func sameStates(from, to *bolt.Tx) error {
	return from.Bucket(bucketStates).ForEach(func(k, v []byte) error {
		st, err := readState(k, to.Bucket(bucketStates).Get(k), nil)
		if err != nil {
			return err
		}
		want, err := state1(k, v)
		if err != nil {
			return err
		}
		return same(k, want, func() ([]byte, error) { return appendState(nil, st) })
	})
}

func sameTransitions(from, to *bolt.Tx, names *names) error {
	return from.Bucket(bucketTransitions).ForEach(func(k, v []byte) error {
		var want monitor.Transition
		if err := json.Unmarshal(v, &want); err != nil {
			return err
		}
		got, err := names.readTransition(seqOf(k), to.Bucket(bucketTransitions).Get(k))
		if err != nil {
			return err
		}
		return same(k, names.appendTransition(nil, 0, &want), func() ([]byte, error) { return names.appendTransition(nil, 0, &got), nil })
	})
}

// sameAnswers reads each record's history as it is read from now on.
func (s *Store) sameAnswers(from, to *bolt.Tx) error {
	return eachRecord1(from, func(key []byte, answers []answer1) error {
		w, err := s.readRowOf(key, to.Bucket(bucketCurrent).Get(key), nil)
		if err != nil {
			return err
		}
		got, err := s.answersOf(to, answers[0].ID, w, nil)
		if err != nil {
			return err
		}
		want := make([]monitor.Interval, len(answers))
		for i, a := range answers {
			want[i] = a.Interval
		}
		return same(key, s.names.appendAnswers(nil, want, epoch), func() ([]byte, error) { return s.names.appendAnswers(nil, got, epoch), nil })
	})
}

// same compares values as they are written.
func same(k, want []byte, written func() ([]byte, error)) error {
	got, err := written()
	if err == nil && !bytes.Equal(got, want) {
		err = errValue
	}
	if err != nil {
		return fmt.Errorf("%q: %w", k, err)
	}
	return nil
}

// answer1 is an answer of version 1 with its number.
type answer1 struct {
	monitor.Interval
	seq uint64
}

// eachRecord1 gives the answers of version 1, those of a record together: by source, then in order.
func eachRecord1(tx *bolt.Tx, f func(key []byte, answers []answer1) error) error {
	var key []byte
	var answers []answer1
	hand := func() error {
		if len(answers) == 0 {
			return nil
		}
		defer func() { answers = nil }()
		return f(key, answers)
	}
	err := tx.Bucket(bucketIntervals1).ForEach(func(k, v []byte) error {
		iv, err := interval1(tx, k, v)
		if err != nil {
			return fmt.Errorf("interval %q: %w", k, err)
		}
		if own := recordKey(iv.ID); !bytes.Equal(own, key) {
			if err := hand(); err != nil {
				return err
			}
			key = own
		}
		answers = append(answers, answer1{iv, seqOf(k[len(k)-8:])})
		return nil
	})
	if err != nil {
		return err
	}
	return hand()
}

// interval1 reads an answer of version 1.
func interval1(tx *bolt.Tx, k, v []byte) (monitor.Interval, error) {
	parts := bytes.SplitN(k[:max(len(k)-8, 0)], []byte{0}, 3)
	if len(parts) != 3 {
		return monitor.Interval{}, errValue
	}
	var row struct {
		From      time.Time       `json:"from"`
		Outcome   resolve.Outcome `json:"outcome"`
		TTL       uint32          `json:"ttl"`
		Content   rrset.Hash      `json:"content,omitzero"`
		Authority bool            `json:"authority,omitempty"`
		Mark      monitor.Mark    `json:"mark,omitempty"`
	}
	if err := json.Unmarshal(v, &row); err != nil {
		return monitor.Interval{}, err
	}
	iv := monitor.Interval{
		ID:     monitor.RecordID{Domain: rrset.Name(parts[0]), Key: string(parts[1])},
		Source: string(bytes.TrimSuffix(parts[2], []byte{0})), Authority: row.Authority,
		From: row.From, Outcome: row.Outcome, TTL: row.TTL, Mark: row.Mark,
	}
	if row.Content == (rrset.Hash{}) {
		return iv, nil
	}
	err := json.Unmarshal(tx.Bucket(bucketContents1).Get(row.Content[:]), &iv.Set)
	return iv, err
}
