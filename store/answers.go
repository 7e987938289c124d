package store

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// row is what is known of one record now, and where its history begins.
type row struct {
	// ended and changed are the numbers of its newest entries in the logs of ended answers and of transitions; 0
	// without one. The entry may be gone, since logs are pruned from their oldest end.
	ended, changed uint64
	// last is the last answer of each source, by source.
	last []monitor.Interval
}

// ending are answers of one record that ended at the same time.
type ending struct {
	at      time.Time
	answers []monitor.Interval
}

// endingsLook is how many of a record's endings are looked through for one of the same time.
const endingsLook = 64

// apply takes in new answers, in the order in which they were given. What they put an end to is added to the endings:
// together what ended at the same time, and in the order of time for each source.
func (w *row) apply(answers []monitor.Interval, ends []ending) []ending {
	if w.last == nil {
		w.last = make([]monitor.Interval, 0, len(answers))
	}
	for _, iv := range answers {
		i, found := slices.BinarySearchFunc(w.last, iv.Source, func(had monitor.Interval, source string) int {
			return strings.Compare(had.Source, source)
		})
		if !found {
			w.last = slices.Insert(w.last, i, iv)
			continue
		}
		ends = end(ends, w.last[i], iv.From)
		w.last[i] = iv
	}
	return ends
}

// end adds an answer to the ending of its time. An earlier ending is taken as long as none after it has an answer of
// the same source.
func end(ends []ending, iv monitor.Interval, at time.Time) []ending {
	for i := len(ends) - 1; i >= max(0, len(ends)-endingsLook); i-- {
		if ends[i].at.Equal(at) {
			ends[i].answers = append(ends[i].answers, iv)
			return ends
		}
		if slices.ContainsFunc(ends[i].answers, func(o monitor.Interval) bool { return o.Source == iv.Source }) {
			break
		}
	}
	return append(ends, ending{at, []monitor.Interval{iv}})
}

// appendRow writes a row.
func (n *names) appendRow(b []byte, w row) []byte {
	b = append(b, valueFormat)
	b = binary.BigEndian.AppendUint64(b, w.ended)
	b = binary.BigEndian.AppendUint64(b, w.changed)
	return n.appendAnswers(b, w.last, epoch)
}

func (n *names) readRow(id monitor.RecordID, v []byte, in *interner) (row, error) {
	return n.readRowInto(id, v, in, nil)
}

// readRowInto is readRow into the memory of answers that are not needed any more.
func (n *names) readRowInto(id monitor.RecordID, v []byte, in *interner, into []monitor.Interval) (row, error) {
	r := reader{b: v, in: in}
	r.format()
	w := row{ended: r.seq(), changed: r.seq()}
	w.last = n.readAnswers(&r, id, epoch, into)
	if err := r.end(); err != nil {
		return row{}, fmt.Errorf("what is known of %s: %w", id, err)
	}
	return w, nil
}

// appendEnding writes an entry of the log of ended answers; before is the number of the record's entry before it.
func (n *names) appendEnding(b []byte, before uint64, e ending) []byte {
	b = append(b, valueFormat)
	b = binary.BigEndian.AppendUint64(b, before)
	return n.appendAnswers(appendTime(b, e.at, epoch), e.answers, e.at)
}

// endingHead is the part of an entry that pruning has to know.
type endingHead struct {
	before  uint64
	at      time.Time
	answers int
}

func readEndingHead(r *reader) endingHead {
	r.format()
	h := endingHead{before: r.seq(), at: r.time(epoch)}
	ahead := *r
	h.answers = ahead.count()
	return h
}

func (n *names) readEnding(id monitor.RecordID, v []byte, in *interner) (before uint64, e ending, err error) {
	r := reader{b: v, in: in}
	h := readEndingHead(&r)
	e = ending{h.at, n.readAnswers(&r, id, h.at, nil)}
	if err := r.end(); err != nil {
		return 0, ending{}, fmt.Errorf("ended answers of %s: %w", id, err)
	}
	return h.before, e, nil
}

