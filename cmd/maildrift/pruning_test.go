package main

import (
	"bytes"
	"context"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
	"maildrift/store"
)

func TestWorthCompacting(t *testing.T) {
	const mb = 1 << 20
	for name, tt := range map[string]struct {
		size, free int64
		want       bool
	}{
		"small, nearly empty":       {60 * mb, 59 * mb, false},
		"large, half free":          {100 * mb, 50 * mb, false},
		"large, more than half":     {100 * mb, 51 * mb, true},
		"large, all of it in use":   {1000 * mb, 0, false},
		"very large, nearly all of": {1000 * mb, 999 * mb, true},
	} {
		if got := worthCompacting(tt.size, tt.free); got != tt.want {
			t.Errorf("%s: %t", name, got)
		}
	}
}

// TestCompactARunningDaemon compacts its database from the command line, reads its history and sees it go on; from the file
// itself the command keeps away.
func TestCompactARunningDaemon(t *testing.T) {
	s := newBench(t)
	s.cmd("compact").expect(t, exitGood, "of which nothing could be committed for ", "")
	s.cmd("history", string(demoApex)).expect(t, exitGood, "dmarc", "")
	s.lab.Delete(demoApex, "_dmarc."+demoApex, rrset.TXT)
	s.await("the record is missing", "dmarc", func(st *monitor.RecordState) bool { return st.Verdict == judge.Missing })
	s.cmd("history", string(demoApex)).expect(t, exitGood, "missing", "")
	s.cmd("compact", filepath.Join(s.daemon.cfg.DataDir, "maildrift.db")).expect(t, exitUsage, "", "in use by")
}

// TestTheDaemonGivesRoomBack prunes what is old as the daemon does, and then compacts what is left.
func TestTheDaemonGivesRoomBack(t *testing.T) {
	s, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "maildrift.db"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var log bytes.Buffer
	d := &daemon{store: s, log: slog.New(slog.NewTextHandler(&log, nil)), cfg: &config.Config{}}
	d.cfg.Retention.History = 24 * time.Hour
	now := time.Now()
	for range 9 {
		b := monitor.Batch{Sweep: &monitor.SweepSummary{Started: now}}
		for range 8 {
			b.Notices = append(b.Notices, monitor.Notice{At: now.AddDate(0, -1, 0), Receiver: strings.Repeat("x", 1<<20)})
		}
		if err := s.Commit(t.Context(), b); err != nil {
			t.Fatal(err)
		}
	}
	if d.compact(t.Context()) {
		t.Errorf("it was compacted though it is in use: %s", &log)
	}
	d.prune(t.Context())
	stopped, stop := context.WithCancel(t.Context())
	stop()
	if !d.compact(stopped) || strings.Contains(log.String(), "compacted") {
		t.Errorf("of a compaction that a stop has ended the log says:\n%s", &log)
	}
	if !d.compact(t.Context()) || s.Size() > 1<<20 || !strings.Contains(log.String(), "the database was compacted") {
		t.Errorf("%d bytes are left:\n%s", s.Size(), &log)
	}
	if d.compact(t.Context()) {
		t.Error("it was compacted again")
	}
	if got, err := s.Audit(t.Context(), store.Query{}); err != nil || len(got) != 1 || got[0].Action != "compact" || got[0].By != "maildrift" || got[0].Why != "most of it was free" {
		t.Errorf("the audit trail: %+v, %v", got, err)
	}
	if got, err := s.Sweeps(t.Context(), store.Query{}); err != nil || len(got) != 9 {
		t.Errorf("%d sweeps are left, %v", len(got), err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if !d.compact(t.Context()) || !strings.Contains(log.String(), "the database is not compacted") {
		t.Errorf("of one that fails the log says:\n%s", &log)
	}
}
