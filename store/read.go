package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/cores"
	"maildrift/monitor/rrset"
)

// closedFor is how far back ended incidents are loaded at start.
const closedFor = 24 * time.Hour

// Load gives all that was committed, for the engine to start from.
func (s *Store) Load(ctx context.Context) (monitor.Memory, error) {
	var m monitor.Memory
	err := s.view(func(tx *bolt.Tx) error {
		var err error
		if m.Domains, err = all(s.path, tx.Bucket(bucketDomains), readDomain); err != nil {
			return err
		}
		if b := tx.Bucket(bucketUpkeep); b != nil {
			if m.Upkeep, err = all(s.path, b, readJSON[monitor.Upkeep]); err != nil {
				return err
			}
		}
		if self := tx.Bucket(bucketSelf).Get(keySelf); self != nil {
			if err := json.Unmarshal(self, &m.Self); err != nil {
				return fmt.Errorf("the monitor's own state: %w", err)
			}
		}
		return loadClosed(tx, &m)
	})
	m.Records, m.LastSweeps = s.records, s.lastSweeps
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return monitor.Memory{}, fmt.Errorf("read %s: %w", s.path, err)
	}
	return m, nil
}

// all reads all values of a bucket, in the order of their keys, on all cores: a fleet whose domains were registered at run
// time has a hundred thousand specs. Each core has an interner.
func all[T any](path string, b *bolt.Bucket, read func(k, v []byte, in *interner) (T, error)) ([]T, error) {
	var pairs []pair
	err := b.ForEach(func(k, v []byte) error {
		pairs = append(pairs, pair{k, v})
		return nil
	})
	if err != nil || len(pairs) == 0 {
		return nil, err
	}
	out := make([]T, len(pairs))
	err = cores.Ranges(len(pairs), func(from, to int) error {
		return guard(path, func() error {
			in := newInterner()
			for i := from; i < to; i++ {
				var err error
				if out[i], err = read(pairs[i].k, pairs[i].v, in); err != nil {
					return err
				}
			}
			return nil
		})
	})
	return out, err
}

// readJSON reads a value that is kept as JSON.
func readJSON[T any](k, v []byte, _ *interner) (value T, err error) {
	if err := json.Unmarshal(v, &value); err != nil {
		return value, fmt.Errorf("value of %q: %w", k, err)
	}
	return value, nil
}

func loadClosed(tx *bolt.Tx, m *monitor.Memory) error {
	since := binary.BigEndian.AppendUint64(nil, uint64(time.Now().Add(-closedFor).UnixNano()))
	c := tx.Bucket(bucketIncidents).Cursor()
	for k, v := c.Seek(since); k != nil; k, v = c.Next() {
		var in monitor.Incident
		if err := json.Unmarshal(v, &in); err != nil {
			return fmt.Errorf("incident %q: %w", k, err)
		}
		m.Closed = append(m.Closed, in)
	}
	return nil
}

// readRowOf reads the row with that key.
func (s *Store) readRowOf(k, v []byte, in *interner) (row, error) {
	r := reader{in: in}
	id := r.recordID(k)
	if err := r.end(); err != nil {
		return row{}, fmt.Errorf("key %q: %w", k, err)
	}
	return s.names.readRow(id, v, in)
}

// Query selects a part of history.
type Query struct {
	// Domain and Record narrow it down; empty means all.
	Domain rrset.Name
	Record string
	// Since and Until bound it in time; zero means no bound.
	Since, Until time.Time
	// Limit is the most entries; 0 means 1,000.
	Limit int
	// Newest gives the newest entries first.
	Newest bool
	// Lasting also gives answers that began before Since and lasted until then.
	Lasting bool
}

func (q Query) limit() int {
	if q.Limit <= 0 {
		return 1000
	}
	return q.Limit
}

func (q Query) holds(at time.Time) bool {
	return (q.Since.IsZero() || !at.Before(q.Since)) && (q.Until.IsZero() || at.Before(q.Until))
}

// rows gives the rows of current that a query selects, in order of their keys.
func (s *Store) rows(tx *bolt.Tx, q Query, f func(id monitor.RecordID, w row) (bool, error)) error {
	var prefix []byte
	if q.Domain != "" {
		prefix = append([]byte(q.Domain), 0)
	}
	if q.Domain != "" && q.Record != "" {
		prefix = append(prefix, q.Record...)
	}
	return walk(tx.Bucket(bucketCurrent).Cursor(), prefix, false, func(k, v []byte) (bool, error) {
		r := reader{}
		id := r.recordID(k)
		if q.Record != "" && id.Key != q.Record {
			return true, r.end()
		}
		w, err := s.readRowOf(k, v, nil)
		if err != nil {
			return false, err
		}
		return f(id, w)
	})
}

