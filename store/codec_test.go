package store

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// numbers gives the names of an enum's values by their numbers, up to the last one.
func numbers[T interface {
	~uint8
	fmt.Stringer
}](last T) string {
	var out []string
	for v := T(0); v <= last; v++ {
		out = append(out, v.String())
	}
	return strings.Join(out, " ")
}

// beyond says whether an enum has a value behind its last one.
func beyond(v fmt.Stringer) (is bool) {
	defer func() { is = recover() == nil }()
	return v.String() != ""
}

// The numbers of enums are on disk. If this fails because a value is new, it must be the last one, and enums.go must say
// so; if it fails because of another order, no database could be read any more.
func TestNumbersOnDisk(t *testing.T) {
	for _, tt := range []struct {
		got, want string
		next      fmt.Stringer
	}{
		{numbers(lastPhase), "pending verified overdue", lastPhase + 1},
		{numbers(lastVerdict), "unjudged holding disagreeing drifted missing blind", lastVerdict + 1},
		{numbers(lastStage), "none authority receivers recovering", lastStage + 1},
		{numbers(lastAuthority), "unasked silent good wrong split", lastAuthority + 1},
		{numbers(lastStand), "unheard good differs absent abstains bogus", lastStand + 1},
		{numbers(lastOutcome), "answer nodata nxdomain elsewhere timeout servfail refused other_rcode mismatch malformed truncated lame filtered stale network local", lastOutcome + 1},
		{numbers(lastKind), "ownership spf dkim dmarc mx cname ns txt a aaaa ptr mta-sts tls-rpt bimi", lastKind + 1},
		{numbers(lastMatch), "equal contains captured present maintained", lastMatch + 1},
		{numbers(lastClass), "same differs absent", lastClass + 1},
		{numbers(lastImpact), "none weakened degraded rejected", lastImpact + 1},
		{numbers(lastRelation), "same cosmetic tightened weakened broken", lastRelation + 1},
	} {
		if tt.got != tt.want {
			t.Errorf("on disk: %s; now: %s", tt.want, tt.got)
		}
		if beyond(tt.next) {
			t.Errorf("%s is not written", tt.next)
		}
	}
}

// fillIn gives every field that is exported and written, however deep, a value of its own.
func fillIn(v reflect.Value, n *int) {
	*n++
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = day.Add(time.Duration(*n) * time.Second)
		return
	case *rrset.Set:
		*at = txt(fmt.Sprint("text ", *n))
		return
	case *rrset.Hash:
		*at = rrset.Hash{byte(*n), 1}
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			if v.Type().Field(i).IsExported() && v.Type().Field(i).Tag.Get("json") != "-" {
				fillIn(v.Field(i), n)
			}
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fillIn(v.Index(0), n)
		fillIn(v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fillIn(v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fillIn(v.Elem(), n)
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		fillIn(key, n)
		fillIn(value, n)
		v.SetMapIndex(key, value)
	case reflect.String:
		v.SetString(fmt.Sprint("text-", *n))
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Uint8:
		v.SetUint(1) // enums: all have a second value
	case reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(*n))
	default:
		panic(v.Type())
	}
}

// A field that somebody adds comes back, or this fails.
func TestEveryFieldComesBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	var n int
	var st monitor.RecordState
	fillIn(reflect.ValueOf(&st).Elem(), &n)
	var tr monitor.Transition
	fillIn(reflect.ValueOf(&tr).Elem(), &n)
	var iv monitor.Interval
	fillIn(reflect.ValueOf(&iv).Elem(), &n)
	later := iv
	later.From = later.From.Add(time.Hour)
	commit(t, s, monitor.Batch{States: []monitor.RecordState{st}, Transitions: []monitor.Transition{tr}, Intervals: []monitor.Interval{iv, later}})
	_ = s.Close()
	s = open(t, path)
	m, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]*monitor.RecordState{&st}, states(t, m)); diff != "" {
		t.Errorf("state (-kept +came back):\n%s", diff)
	}
	tr.Seq = 1
	ts, err := s.Transitions(ctx, Query{})
	if diff := cmp.Diff([]monitor.Transition{tr}, ts); err != nil || diff != "" {
		t.Errorf("transition, %v (-kept +came back):\n%s", err, diff)
	}
	ivs, err := s.Intervals(ctx, Query{})
	if diff := cmp.Diff([]monitor.Interval{iv, later}, ivs); err != nil || diff != "" {
		t.Errorf("answers, %v (-kept +came back):\n%s", err, diff)
	}
}

