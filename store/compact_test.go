package store

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"maildrift/monitor"
)

func TestCompact(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	for i := range 200 {
		var b monitor.Batch
		for range 50 {
			b.Notices = append(b.Notices, monitor.Notice{At: day.Add(-100 * 24 * time.Hour).Add(time.Duration(i) * time.Second), Receiver: "a receiver with a name of some length"})
		}
		commit(t, s, b)
	}
	commit(t, s, sample())
	commit(t, s, monitor.Batch{Sweep: &monitor.SweepSummary{Started: day}})
	if _, err := s.Prune(ctx, Retention{History: 24 * time.Hour}, day); err != nil {
		t.Fatal(err)
	}
	if _, err := Compact(ctx, path, nil); !errors.Is(err, ErrLocked) {
		t.Errorf("while it is in use: %v", err)
	}
	want, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	heard, kept := lastSeen(t, want), len(states(t, want))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	done, err := Compact(ctx, path, func(int64, int64) {})
	if err != nil || done.After >= done.Before/2 {
		t.Errorf("from %d to %d bytes, %v", done.Before, done.After, err)
	}
	s = open(t, path)
	if got, err := s.Load(ctx); err != nil || len(states(t, got)) != kept || len(lastSeen(t, got)) != len(heard) {
		t.Errorf("%d states of %d, %v", len(states(t, got)), kept, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := Compact(cancelled, path, nil); err == nil {
		t.Error("a cancelled one succeeded")
	}
	if left, err := filepath.Glob(path + "*compact*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	if _, err := Compact(ctx, filepath.Join(t.TempDir(), "none"), nil); err == nil {
		t.Error("a database that is not there was compacted")
	}
	if _, err := os.Stat(path); err != nil {
		t.Error(err)
	}
}