// Transitions gives the changes that a query selects, in order of time, or the
// newest first.
func (s *Store) Transitions(ctx context.Context, q Query) ([]monitor.Transition, error) {
	var out []monitor.Transition
	err := s.view(func(tx *bolt.Tx) error {
		log := tx.Bucket(bucketTransitions)
		take := func(seq uint64, v []byte) (bool, error) {
			t, err := s.names.readTransition(seq, v)
			if err != nil {
				return false, err
			}
			if q.holds(t.At) && (q.Record == "" || t.ID.Key == q.Record) {
				out = append(out, t)
			}
			return len(out) < q.limit() && ctx.Err() == nil, nil
		}
		if q.Domain == "" {
			return walk(log.Cursor(), nil, q.Newest, func(k, v []byte) (bool, error) { return take(seqOf(k), v) })
		}
		seqs, err := s.seqsOf(tx, q)
		for _, seq := range seqs {
			if more, err := take(seq, log.Get(seqKey(seq))); err != nil || !more {
				return err
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read history: %w", err)
	}
	return out, ctx.Err()
}

// walk goes over the keys with a prefix, forwards or backwards, until f says stop.
func walk(c *bolt.Cursor, prefix []byte, backwards bool, f func(k, v []byte) (bool, error)) error {
	k, v := c.Seek(prefix)
	next := c.Next
	if backwards {
		k, v = seekLast(c, prefix)
		next = c.Prev
	}
	for ; k != nil && bytes.HasPrefix(k, prefix); k, v = next() {
		more, err := f(k, v)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// seekLast goes to the last key with a prefix, or to some key without it if
// there is none.
func seekLast(c *bolt.Cursor, prefix []byte) (k, v []byte) {
	if prefix == nil {
		return c.Last()
	}
	if k, _ = c.Seek(append(bytes.Clone(prefix), 0xff)); k == nil {
		return c.Last()
	}
	return c.Prev()
}

// seqsOf gives the numbers of the transitions that a query selects, in order.
func (s *Store) seqsOf(tx *bolt.Tx, q Query) ([]uint64, error) {
	var seqs []uint64
	err := s.rows(tx, q, func(_ monitor.RecordID, w row) (more bool, err error) {
		seqs, err = appendChanges(seqs, tx, w.changed)
		return true, err
	})
	slices.Sort(seqs)
	if q.Newest {
		slices.Reverse(seqs)
	}
	return seqs, err
}

// appendChanges adds the numbers of a record's transitions that are kept, from the newest back.
func appendChanges(seqs []uint64, tx *bolt.Tx, newest uint64) ([]uint64, error) {
	log := tx.Bucket(bucketTransitions)
	for seq := newest; seq != 0; {
		v := log.Get(seqKey(seq))
		if v == nil {
			break // it was pruned, and all before it
		}
		r := reader{b: v}
		before := readTransitionHead(&r).before
		if r.err == nil && before >= seq {
			r.fail()
		}
		if r.err != nil {
			return seqs, fmt.Errorf("transition %d: %w", seq, r.err)
		}
		seqs, seq = append(seqs, seq), before
	}
	return seqs, nil
}

// seqOf reads the key of a log. What is too short for one is none.
func seqOf(k []byte) uint64 {
	r := reader{b: k}
	return r.seq()
}

// Intervals gives the answers that a query selects, by record and source. With Lasting it also gives what began before
// Since and lasted until then.
func (s *Store) Intervals(ctx context.Context, q Query) ([]monitor.Interval, error) {
	var out []monitor.Interval
	in := newInterner()
	err := s.view(func(tx *bolt.Tx) error {
		return s.rows(tx, q, func(id monitor.RecordID, w row) (bool, error) {
			answers, err := s.answersOf(tx, id, w, in)
			if err != nil {
				return false, err
			}
			out = slices.Grow(out, len(answers))
			for i, iv := range answers {
				next := monitor.Interval{}
				if i+1 < len(answers) && answers[i+1].Source == iv.Source {
					next = answers[i+1]
				}
				if q.selects(iv, next) {
					out = append(out, iv)
				}
				if len(out) >= q.limit() {
					return false, nil
				}
			}
			return ctx.Err() == nil, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read answers: %w", err)
	}
	return out, ctx.Err()
}

// selects says whether a query is for an answer that lasted until the next, which has no source if there is none.
func (q Query) selects(iv, next monitor.Interval) bool {
	if q.Since.IsZero() || !iv.From.Before(q.Since) {
		return q.holds(iv.From)
	}
	return q.Lasting && (next.Source == "" || next.From.After(q.Since))
}

// Sweeps gives the sweep summaries that a query selects; domain and record play
// no part.
func (s *Store) Sweeps(ctx context.Context, q Query) ([]monitor.SweepSummary, error) {
	return readLog(ctx, s, bucketSweeps, q, func(sw monitor.SweepSummary) bool { return q.holds(sw.Started) })
}

// Audit gives what people did, as a query selects it.
func (s *Store) Audit(ctx context.Context, q Query) ([]monitor.Audit, error) {
	return readLog(ctx, s, bucketAudit, q, func(a monitor.Audit) bool {
		return q.holds(a.At) && (q.Domain == "" || a.Domain == q.Domain) && (q.Record == "" || a.Record == q.Record)
	})
}

// Notices gives what receivers were told, as a query selects it; a message counts for a domain or record if it names
// that.
func (s *Store) Notices(ctx context.Context, q Query) ([]monitor.Notice, error) {
	return readLog(ctx, s, bucketNotices, q, func(n monitor.Notice) bool {
		return q.holds(n.At) && (q.Domain == "" || slices.ContainsFunc(n.About, func(a monitor.NoticeAbout) bool {
			return a.Domain == q.Domain && (q.Record == "" || a.Record == q.Record)
		}))
	})
}

// readLog gives the rows of a log that are wanted, in the order in which they were written, or backwards.
func readLog[T any](ctx context.Context, s *Store, name []byte, q Query, wanted func(T) bool) ([]T, error) {
	var out []T
	err := s.view(func(tx *bolt.Tx) error {
		b := tx.Bucket(name)
		if b == nil {
			return nil // the first databases do not have all
		}
		return walk(b.Cursor(), nil, q.Newest, func(_, v []byte) (bool, error) {
			var row T
			if err := json.Unmarshal(v, &row); err != nil {
				return false, err
			}
			if wanted(row) {
				out = append(out, row)
			}
			return len(out) < q.limit() && ctx.Err() == nil, nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return out, ctx.Err()
}
