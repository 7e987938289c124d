package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
)

// pruneBatch is how many keys one transaction deletes at most, so that sweeps
// never wait long for their turn to write.
const pruneBatch = 2000

// sane is how far ahead of the last sweep the clock may be before nothing is deleted: a
// machine whose clock woke up in another year must not lose its history.
const sane = 400 * 24 * time.Hour

// ErrClock is that the clock cannot be right, so nothing was deleted.
var ErrClock = errors.New("the clock is not believed")

// Retention says how long things are kept; zero means for ever.
type Retention struct {
	// History is for transitions, answers and ended incidents.
	History time.Duration
	// Sweeps is for sweep summaries.
	Sweeps time.Duration
}

// Pruned counts what was deleted.
type Pruned struct{ Transitions, Intervals, Incidents, Sweeps, Audit, Notices, Contents int }

// Prune deletes what is older than keep says. An answer is as old as its end; the newest of each watched record
// and source stays however old it is, since it still holds.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) (Pruned, error) {
	var p Pruned
	if err := s.checkClock(now); err != nil {
		return p, err
	}
	var errs []error
	if keep.History > 0 {
		before := now.Add(-keep.History)
		errs = append(errs,
			s.prune(ctx, bucketTransitions, &p.Transitions, func(_ *bolt.Tx, e, _ entry) bool {
				return atOf[monitor.Transition](e.v, func(t monitor.Transition) time.Time { return t.At }).Before(before)
			}),
			s.prune(ctx, bucketIncidents, &p.Incidents, func(_ *bolt.Tx, e, _ entry) bool {
				return atOf[monitor.Incident](e.v, func(i monitor.Incident) time.Time { return i.Closed }).Before(before)
			}),
			s.prune(ctx, bucketAudit, &p.Audit, func(_ *bolt.Tx, e, _ entry) bool {
				return atOf[monitor.Audit](e.v, func(a monitor.Audit) time.Time { return a.At }).Before(before)
			}),
			s.prune(ctx, bucketNotices, &p.Notices, func(_ *bolt.Tx, e, _ entry) bool {
				return atOf[monitor.Notice](e.v, func(n monitor.Notice) time.Time { return n.At }).Before(before)
			}),
			s.prune(ctx, bucketIntervals, &p.Intervals, func(tx *bolt.Tx, e, next entry) bool {
				return intervalOver(tx, e, next, before)
			}))
		if p.Intervals > 0 {
			errs = append(errs, s.pruneContents(ctx, &p.Contents))
		}
	}
	if keep.Sweeps > 0 {
		before := now.Add(-keep.Sweeps)
		errs = append(errs, s.prune(ctx, bucketSweeps, &p.Sweeps, func(_ *bolt.Tx, e, _ entry) bool {
			return atOf[monitor.SweepSummary](e.v, func(sw monitor.SweepSummary) time.Time { return sw.Started }).Before(before)
		}))
	}
	return p, errors.Join(errs...)
}

// entry is a key with its value; that behind the last one has none.
type entry struct{ k, v []byte }

// series is the part of an interval's key that names the record and source.
func (e entry) series() []byte {
	if len(e.k) < 8 {
		return e.k
	}
	return e.k[:len(e.k)-8]
}

// intervalOver says whether an answer had given way to the next of its series before then, or belongs to a record
// that is no longer watched and is as old.
func intervalOver(tx *bolt.Tx, e, next entry, before time.Time) bool {
	from := func(v []byte) time.Time {
		return atOf[storedInterval](v, func(i storedInterval) time.Time { return i.From })
	}
	if next.k != nil && bytes.Equal(e.series(), next.series()) {
		return from(next.v).Before(before)
	}
	parts := bytes.SplitN(e.series(), []byte{0}, 3)
	if len(parts) != 3 || tx.Bucket(bucketStates).Get(bytes.Join(parts[:2], []byte{0})) != nil {
		return false
	}
	return from(e.v).Before(before)
}

// pruneContents deletes the contents that no answer refers to any more. What is committed meanwhile counts as
// referred to.
func (s *Store) pruneContents(ctx context.Context, n *int) error {
	s.noteContents(true)
	defer s.noteContents(false)
	used := map[rrset.Hash]bool{}
	err := s.view(func(tx *bolt.Tx) error {
		return each(tx.Bucket(bucketIntervals), func(i storedInterval) { used[i.Content] = true })
	})
	if err != nil {
		return err
	}
	return s.prune(ctx, bucketContents, n, func(_ *bolt.Tx, e, _ entry) bool {
		hash := rrset.Hash(e.k)
		return !used[hash] && !s.justUsed(hash)
	})
}

// noteContents begins or ends the noting of contents that are referred to while unused ones are looked for.
func (s *Store) noteContents(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh = nil; on {
		s.fresh = map[rrset.Hash]bool{}
	}
}

func (s *Store) justUsed(h rrset.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fresh[h]
}

// useContents notes the contents that a batch refers to, if they are being noted.
func (s *Store) useContents(intervals []monitor.Interval) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fresh == nil {
		return
	}
	for _, iv := range intervals {
		s.fresh[iv.Set.Hash()] = true
	}
}

// atOf gives the time of a value; what cannot be read is as of now and stays.
func atOf[T any](v []byte, at func(T) time.Time) time.Time {
	var x T
	if json.Unmarshal(v, &x) != nil {
		return time.Now()
	}
	return at(x)
}

// checkClock holds the time against the last sweep that was written.
func (s *Store) checkClock(now time.Time) error {
	last, err := s.Sweeps(context.Background(), Query{Newest: true, Limit: 1})
	if err != nil || len(last) == 0 {
		return err
	}
	if ahead := now.Sub(last[0].Started); ahead < -time.Hour || ahead > sane {
		return fmt.Errorf("%w: it is %s, the last sweep was at %s; nothing was deleted", ErrClock, now.UTC().Format(time.RFC3339), last[0].Started.UTC().Format(time.RFC3339))
	}
	return nil
}

// prune deletes the keys that are old, a batch a transaction. old sees the entry that follows too.
func (s *Store) prune(ctx context.Context, bucket []byte, n *int, old func(tx *bolt.Tx, e, next entry) bool) error {
	var from []byte
	for ctx.Err() == nil {
		done := false
		err := s.update(func(tx *bolt.Tx) error {
			b := tx.Bucket(bucket)
			if b == nil {
				done = true // a database from before there was one
				return nil
			}
			var doomed [][]byte
			c := b.Cursor()
			k, v := c.Seek(from)
			for looked := 0; k != nil && looked < pruneBatch; looked++ {
				e := entry{bytes.Clone(k), v}
				k, v = c.Next()
				if old(tx, e, entry{k, v}) {
					doomed = append(doomed, e.k)
				}
			}
			done, from = k == nil, bytes.Clone(k)
			*n += len(doomed)
			return deleteAll(tx, bucket, doomed)
		})
		if err != nil || done {
			return err
		}
	}
	return ctx.Err()
}

// deleteAll deletes keys, and what the index says of them.
func deleteAll(tx *bolt.Tx, bucket []byte, keys [][]byte) error {
	b := tx.Bucket(bucket)
	for _, k := range keys {
		if bytes.Equal(bucket, bucketTransitions) {
			var t monitor.Transition
			if json.Unmarshal(b.Get(k), &t) == nil {
				if err := tx.Bucket(bucketByRecord).Delete(append(append(recordKey(t.ID), 0), k...)); err != nil {
					return err
				}
			}
		}
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

func sortSeqs(seqs []uint64, newest bool) {
	slices.Sort(seqs)
	if newest {
		slices.Reverse(seqs)
	}
}
