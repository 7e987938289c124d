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
type Pruned struct{ Transitions, Intervals, Incidents, Sweeps int }

// Prune deletes what is older than keep says. The newest answer of each record
// and source stays however old it is: it still holds.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) (Pruned, error) {
	var p Pruned
	if err := s.checkClock(now); err != nil {
		return p, err
	}
	var errs []error
	if keep.History > 0 {
		before := now.Add(-keep.History)
		errs = append(errs,
			s.prune(ctx, bucketTransitions, &p.Transitions, func(_, v, _ []byte) bool {
				return atOf[monitor.Transition](v, func(t monitor.Transition) time.Time { return t.At }).Before(before)
			}),
			s.prune(ctx, bucketIncidents, &p.Incidents, func(_, v, _ []byte) bool {
				return atOf[monitor.Incident](v, func(i monitor.Incident) time.Time { return i.Closed }).Before(before)
			}),
			s.prune(ctx, bucketIntervals, &p.Intervals, func(k, v, next []byte) bool {
				superseded := next != nil && bytes.Equal(k[:len(k)-8], next[:len(next)-8])
				return superseded && atOf[storedInterval](v, func(i storedInterval) time.Time { return i.From }).Before(before)
			}))
	}
	if keep.Sweeps > 0 {
		before := now.Add(-keep.Sweeps)
		errs = append(errs, s.prune(ctx, bucketSweeps, &p.Sweeps, func(_, v, _ []byte) bool {
			return atOf[monitor.SweepSummary](v, func(sw monitor.SweepSummary) time.Time { return sw.Started }).Before(before)
		}))
	}
	return p, errors.Join(errs...)
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

// prune deletes the keys that are old, a batch a transaction. old sees the key
// that follows too.
func (s *Store) prune(ctx context.Context, bucket []byte, n *int, old func(k, v, next []byte) bool) error {
	var from []byte
	for ctx.Err() == nil {
		done := false
		err := s.update(func(tx *bolt.Tx) error {
			var doomed [][]byte
			b := tx.Bucket(bucket)
			c := b.Cursor()
			k, v := c.Seek(from)
			for looked := 0; k != nil && looked < pruneBatch; looked++ {
				key, value := bytes.Clone(k), v
				var next []byte
				k, v = c.Next()
				next = k
				if old(key, value, next) {
					doomed = append(doomed, key)
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