func TestTimes(t *testing.T) {
	for _, at := range []time.Time{
		{}, day, epoch, day.Add(1), day.Add(-time.Nanosecond), time.Unix(0, 0).UTC(), time.Date(1, 1, 1, 0, 0, 0, 1, time.UTC),
		time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC), day.In(time.FixedZone("", 8*3600)),
	} {
		for _, base := range []time.Time{{}, day, epoch, time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)} {
			r := reader{b: appendTime(nil, at, base)}
			if got := r.time(base.UTC()); !got.Equal(at) || r.end() != nil {
				t.Errorf("%s, counted from %s, came back as %s, %v", at, base, got, r.err)
			}
		}
	}
	if n := len(appendTime(nil, day, day)); n != 1 {
		t.Errorf("the same time takes %d bytes", n)
	}
	// A clock that was set in between does not count: what is written is what the clock on the wall said.
	now := time.Now()
	r := reader{b: appendTime(nil, now, now.Add(-time.Minute))}
	if got := r.time(now.Add(-time.Minute).Round(0)); !got.Equal(now.Round(0)) {
		t.Errorf("%s came back as %s", now, got)
	}
}

// known gives names that the decoders under test may refer to.
func known(t testing.TB) *names {
	t.Helper()
	s := open(t, filepath.Join(t.TempDir(), "db"))
	s.names.learn(monitor.Batch{Intervals: []monitor.Interval{{Source: "one"}, {Source: "two/192.0.2.1"}, {Source: "three"}}})
	return &s.names
}

func TestLinesThatTheDataTellsAreNotWritten(t *testing.T) {
	n := known(t)
	was, is := txt("v=spf1 include:"+strings.Repeat("was", 100)), txt("v=spf1 include:"+strings.Repeat("is", 150))
	tr := monitor.Transition{Old: was, New: is, Votes: []monitor.SourceVote{
		{Source: "one", Lines: is.Lines()}, {Source: "three", Lines: was.Lines(), Echo: true}, {Source: "one", Lines: []string{"other"}}, {Source: "one"},
	}}
	v := n.appendTransition(nil, 0, &tr)
	got, err := n.readTransition(0, v)
	if diff := cmp.Diff(tr, got); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if bytes.Count(v, []byte("waswas"))+bytes.Count(v, []byte("isis")) > len(v)/4 {
		t.Errorf("%d bytes", len(v))
	}
}

// Equal values that were read together are one in memory.
func TestEqualValuesShareMemory(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	var b monitor.Batch
	for i := range 20 {
		rid := id(fmt.Sprintf("d%02d.test", i), "spf")
		b.States = append(b.States, monitor.RecordState{ID: rid, Baseline: txt("v=spf1 -all"), Servers: []rrset.Name{"ns.test"}, Expectation: mailrec.Expectation{Want: []string{"x"}}})
		b.Intervals = append(b.Intervals, monitor.Interval{ID: rid, Source: "one", From: day, Set: txt("v=spf1 -all")}, monitor.Interval{ID: rid, Source: "two", From: day, Set: txt("v=spf1 -all")})
	}
	commit(t, s, b)
	places := map[any]bool{}
	m, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range remembered(t, m) {
		places[&r.State.Baseline.Data[0][0]], places[&r.State.Expectation.Want[0]], places[&r.State.Servers[0]] = true, true, true
		for _, iv := range r.Last {
			places[&iv.Set.Data[0][0]] = true
		}
	}
	// Baselines and answers are alike; the others are expectations and servers. What was seen but once stays by itself.
	if len(places) > 6 {
		t.Errorf("%d places for three values of twenty records", len(places))
	}
}

// malformed says that a decoder gave an error of its own, if any.
func malformed(t *testing.T, err error) {
	t.Helper()
	if err != nil && !errors.Is(err, errValue) {
		t.Errorf("%v is not about a malformed value", err)
	}
}

