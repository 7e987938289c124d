package store

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/access"
)

// unzip gives what is in a file of testdata.
func unzip(t testing.TB, name string) []byte {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// version1 gives the path of a copy of v1.db, which the program of version 1 wrote: five records over sixty
// sweeps, one of them removed, with all that there can be.
func version1(t testing.TB) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maildrift.db")
	if err := os.WriteFile(path, unzip(t, "v1.db.gz"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// contents is all that can be read from a database; v1.json is what the program of version 1 read from v1.db.
type contents struct {
	Memory      contentsMemory       `json:"memory"`
	LastSeen    []monitor.Interval   `json:"last_seen"`
	Records     []RecordHistory      `json:"records"`
	Intervals   []monitor.Interval   `json:"intervals"`
	Transitions []monitor.Transition `json:"transitions"`
	Sources     map[string]bool      `json:"sources"`
	Sweeps      []monitor.SweepSummary
	Audit       []monitor.Audit
	Notices     []monitor.Notice
	Tokens      []access.Token
	Incidents   []monitor.Incident
}

// contentsMemory is a memory with its records' states as a list.
type contentsMemory struct {
	monitor.Memory
	States []*monitor.RecordState
}

func contentsOf(t testing.TB, s *Store) contents {
	t.Helper()
	var c contents
	var errs [10]error
	all := Query{Limit: 1 << 30}
	c.Memory.Memory, errs[0] = s.Load(ctx)
	c.LastSeen, c.Memory.States = lastSeen(t, c.Memory.Memory), states(t, c.Memory.Memory)
	c.Memory.Records, c.Memory.LastSweeps, c.Memory.Closed = nil, nil, nil // how many are closed lately depends on today
	errs[1] = s.Records(ctx, Query{}, func(h RecordHistory) error { c.Records = append(c.Records, h); return nil })
	c.Intervals, errs[2] = s.Intervals(ctx, all)
	c.Transitions, errs[3] = s.Transitions(ctx, all)
	c.Sources, errs[4] = s.Sources(ctx)
	c.Sweeps, errs[5] = s.Sweeps(ctx, all)
	c.Audit, errs[6] = s.Audit(ctx, all)
	c.Notices, errs[7] = s.Notices(ctx, all)
	c.Tokens, errs[8] = s.Tokens(ctx)
	errs[9] = s.Incidents(ctx, all, func(in monitor.Incident) error { c.Incidents = append(c.Incidents, in); return nil })
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestF81AnOlderSchemaIsMigratedInACopy(t *testing.T) {
	path := version1(t)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var want contents
	if err := json.Unmarshal(unzip(t, "v1.json.gz"), &want); err != nil {
		t.Fatal(err)
	}
	want.Memory.Closed = nil
	// A start takes in what was heard of records that are watched; of others it stays in history only.
	want.LastSeen = slices.DeleteFunc(want.LastSeen, func(iv monitor.Interval) bool {
		return !slices.ContainsFunc(want.Memory.States, func(s *monitor.RecordState) bool { return s.ID == iv.ID })
	})
	if len(want.Intervals) < 100 || len(want.Transitions) < 50 || len(want.Records) < 5 {
		t.Fatalf("the fixture is too small: %d answers, %d transitions, %d records", len(want.Intervals), len(want.Transitions), len(want.Records))
	}
	var log bytes.Buffer
	s, err := Open(ctx, path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contentsOf(t, s)); diff != "" {
		t.Errorf("what version 1 kept and what came over (-kept +came over):\n%s", diff)
	}
	if kept, err := os.ReadFile(path + ".v1"); err != nil || !bytes.Equal(kept, before) {
		t.Errorf("the old file: %d bytes of %d, %v", len(kept), len(before), err)
	}
	if !strings.Contains(log.String(), path+".v1") {
		t.Errorf("the log does not say where the old file is: %s", &log)
	}
	// It goes on as a database of its own.
	commit(t, s, sample())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if ts, err := s.Transitions(ctx, Query{Newest: true, Limit: 1}); err != nil || ts[0].Seq != uint64(len(want.Transitions))+1 {
		t.Errorf("the next transition is %v, %v", ts, err)
	}
	if err := s.db.View(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 2 { // .v1 and .pid
		t.Errorf("beside it: %q, %v", left, err)
	}
}

func TestF81AnOlderSchemaIsNotTouchedByReading(t *testing.T) {
	path := version1(t)
	if _, err := Open(ctx, path, Options{ReadOnly: true}); !errors.Is(err, ErrOlder) || !strings.Contains(err.Error(), "maildrift compact "+path) {
		t.Errorf("%v, want a refusal that says what to do", err)
	}
	if _, err := Compact(ctx, path, nil); err != nil {
		t.Fatal(err)
	}
	s, err := Open(ctx, path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

// What version 1 wrote and cannot be read is left alone.
func TestAFailedMigrationLeavesTheOldFile(t *testing.T) {
	path := version1(t)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucketIntervals1)
		k, _ := b.Cursor().Last()
		return b.Put(k, []byte("{"))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	before, _ := os.ReadFile(path)
	if _, err := Open(ctx, path, Options{}); err == nil || !strings.Contains(err.Error(), "it is as it was") {
		t.Errorf("%v, want a failure", err)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed, %v", err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// A migration that was killed before the copy took the old file's place begins anew.
func TestAMigrationThatWasKilledBeginsAnew(t *testing.T) {
	path := version1(t)
	if err := errors.Join(os.Link(path, path+".v1"), os.WriteFile(path+".migrated", []byte("half of it"), 0o600)); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	if m, err := s.Load(ctx); err != nil || len(states(t, m)) < 5 {
		t.Errorf("%d states, %v", len(states(t, m)), err)
	}
	if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 2 { // .v1 and .pid
		t.Errorf("beside it: %q, %v", left, err)
	}
}

// The second migration of a file of that name, say of an old backup, does not take the place of what the first one kept.
func TestOldFilesAreKeptBesideEachOther(t *testing.T) {
	path := version1(t)
	for _, name := range []string{".v1", ".v1.2"} {
		if err := os.WriteFile(path, unzip(t, "v1.db.gz"), 0o600); err != nil {
			t.Fatal(err)
		}
		_ = open(t, path).Close()
		if info, err := os.Stat(path + name); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A copy that lacks something, or says something else, is noticed.
func TestACopyIsHeldAgainstTheOldFile(t *testing.T) {
	tests := []struct {
		name  string
		spoil func(tx *bolt.Tx) error
	}{
		{"nothing", nil},
		{"a state is missing", func(tx *bolt.Tx) error { return deleteFirst(tx, bucketStates) }},
		{"a transition is missing", func(tx *bolt.Tx) error { return deleteFirst(tx, bucketTransitions) }},
		{"ended answers are missing", func(tx *bolt.Tx) error { return deleteFirst(tx, bucketEnded) }},
		{"a row is missing", func(tx *bolt.Tx) error { return deleteFirst(tx, bucketCurrent) }},
		{"a name is missing", func(tx *bolt.Tx) error { return deleteFirst(tx, bucketNames) }},
		{"a row is another's", func(tx *bolt.Tx) error {
			b := tx.Bucket(bucketCurrent)
			k, _ := b.Cursor().First()
			_, other := b.Cursor().Last()
			return b.Put(k, other)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := version1(t)
			db, err := openBolt(path, Options{})
			if err != nil {
				t.Fatal(err)
			}
			old := newStore(db, path)
			defer db.Close()
			copied := filepath.Join(t.TempDir(), "copy.db")
			if err := old.copyTo(ctx, copied, 1); err != nil {
				t.Fatal(err)
			}
			s := open(t, copied)
			if tt.spoil != nil {
				if err := s.db.Update(tt.spoil); err != nil {
					t.Fatal(err)
				}
			}
			err = old.view(func(tx *bolt.Tx) error { return s.verify(ctx, tx) })
			if (err != nil) != (tt.spoil != nil) {
				t.Errorf("verified with %v", err)
			}
		})
	}
}

func deleteFirst(tx *bolt.Tx, bucket []byte) error {
	k, _ := tx.Bucket(bucket).Cursor().First()
	return tx.Bucket(bucket).Delete(bytes.Clone(k))
}
