package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/cores"
)

// fill is how full pages are made that are written in order of their keys, as nearly all are.
const fill = 0.95

// Commit writes a batch in one transaction. Transitions get their sequence
// numbers here.
func (s *Store) Commit(ctx context.Context, b monitor.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.commits.Lock()
	defer s.commits.Unlock()
	w, err := s.prepare(b)
	if err == nil {
		err = s.update(w.write)
	}
	if err != nil {
		return fmt.Errorf("write to %s: %w", s.path, err)
	}
	s.names.saved()
	return nil
}

// writing is a batch as it is going to be on disk. Making it takes more time than writing it, so that is done before the
// transaction begins and on all cores; commits holds off whoever else changes what it was made from.
type writing struct {
	batch monitor.Batch
	names *names
	// states and transitions are the values of those of the batch, rows those of the records with answers or
	// transitions, by key.
	states      []pair
	transitions [][]byte
	rows        []*rowWriting
	// ends are what all of them put an end to, in the order of the log.
	ends []endWriting
	// ended and changed are the numbers of the last entries in the logs before the batch.
	ended, changed uint64
}

// pair is a key and its value.
type pair struct{ k, v []byte }

// rowWriting is what a batch brings of one record.
type rowWriting struct {
	id  monitor.RecordID
	key []byte
	// answers are runs of the batch's intervals, changes numbers of its transitions.
	answers [][]monitor.Interval
	changes []int
	// row is the new row, and value how it is written; ends are what ended. fresh says that there was no row before.
	row   row
	value []byte
	ends  []endWriting
	fresh bool
}

// endWriting is an entry of the log of ended answers.
type endWriting struct {
	at    time.Time
	row   *row
	value []byte
}

// endingsOf writes what ended of a record, whose own order stays even if the clock stepped back.
func (n *names) endingsOf(w *row, ends []ending) []endWriting {
	var out []endWriting
	var latest time.Time
	for _, e := range ends {
		if e.at.After(latest) {
			latest = e.at
		}
		out = append(out, endWriting{latest, w, n.appendEnding(nil, 0, e)})
	}
	return out
}

// chain numbers entries in order of their time, from a number on, and chains those of a record.
func chain(ends []endWriting, seq uint64) {
	slices.SortStableFunc(ends, func(x, y endWriting) int { return x.at.Compare(y.at) })
	for _, e := range ends {
		seq++
		setSeq(e.value, 0, e.row.ended)
		e.row.ended = seq
	}
}

func (s *Store) prepare(b monitor.Batch) (*writing, error) {
	w := &writing{
		batch: b, names: &s.names, rows: rowsOf(b),
		states: make([]pair, len(b.States)), transitions: make([][]byte, len(b.Transitions)),
	}
	s.names.learn(b)
	err := s.view(func(tx *bolt.Tx) error {
		w.ended, w.changed = tx.Bucket(bucketEnded).Sequence(), tx.Bucket(bucketTransitions).Sequence()
		return nil
	})
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		s.spread(len(w.states), w.prepareStates),
		s.spread(len(w.transitions), w.prepareTransitions),
		s.spread(len(w.rows), w.prepareRows))
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(w.states, func(x, y pair) int { return bytes.Compare(x.k, y.k) })
	w.number()
	return w, nil
}

// rowsOf gives the records of a batch's answers and transitions, by key.
func rowsOf(b monitor.Batch) []*rowWriting {
	known := map[monitor.RecordID]*rowWriting{}
	var rows []*rowWriting
	of := func(id monitor.RecordID) *rowWriting {
		r, ok := known[id]
		if !ok {
			r = &rowWriting{id: id, key: recordKey(id)}
			known[id] = r
			rows = append(rows, r)
		}
		return r
	}
	for from := 0; from < len(b.Intervals); {
		id, to := b.Intervals[from].ID, from+1
		for to < len(b.Intervals) && b.Intervals[to].ID == id {
			to++
		}
		r := of(id)
		r.answers = append(r.answers, b.Intervals[from:to])
		from = to
	}
	for i := range b.Transitions {
		r := of(b.Transitions[i].ID)
		r.changes = append(r.changes, i)
	}
	slices.SortFunc(rows, func(x, y *rowWriting) int { return bytes.Compare(x.key, y.key) })
	return rows
}

// spread does n things on all cores, each with a range of them and a transaction of its own to read in.
func (s *Store) spread(n int, f func(tx *bolt.Tx, from, to int) error) error {
	return cores.Ranges(n, func(from, to int) error {
		return s.view(func(tx *bolt.Tx) error { return f(tx, from, to) })
	})
}

func (w *writing) prepareStates(_ *bolt.Tx, from, to int) error {
	var scratch []byte
	for i := from; i < to; i++ {
		st := &w.batch.States[i]
		var err error
		if scratch, err = appendState(scratch[:0], st); err != nil {
			return err
		}
		w.states[i] = pair{recordKey(st.ID), bytes.Clone(scratch)}
	}
	return nil
}

func (w *writing) prepareTransitions(_ *bolt.Tx, from, to int) error {
	var scratch []byte
	for i := from; i < to; i++ {
		scratch = w.names.appendTransition(scratch[:0], 0, &w.batch.Transitions[i])
		w.transitions[i] = bytes.Clone(scratch)
	}
	return nil
}