func FuzzState(f *testing.F) {
	for _, st := range sample().States {
		v, err := appendState(nil, &st)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(recordKey(st.ID), v)
		healthy := monitor.RecordState{ID: st.ID, Expectation: mailrec.Expectation{Alternatives: [][]string{{"a"}}}, Name: "x.test", Zone: "test", Servers: []rrset.Name{"ns.test"}, Baseline: st.Baseline}
		v, _ = appendState(nil, &healthy)
		f.Add(recordKey(st.ID), v)
	}
	f.Fuzz(func(t *testing.T, k, v []byte) {
		st, err := readState(k, v, newInterner())
		malformed(t, err)
		if err != nil {
			return
		}
		again, err := appendState(nil, st)
		if err != nil {
			return // JSON can be read that cannot be written, as a year beyond 9999
		}
		if back, err := readState(k, again, nil); err != nil || !cmp.Equal(st, back) {
			t.Errorf("%v: %s", err, cmp.Diff(st, back))
		}
	})
}

func FuzzRow(f *testing.F) {
	n := known(f)
	f.Add(n.appendRow(nil, row{ended: 7, changed: 9, last: sample().Intervals}))
	f.Fuzz(func(t *testing.T, v []byte) {
		w, err := n.readRow(id("a.test", "spf"), v, newInterner())
		malformed(t, err)
		if err != nil {
			return
		}
		if back, err := n.readRow(id("a.test", "spf"), n.appendRow(nil, w), nil); err != nil || !sameIntervals(w.last, back.last) || w.ended != back.ended || w.changed != back.changed {
			t.Errorf("%v: %v and %v", err, w, back)
		}
	})
}

// sameIntervals compares answers as they are kept: an RRset without data is none.
func sameIntervals(a, b []monitor.Interval) bool {
	return slices.EqualFunc(a, b, func(x, y monitor.Interval) bool {
		if x.Set.Empty() && y.Set.Empty() {
			x.Set, y.Set = rrset.Set{}, rrset.Set{}
		}
		return cmp.Equal(x, y)
	})
}

func FuzzEnding(f *testing.F) {
	n := known(f)
	f.Add(n.appendEnding(nil, 7, ending{day, sample().Intervals}))
	f.Fuzz(func(t *testing.T, v []byte) {
		r := reader{b: v}
		h := readEndingHead(&r)
		before, e, err := n.readEnding(id("a.test", "spf"), v, nil)
		malformed(t, err)
		if err == nil && (h.before != before || !h.at.Equal(e.at) || h.answers != len(e.answers)) {
			t.Errorf("head %+v of %d, %+v", h, before, e)
		}
	})
}

func FuzzTransition(f *testing.F) {
	n := known(f)
	tr := sample().Transitions[0]
	f.Add(n.appendTransition(nil, 3, &tr))
	tr.Votes = append(tr.Votes, monitor.SourceVote{Source: "three", Lines: tr.New.Lines(), Chain: []rrset.Name{"x.test"}, EDE: []resolve.EDE{{Code: 22, Text: "t"}}})
	tr.Finding = mailrec.Finding{Changes: []mailrec.Change{{Op: "+"}}, Notes: []string{"n"}}
	f.Add(n.appendTransition(nil, 3, &tr))
	f.Fuzz(func(t *testing.T, v []byte) {
		tr, err := n.readTransition(1, v)
		malformed(t, err)
		if err != nil {
			return
		}
		if back, err := n.readTransition(1, n.appendTransition(nil, 0, &tr)); err != nil || !cmp.Equal(tr, back) {
			t.Errorf("%v: %s", err, cmp.Diff(tr, back))
		}
	})
}

func FuzzName(f *testing.F) {
	f.Add([]byte("one"), []byte{1, 1})
	f.Fuzz(func(t *testing.T, k, v []byte) {
		_, err := readNamed(k, v)
		malformed(t, err)
	})
}

// modelled is the history of a record as TestPropertyHistory knows it: what each source said, in order.
type modelled map[string][]monitor.Interval