// appendAnswers writes answers of one record: how many, their different contents, and the answers themselves.
func (n *names) appendAnswers(b []byte, answers []monitor.Interval, base time.Time) []byte {
	b = binary.AppendUvarint(b, uint64(len(answers)))
	var known [16]rrset.Set
	contents := known[:0]
	for i := range answers {
		if set := answers[i].Set; !set.Empty() && !slices.ContainsFunc(contents, set.Equal) {
			contents = append(contents, set)
		}
	}
	b = binary.AppendUvarint(b, uint64(len(contents)))
	for _, set := range contents {
		b = appendSet(b, set)
	}
	for i := range answers {
		b = n.appendAnswer(b, &answers[i], contents, base)
		base = answers[i].From
	}
	return b
}

// What an answer's first number tells beside the outcome.
const (
	answerAuthority = 1 << iota
	answerMarked
	answerOutcome
)

func (n *names) appendAnswer(b []byte, iv *monitor.Interval, contents []rrset.Set, base time.Time) []byte {
	b = n.append(b, iv.Source)
	head := uint64(iv.Outcome) * answerOutcome
	if iv.Authority {
		head |= answerAuthority
	}
	if iv.Mark != "" {
		head |= answerMarked
	}
	b = binary.AppendUvarint(b, head)
	if iv.Mark != "" {
		b = appendText(b, iv.Mark)
	}
	b = appendTime(b, iv.From, base)
	b = binary.AppendUvarint(b, uint64(iv.TTL))
	return binary.AppendUvarint(b, uint64(1+slices.IndexFunc(contents, iv.Set.Equal))) // 0 is none
}

func (n *names) readAnswers(r *reader, id monitor.RecordID, base time.Time, into []monitor.Interval) []monitor.Interval {
	count := r.count()
	answers := slices.Grow(into[:0], count)[:count]
	var few [4]rrset.Set
	contents := few[:1]
	for range r.count() {
		contents = append(contents, r.set())
	}
	for i := range answers {
		iv := &answers[i]
		*iv = monitor.Interval{ID: id, Source: n.read(r)}
		n.readAnswer(r, iv, contents, base)
		base = iv.From
	}
	return answers
}

func (n *names) readAnswer(r *reader, iv *monitor.Interval, contents []rrset.Set, base time.Time) {
	head := r.uint()
	if head/answerOutcome > uint64(lastOutcome) {
		r.fail()
		return
	}
	iv.Outcome, iv.Authority = resolve.Outcome(head/answerOutcome), head&answerAuthority != 0
	if head&answerMarked != 0 {
		iv.Mark = monitor.Mark(r.text())
	}
	iv.From, iv.TTL = r.time(base), r.uint32()
	if i := r.uint(); i < uint64(len(contents)) {
		iv.Set = contents[i]
	} else {
		r.fail()
	}
}

// answersOf gives all answers of a record that are kept: by source, then in the order in which they were given.
func (s *Store) answersOf(tx *bolt.Tx, id monitor.RecordID, w row, in *interner) ([]monitor.Interval, error) {
	groups := [][]monitor.Interval{w.last}
	log := tx.Bucket(bucketEnded)
	for seq := w.ended; seq != 0; {
		v := log.Get(seqKey(seq))
		if v == nil {
			break // it was pruned, and all before it
		}
		before, e, err := s.names.readEnding(id, v, in)
		if err != nil {
			return nil, err
		}
		if before >= seq {
			return nil, fmt.Errorf("ended answers of %s: %w: entry %d comes after %d", id, errValue, seq, before)
		}
		groups, seq = append(groups, e.answers), before
	}
	return bySource(groups), nil
}

// bySource puts answers that come in groups, the newest first, in order of their sources, and for each source the
// oldest first.
func bySource(groups [][]monitor.Interval) []monitor.Interval {
	next := map[string]int{}
	for _, g := range groups {
		for i := range g {
			next[g[i].Source]++
		}
	}
	total := 0
	for _, source := range slices.Sorted(maps.Keys(next)) {
		count := next[source]
		next[source] = total
		total += count
	}
	out := make([]monitor.Interval, total)
	for _, g := range slices.Backward(groups) {
		for i := range g {
			at := next[g[i].Source]
			out[at], next[g[i].Source] = g[i], at+1
		}
	}
	return out
}
