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
const pruneBatch = 500

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
type Pruned struct{ Transitions, Intervals, Incidents, Sweeps, Audit, Notices int }

// Prune deletes what is older than keep says. An answer is as old as its end; the newest of each watched record
// and source stays however old it is, since it still holds. Commits go on meanwhile and wait for no more than a small
// transaction.
func (s *Store) Prune(ctx context.Context, keep Retention, now time.Time) (Pruned, error) {
	var p Pruned
	if err := s.checkClock(now); err != nil {
		return p, err
	}
	var errs []error
	if keep.History > 0 {
		before := now.Add(-keep.History)
		errs = append(errs,
			s.pruneLog(ctx, bucketTransitions, before, now, &p.Transitions, func(v []byte) (time.Time, int, error) {
				r := reader{b: v}
				h := readTransitionHead(&r)
				return h.at, 1, r.err
			}),
			s.pruneLog(ctx, bucketEnded, before, now, &p.Intervals, func(v []byte) (time.Time, int, error) {
				r := reader{b: v}
				h := readEndingHead(&r)
				return h.at, h.answers, r.err
			}),
			s.pruneUnwatched(ctx, before, &p.Intervals),
			s.pruneLog(ctx, bucketIncidents, before, now, &p.Incidents, atOf(func(i monitor.Incident) time.Time { return i.Closed })),
			s.pruneLog(ctx, bucketAudit, before, now, &p.Audit, atOf(func(a monitor.Audit) time.Time { return a.At })),
			s.pruneLog(ctx, bucketNotices, before, now, &p.Notices, atOf(func(n monitor.Notice) time.Time { return n.At })))
	}
	if keep.Sweeps > 0 {
		errs = append(errs, s.pruneLog(ctx, bucketSweeps, now.Add(-keep.Sweeps), now, &p.Sweeps, atOf(func(sw monitor.SweepSummary) time.Time { return sw.Started })))
	}
	return p, errors.Join(errs...)
}

// pruneLog deletes the oldest part of a log, up to the first entry that is young. An entry from a clock that was ahead
// does not protect those behind it; it stays until its time has come. headOf gives the time of an entry and how many
// things it counts for.
//
// What is old is looked for without keeping commits waiting, since nobody but Prune changes what is in a log.
func (s *Store) pruneLog(ctx context.Context, log []byte, before, now time.Time, n *int, headOf func([]byte) (time.Time, int, error)) error {
	o := oldest{before: before, now: now, headOf: headOf}
	for ctx.Err() == nil && !o.done {
		err := s.view(func(tx *bolt.Tx) error { return o.find(tx.Bucket(log)) })
		if err == nil && len(o.keys) > 0 {
			err = s.update(func(tx *writeTx) error { return deleteAll(tx.Bucket(log), o.keys) })
		}
		if err != nil {
			return fmt.Errorf("%s: %w", log, err)
		}
		*n += o.things
	}
	return ctx.Err()
}

// oldest looks for what is old in a log, a batch at a time.
type oldest struct {
	before, now time.Time
	headOf      func([]byte) (time.Time, int, error)
	// keys are those of the batch that are old, and things what they count for; next is where the next batch
	// begins, unless all is done.
	keys   [][]byte
	things int
	next   []byte
	done   bool
}

func (o *oldest) find(log *bolt.Bucket) error {
	o.keys, o.things = nil, 0
	if log == nil {
		o.done = true // a database from before there was one
		return nil
	}
	c := log.Cursor()
	k, v := c.Seek(o.next)
	for looked := 0; k != nil && looked < pruneBatch && !o.done; looked++ {
		at, things, err := o.headOf(v)
		switch {
		case err != nil:
			return fmt.Errorf("%x: %w", k, err)
		case at.Before(o.before):
			o.keys, o.things = append(o.keys, bytes.Clone(k)), o.things+things
		default:
			o.done = !at.After(o.now)
		}
		k, v = c.Next()
	}
	o.done, o.next = o.done || k == nil, bytes.Clone(k)
	return nil
}

func deleteAll(b *writeBucket, keys [][]byte) error {
	for _, k := range keys {
		if err := b.Delete(k); err != nil {
			return err
		}
	}
	return nil
}

// pruneUnwatched deletes what sources said last of records that nobody watches any more, once it is old, and the row
// when nothing is left that it leads to.
func (s *Store) pruneUnwatched(ctx context.Context, before time.Time, n *int) error {
	var from []byte
	for ctx.Err() == nil {
		done, err := s.pruneRows(before, &from, n)
		if err != nil || done {
			return err
		}
	}
	return ctx.Err()
}

// pruneRows does a batch of rows, from a key on.
func (s *Store) pruneRows(before time.Time, from *[]byte, n *int) (done bool, err error) {
	s.commits.Lock()
	defer s.commits.Unlock()
	err = s.update(func(tx *writeTx) error {
		c := tx.Bucket(bucketUnwatched).Cursor()
		var keys [][]byte
		k, _ := c.Seek(*from)
		for ; k != nil && len(keys) < pruneBatch; k, _ = c.Next() {
			keys = append(keys, bytes.Clone(k))
		}
		done, *from = k == nil, bytes.Clone(k)
		for _, k := range keys {
			if err := s.pruneRow(tx, k, before, n); err != nil {
				return err
			}
		}
		return nil
	})
	return done, err
}

func (s *Store) pruneRow(tx *writeTx, k []byte, before time.Time, n *int) error {
	current, unwatched := tx.Bucket(bucketCurrent), tx.Bucket(bucketUnwatched)
	v := current.Get(k)
	if v == nil {
		return unwatched.Delete(k) // it was never heard of
	}
	w, err := s.readRowOf(k, v, nil)
	if err != nil {
		return err
	}
	had := len(w.last)
	w.last = slices.DeleteFunc(w.last, func(iv monitor.Interval) bool { return iv.From.Before(before) })
	*n += had - len(w.last)
	leads := tx.Bucket(bucketEnded).Get(seqKey(w.ended)) != nil || tx.Bucket(bucketTransitions).Get(seqKey(w.changed)) != nil
	switch {
	case len(w.last) == 0 && !leads:
		return errors.Join(current.Delete(k), unwatched.Delete(k))
	case len(w.last) < had:
		return current.Put(k, s.names.appendRow(nil, w))
	}
	return nil
}

// atOf reads the time of a JSON value. What cannot be read is as of now and stays.
func atOf[T any](at func(T) time.Time) func(v []byte) (time.Time, int, error) {
	return func(v []byte) (time.Time, int, error) {
		var x T
		when := time.Now()
		if err := json.Unmarshal(v, &x); err == nil {
			when = at(x)
		}
		return when, 1, nil
	}
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
