package store

import (
	"path/filepath"
	"testing"
	"time"

	"maildrift/monitor"
)

// TestTheLastSweepOfEachGroup is found however many sweeps of others came after it, and however groups are called.
func TestTheLastSweepOfEachGroup(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "maildrift.db"))
	sweep := func(group string, questions int) {
		b := monitor.Batch{Sweep: &monitor.SweepSummary{Group: group, Started: day, Duration: time.Second, Questions: questions}}
		commit(t, s, b)
	}
	m, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if last, err := m.LastSweeps([]string{"default"}); err != nil || len(last) != 0 {
		t.Errorf("of an empty database: %v, %v", last, err)
	}
	sweep(`a "quoted" <group>`, 1)
	sweep("nightly", 2)
	sweep("gone", 3)
	for i := range 30 {
		sweep("default", 10+i)
	}
	got := map[string]int{}
	last, err := m.LastSweeps([]string{"default", "nightly", `a "quoted" <group>`, "new"})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range last {
		got[s.Group] = s.Questions
	}
	if len(last) != 3 || got["default"] != 39 || got["nightly"] != 2 || got[`a "quoted" <group>`] != 1 {
		t.Errorf("the last ones are %+v", last)
	}
}

// BenchmarkLastSweeps looks for a group that was never swept among as many sweeps of another as are looked through.
func BenchmarkLastSweeps(b *testing.B) {
	s := open(b, filepath.Join(b.TempDir(), "maildrift.db"))
	sweep := monitor.SweepSummary{Group: "default", Started: day, Duration: time.Minute, Domains: 100_000, Records: 600_000, Questions: 7_000_000}
	err := s.update(func(tx *writeTx) error {
		for range sweepsLooked + 10 {
			if err := commitSweep(tx, monitor.Batch{Sweep: &sweep}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if last, err := s.lastSweeps([]string{"default", "new"}); err != nil || len(last) != 1 {
			b.Fatal(last, err)
		}
	}
}
