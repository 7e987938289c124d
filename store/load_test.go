package store

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"maildrift/monitor"
)

// TestRecordsComeADomainAtATime has domains of different sizes, over several chunks.
func TestRecordsComeADomainAtATime(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	var b monitor.Batch
	want := map[string]int{}
	for i, name := range fleetNames(3 * loadChunk / 2) {
		for _, key := range []string{"dkim", "mx", "spf"}[:1+i%3] {
			b.States = append(b.States, monitor.RecordState{ID: id(name, key), Name: "x.test", Baseline: txt("v=spf1 -all")})
			want[name]++
			if i%2 == 0 {
				b.Intervals = append(b.Intervals, monitor.Interval{ID: id(name, key), Source: "one", From: day, Set: txt("v=spf1 -all")})
			}
		}
	}
	// What was heard of a record that is not watched is history, and nobody's memory.
	b.Intervals = append(b.Intervals, monitor.Interval{ID: id("d10.test", "gone"), Source: "one", From: day})
	commit(t, s, b)
	m, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range remembered(t, m) {
		want[string(r.State.ID.Domain)]--
		if n := len(r.Last); n > 1 || n == 1 && (r.Last[0].ID != r.State.ID || r.Last[0].Source != "one") {
			t.Fatalf("%s was heard as %v", r.State.ID, r.Last)
		}
	}
	for name, n := range want {
		if n != 0 {
			t.Errorf("%d records of %s are missing", n, name)
		}
	}
	if err := m.Records(func(kept []monitor.Remembered) {
		for i := range kept {
			if kept[i].State.ID.Domain != kept[0].State.ID.Domain || i > 0 && kept[i].State.ID.Key <= kept[i-1].State.ID.Key {
				t.Errorf("%s comes with %s", kept[i].State.ID, kept[0].State.ID)
			}
		}
	}); err != nil {
		t.Error(err)
	}
}

// TestARecordThatCannotBeReadIsNamed breaks a state, and what was heard.
func TestARecordThatCannotBeReadIsNamed(t *testing.T) {
	for _, bucket := range [][]byte{bucketStates, bucketCurrent} {
		s := open(t, filepath.Join(t.TempDir(), "db"))
		var b monitor.Batch
		for _, name := range fleetNames(5 * loadChunk) {
			b.States = append(b.States, monitor.RecordState{ID: id(name, "spf"), Name: "x.test"})
			b.Intervals = append(b.Intervals, monitor.Interval{ID: id(name, "spf"), Source: "one", From: day})
		}
		commit(t, s, b)
		if err := s.update(func(tx *writeTx) error {
			return tx.Bucket(bucket).Put(recordKey(id("d2000.test", "spf")), []byte{valueFormat, 0xff})
		}); err != nil {
			t.Fatal(err)
		}
		m, err := s.Load(ctx)
		if err != nil {
			t.Fatal(err)
		}
		err = m.Records(func([]monitor.Remembered) {})
		if !errors.Is(err, errValue) || !strings.Contains(err.Error(), "d2000.test") {
			t.Errorf("%s: %v", bucket, err)
		}
	}
}