func (w *writing) prepareRows(tx *bolt.Tx, from, to int) error {
	var scratch []byte
	current := tx.Bucket(bucketCurrent)
	for _, r := range w.rows[from:to] {
		had := current.Get(r.key)
		if r.fresh = had == nil; !r.fresh {
			var err error
			if r.row, err = w.names.readRow(r.id, had, nil); err != nil {
				return err
			}
		}
		var ends []ending
		for _, run := range r.answers {
			ends = r.row.apply(run, ends)
		}
		r.ends = w.names.endingsOf(&r.row, ends)
		scratch = w.names.appendRow(scratch[:0], r.row)
		r.value, r.row.last = bytes.Clone(scratch), nil
	}
	return nil
}

// number chains the entries of the logs, now that their numbers are known.
func (w *writing) number() {
	for _, r := range w.rows {
		w.ends = append(w.ends, r.ends...)
	}
	chain(w.ends, w.ended)
	for _, r := range w.rows {
		for _, i := range r.changes {
			setSeq(w.transitions[i], 0, r.row.changed)
			r.row.changed = w.changed + uint64(i) + 1
		}
		setSeq(r.value, 0, r.row.ended)
		setSeq(r.value, 1, r.row.changed)
	}
}

// setSeq writes one of the numbers that follow the format of a row or an entry.
func setSeq(v []byte, which int, seq uint64) { binary.BigEndian.PutUint64(v[1+8*which:], seq) }

func (w *writing) write(tx *writeTx) error {
	b := w.batch
	return errors.Join(
		w.names.save(tx), commitRegistry(tx, b), w.writeStates(tx), w.writeTransitions(tx), w.writeRows(tx), w.writeEnds(tx),
		commitIncidents(tx, b), commitUpkeep(tx, b), commitAudit(tx, b), commitNotices(tx, b), commitSweep(tx, b))
}

func (w *writing) writeStates(tx *writeTx) error {
	bucket, unwatched := tx.Bucket(bucketStates), tx.Bucket(bucketUnwatched)
	bucket.Fill()
	some, _ := unwatched.Cursor().First()
	for _, st := range w.states {
		if err := bucket.Put(st.k, st.v); err != nil {
			return err
		}
		if some != nil {
			if err := unwatched.Delete(st.k); err != nil {
				return err
			}
		}
	}
	for _, id := range w.batch.Removed {
		if err := errors.Join(bucket.Delete(recordKey(id)), unwatched.Put(recordKey(id), nil)); err != nil {
			return err
		}
	}
	if w.batch.Self != nil {
		return putJSON(tx.Bucket(bucketSelf), keySelf, w.batch.Self)
	}
	return nil
}

func (w *writing) writeTransitions(tx *writeTx) error {
	log := tx.Bucket(bucketTransitions)
	log.Fill()
	for i, v := range w.transitions {
		if err := log.Put(seqKey(w.changed+uint64(i)+1), v); err != nil {
			return err
		}
	}
	return log.SetSequence(w.changed + uint64(len(w.transitions)))
}

func (w *writing) writeRows(tx *writeTx) error {
	current, states := tx.Bucket(bucketCurrent), tx.Bucket(bucketStates)
	current.Fill()
	for _, r := range w.rows {
		if err := current.Put(r.key, r.value); err != nil {
			return err
		}
		if r.fresh && states.Get(r.key) == nil {
			if err := tx.Bucket(bucketUnwatched).Put(r.key, nil); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *writing) writeEnds(tx *writeTx) error {
	log := tx.Bucket(bucketEnded)
	log.Fill()
	for i, e := range w.ends {
		if err := log.Put(seqKey(w.ended+uint64(i)+1), e.value); err != nil {
			return err
		}
	}
	return log.SetSequence(w.ended + uint64(len(w.ends)))
}

func commitRegistry(tx *writeTx, b monitor.Batch) error {
	bucket := tx.Bucket(bucketDomains)
	for i := range b.Domains {
		d := &b.Domains[i]
		if err := bucket.Put([]byte(d.Name), writeDomain(d)); err != nil {
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

func commitUpkeep(tx *writeTx, b monitor.Batch) error {
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

func commitAudit(tx *writeTx, b monitor.Batch) error {
	return appendLog(tx, bucketAudit, b.Audit, func(a *monitor.Audit, seq uint64) { a.Seq = seq })
}

func commitNotices(tx *writeTx, b monitor.Batch) error {
	return appendLog(tx, bucketNotices, b.Notices, func(*monitor.Notice, uint64) {})
}

// appendLog appends to a log that the first databases do not have.
func appendLog[T any](tx *writeTx, name []byte, rows []T, number func(row *T, seq uint64)) error {
	if len(rows) == 0 {
		return nil
	}
	bucket, err := tx.CreateBucketIfNotExists(name)
	if err != nil {
		return err
	}
	bucket.Fill()
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

// commitIncidents keeps the ends of incidents; open ones live in their record's state.
func commitIncidents(tx *writeTx, b monitor.Batch) error {
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

func commitSweep(tx *writeTx, b monitor.Batch) error {
	if b.Sweep == nil {
		return nil
	}
	bucket := tx.Bucket(bucketSweeps)
	bucket.Fill()
	seq, err := bucket.NextSequence()
	if err != nil {
		return err
	}
	return putJSON(bucket, seqKey(seq), b.Sweep)
}
