package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// closedFor is how far back ended incidents are loaded at start.
const closedFor = 24 * time.Hour

// Load gives all that was committed, for the engine to start from.
func (s *Store) Load(ctx context.Context) (monitor.Memory, error) {
	var m monitor.Memory
	err := s.view(func(tx *bolt.Tx) error {
		if err := each(tx.Bucket(bucketStates), func(st *monitor.RecordState) { m.States = append(m.States, st) }); err != nil {
			return err
		}
		if err := each(tx.Bucket(bucketDomains), func(d monitor.StoredDomain) { m.Domains = append(m.Domains, d) }); err != nil {
			return err
		}
		if b := tx.Bucket(bucketUpkeep); b != nil {
			if err := each(b, func(u monitor.Upkeep) { m.Upkeep = append(m.Upkeep, u) }); err != nil {
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
	m.LastSeen = s.lastSeen
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		return monitor.Memory{}, fmt.Errorf("read %s: %w", s.path, err)
	}
	return m, nil
}

// each decodes all values of a bucket.
func each[T any](b *bolt.Bucket, f func(T)) error {
	return b.ForEach(func(k, v []byte) error {
		var x T
		if err := json.Unmarshal(v, &x); err != nil {
			return fmt.Errorf("value of %q: %w", k, err)
		}
		f(x)
		return nil
	})
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

// lastSeen gives the newest interval of each record and source: the last of
// each run of keys that differ in their sequence number only.
func (s *Store) lastSeen(take func(monitor.Interval)) error {
	return s.view(func(tx *bolt.Tx) error { return lastOfEach(tx, take) })
}

func lastOfEach(tx *bolt.Tx, take func(monitor.Interval)) error {
	var last monitor.Interval
	var series []byte
	err := tx.Bucket(bucketIntervals).ForEach(func(k, v []byte) error {
		iv, err := decodeInterval(tx, k, v)
		if err != nil {
			return err
		}
		if own := k[:len(k)-8]; !bytes.Equal(own, series) {
			if series != nil {
				take(last)
			}
			series = bytes.Clone(own)
		}
		last = iv
		return nil
	})
	if err == nil && series != nil {
		take(last)
	}
	return err
}

var errKey = errors.New("malformed key")

func decodeInterval(tx *bolt.Tx, k, v []byte) (monitor.Interval, error) {
	if len(k) < 8 {
		return monitor.Interval{}, fmt.Errorf("interval %q: %w", k, errKey)
	}
	parts := bytes.SplitN(k[:len(k)-8], []byte{0}, 3)
	if len(parts) != 3 {
		return monitor.Interval{}, fmt.Errorf("interval %q: %w", k, errKey)
	}
	var sv storedInterval
	if err := json.Unmarshal(v, &sv); err != nil {
		return monitor.Interval{}, fmt.Errorf("interval %q: %w", k, err)
	}
	iv := monitor.Interval{
		ID:     monitor.RecordID{Domain: rrset.Name(parts[0]), Key: string(parts[1])},
		Source: string(bytes.TrimSuffix(parts[2], []byte{0})), From: sv.From, TTL: sv.TTL,
		Authority: sv.Authority, Mark: sv.Mark,
	}
	var outcome resolve.Outcome
	if err := outcome.UnmarshalText([]byte(sv.Outcome)); err != nil {
		return iv, fmt.Errorf("interval %q: %w", k, err)
	}
	iv.Outcome = outcome
	if sv.Content != (rrset.Hash{}) {
		if err := json.Unmarshal(tx.Bucket(bucketContents).Get(sv.Content[:]), &iv.Set); err != nil {
			return iv, fmt.Errorf("content %s: %w", sv.Content, err)
		}
	}
	return iv, nil
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

// prefix is the beginning of the keys of a domain, or of one of its records.
func (q Query) prefix() []byte {
	if q.Domain == "" {
		return nil
	}
	p := append([]byte(q.Domain), 0)
	if q.Record != "" {
		p = append(append(p, q.Record...), 0)
	}
	return p
}

// Transitions gives the changes that a query selects, in order of time, or the
// newest first.
func (s *Store) Transitions(ctx context.Context, q Query) ([]monitor.Transition, error) {
	var out []monitor.Transition
	err := s.view(func(tx *bolt.Tx) error {
		log := tx.Bucket(bucketTransitions)
		take := func(v []byte) (bool, error) {
			var t monitor.Transition
			if err := json.Unmarshal(v, &t); err != nil {
				return false, err
			}
			if q.holds(t.At) && (q.Record == "" || t.ID.Key == q.Record) {
				out = append(out, t)
			}
			return len(out) < q.limit() && ctx.Err() == nil, nil
		}
		if q.Domain == "" {
			return walk(log.Cursor(), nil, q.Newest, func(_, v []byte) (bool, error) { return take(v) })
		}
		seqs, err := seqsOf(tx.Bucket(bucketByRecord), q)
		for _, seq := range seqs {
			if err != nil {
				break
			}
			var more bool
			if more, err = take(log.Get(seqKey(seq))); !more {
				break
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

// seqsOf gives the numbers of a domain's transitions in order.
func seqsOf(index *bolt.Bucket, q Query) ([]uint64, error) {
	var seqs []uint64
	err := walk(index.Cursor(), q.prefix(), false, func(k, _ []byte) (bool, error) {
		seqs = append(seqs, binary.BigEndian.Uint64(k[len(k)-8:]))
		return true, nil
	})
	sortSeqs(seqs, q.Newest)
	return seqs, err
}

// Intervals gives the answers that a query selects, by record and source. With Lasting it also gives what began before
// Since and lasted until then.
func (s *Store) Intervals(ctx context.Context, q Query) ([]monitor.Interval, error) {
	var out []monitor.Interval
	err := s.view(func(tx *bolt.Tx) error {
		take := func(e entry) error {
			iv, err := decodeInterval(tx, e.k, e.v)
			out = append(out, iv)
			return err
		}
		// earlier is the entry before, if that began before Since.
		var earlier entry
		err := walk(tx.Bucket(bucketIntervals).Cursor(), q.prefix(), false, func(k, v []byte) (bool, error) {
			here := entry{k, v}
			from := atOf[storedInterval](v, func(i storedInterval) time.Time { return i.From })
			if q.Lasting && earlier.k != nil && (!bytes.Equal(earlier.series(), here.series()) || from.After(q.Since)) {
				if err := take(earlier); err != nil {
					return false, err
				}
			}
			earlier = entry{}
			switch {
			case from.Before(q.Since):
				earlier = here
			case q.holds(from):
				if err := take(here); err != nil {
					return false, err
				}
			}
			return len(out) < q.limit() && ctx.Err() == nil, nil
		})
		if err == nil && q.Lasting && earlier.k != nil {
			err = take(earlier)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read answers: %w", err)
	}
	return out, ctx.Err()
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