// lasting gives the answers that have not ended before a time.
func (m modelled) lasting(before time.Time) (out []monitor.Interval) {
	for _, source := range slices.Sorted(maps.Keys(m)) {
		list := m[source]
		for i, iv := range list {
			if i == len(list)-1 || !list[i+1].From.Before(before) {
				out = append(out, iv)
			}
		}
	}
	return out
}

// drawSweep gives what a sweep of some rounds might commit, and adds it to a model.
func drawSweep(rt *rapid.T, model map[monitor.RecordID]modelled, records []monitor.RecordID, now *time.Time) (b monitor.Batch) {
	sources := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"one", "two", "three"}), 0, 3, rapid.ID)
	for range rapid.IntRange(1, 3).Draw(rt, "rounds") {
		*now = now.Add(time.Duration(rapid.IntRange(1, 600).Draw(rt, "seconds")) * time.Second)
		for _, rid := range records {
			for _, source := range sources.Draw(rt, "sources") {
				iv := monitor.Interval{ID: rid, Source: source, From: *now, Outcome: resolve.NoData, TTL: uint32(rapid.IntRange(0, 9).Draw(rt, "ttl"))}
				if rapid.Bool().Draw(rt, "there") {
					iv.Outcome, iv.Set = resolve.Answered, txt(fmt.Sprint(rapid.IntRange(0, 3).Draw(rt, "content")))
				}
				b.Intervals = append(b.Intervals, iv)
				model[rid][source] = append(model[rid][source], iv)
			}
			if rapid.IntRange(0, 2).Draw(rt, "changed") == 0 {
				b.Transitions = append(b.Transitions, monitor.Transition{ID: rid, Transition: judge.Transition{At: *now}})
			}
		}
	}
	b.Sweep = &monitor.SweepSummary{Started: *now}
	return b
}

// Whatever is committed, is pruned and is read again after a restart is what a plain list of answers says.
func TestPropertyHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	runs, now, seq := 0, day, uint64(0)
	rapid.Check(t, func(rt *rapid.T) {
		runs++ // each run has records of its own, and goes on where the last one ended
		s.db.NoSync = true
		records := []monitor.RecordID{id(fmt.Sprintf("a%d.test", runs), "mx"), id(fmt.Sprintf("a%d.test", runs), "spf"), id(fmt.Sprintf("b%d.test", runs), "spf")}
		model := map[monitor.RecordID]modelled{}
		changes := map[monitor.RecordID][]uint64{}
		for _, rid := range records {
			model[rid] = modelled{}
			commit(t, s, monitor.Batch{States: []monitor.RecordState{{ID: rid}}})
		}
		var pruned time.Time
		times := map[uint64]time.Time{}
		for range rapid.IntRange(1, 12).Draw(rt, "sweeps") {
			b := drawSweep(rt, model, records, &now)
			for _, tr := range b.Transitions {
				seq++
				changes[tr.ID], times[seq] = append(changes[tr.ID], seq), tr.At
			}
			commit(t, s, b)
			if rapid.IntRange(0, 4).Draw(rt, "prune") == 0 {
				before := now.Add(-time.Duration(rapid.IntRange(1, 2000).Draw(rt, "keep")) * time.Second)
				if _, err := s.Prune(ctx, Retention{History: now.Sub(before)}, now); err != nil {
					rt.Fatal(err)
				}
				if before.After(pruned) {
					pruned = before
				}
			}
			if rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
				_ = s.Close()
				s = open(t, path)
				s.db.NoSync = true
			}
		}
		for _, rid := range records {
			q := Query{Domain: rid.Domain, Record: rid.Key}
			got, err := s.Intervals(ctx, q)
			if diff := cmp.Diff(model[rid].lasting(pruned), got); err != nil || diff != "" {
				rt.Fatalf("answers since %s, %v (-model +store):\n%s", pruned, err, diff)
			}
			want := slices.DeleteFunc(changes[rid], func(seq uint64) bool { return times[seq].Before(pruned) })
			ts, err := s.Transitions(ctx, q)
			if err != nil || !slices.EqualFunc(ts, want, func(tr monitor.Transition, seq uint64) bool { return tr.Seq == seq && tr.ID == rid }) {
				rt.Fatalf("transitions of %s since %s: %v, %v; want %d", rid, pruned, ts, err, want)
			}
		}
	})
}
