package store

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
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

// older gives the path of a copy of v1.db or v2.db, which the program of that version wrote: five records over sixty sweeps, one of
// them removed, with all that there can be. Version 2 made its own of that, and has three hundred domains of all sorts beside.
func older(t testing.TB, version int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maildrift.db")
	if err := os.WriteFile(path, unzip(t, fmt.Sprintf("v%d.db.gz", version)), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// eachOlder runs a test for each version that is migrated.
func eachOlder(t *testing.T, f func(t *testing.T, version int)) {
	t.Helper()
	for version := 1; version < schemaVersion; version++ {
		t.Run(fmt.Sprintf("version %d", version), func(t *testing.T) { f(t, version) })
	}
}

// contents is all that can be read from a database; v1.json is what the program of version 1 read from v1.db, v2.json likewise.
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
	eachOlder(t, func(t *testing.T, version int) {
		path := older(t, version)
		comesOver(t, version, path)
		goesOn(t, path)
		if left, err := filepath.Glob(path + ".*"); err != nil || len(left) != 2 { // the old file and .pid
			t.Errorf("beside it: %q, %v", left, err)
		}
	})
}

// written gives what the program of a version read from its database.
func written(t *testing.T, version int) contents {
	t.Helper()
	var want contents
	if err := json.Unmarshal(unzip(t, fmt.Sprintf("v%d.json.gz", version)), &want); err != nil {
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
	return want
}

// comesOver migrates a database and holds it against what was in it.
func comesOver(t *testing.T, version int, path string) {
	t.Helper()
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := written(t, version)
	var log bytes.Buffer
	s, err := Open(ctx, path, Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, contentsOf(t, s)); diff != "" {
		t.Errorf("what was kept and what came over (-kept +came over):\n%s", diff)
	}
	old := fmt.Sprintf("%s.v%d", path, version)
	if kept, err := os.ReadFile(old); err != nil || !bytes.Equal(kept, before) {
		t.Errorf("the old file: %d bytes of %d, %v", len(kept), len(before), err)
	}
	if !strings.Contains(log.String(), old) {
		t.Errorf("the log does not say where the old file is: %s", &log)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// goesOn makes sure that a migrated database goes on as one of its own.
func goesOn(t *testing.T, path string) {
	t.Helper()
	s := open(t, path)
	had, err := s.Transitions(ctx, Query{Limit: 1 << 30})
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, sample())
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if ts, err := s.Transitions(ctx, Query{Newest: true, Limit: 1}); err != nil || ts[0].Seq != uint64(len(had))+1 {
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
}

func TestF81AnOlderSchemaIsNotTouchedByReading(t *testing.T) {
	eachOlder(t, notTouchedByReading)
}

func notTouchedByReading(t *testing.T, version int) {
	path := older(t, version)
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

// What an earlier version wrote and cannot be read is left alone.
func TestAFailedMigrationLeavesTheOldFile(t *testing.T) {
	for _, tt := range []struct {
		version int
		bucket  []byte
		value   string
	}{
		{1, bucketIntervals1, "{"}, {1, bucketDomains, "{"}, {2, bucketDomains, "{"}, {2, bucketDomains, `{"name":"another.test"}`},
	} {
		t.Run(fmt.Sprintf("version %d, %s %s", tt.version, tt.bucket, tt.value), func(t *testing.T) {
			failsAndLeaves(t, tt.version, tt.bucket, tt.value)
		})
	}
}

func failsAndLeaves(t *testing.T, version int, bucket []byte, value string) {
	path := older(t, version)
	db, err := bolt.Open(path, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bolt.Tx) error {
		b := tx.Bucket(bucket)
		k, _ := b.Cursor().Last()
		return b.Put(k, []byte(value))
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
	eachOlder(t, func(t *testing.T, version int) {
		path := older(t, version)
		kept := fmt.Sprintf("%s.v%d", path, version)
		if err := errors.Join(os.Link(path, kept), os.WriteFile(path+".migrated", []byte("half of it"), 0o600)); err != nil {
			t.Fatal(err)
		}
		comesOver(t, version, path)
		if left, err := filepath.Glob(path + ".*"); err != nil || !slices.Equal(left, []string{kept}) {
			t.Errorf("beside it: %q, %v", left, err)
		}
	})
}

// The second migration of a file of that name, say of an old backup, does not take the place of what the first one kept.
func TestOldFilesAreKeptBesideEachOther(t *testing.T) {
	path := older(t, 1)
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
	for _, tt := range []struct {
		name    string
		version int
		spoil   func(tx *bolt.Tx) error
	}{
		{"nothing", 1, nil},
		{"a state is missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketStates) }},
		{"a transition is missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketTransitions) }},
		{"ended answers are missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketEnded) }},
		{"a row is missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketCurrent) }},
		{"a name is missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketNames) }},
		{"a domain is missing", 1, func(tx *bolt.Tx) error { return deleteFirst(tx, bucketDomains) }},
		{"a row is another's", 1, func(tx *bolt.Tx) error { return swapLast(tx, bucketCurrent) }},
		{"nothing", 2, nil},
		{"a domain says something else", 2, func(tx *bolt.Tx) error { return forgetNote(tx, "all.test") }},
		{"a domain is another's", 2, func(tx *bolt.Tx) error { return swapLast(tx, bucketDomains) }},
		{"a domain is too many", 2, func(tx *bolt.Tx) error { return tx.Bucket(bucketDomains).Put([]byte("z.test"), nil) }},
		{"a log goes on with another number", 2, func(tx *bolt.Tx) error { return tx.Bucket(bucketTransitions).SetSequence(7) }},
		{"a bucket is missing", 2, func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketUpkeep) }},
		{"the version is the old one", 2, func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyVersion, []byte("2")) }},
	} {
		t.Run(fmt.Sprintf("version %d, %s", tt.version, tt.name), func(t *testing.T) {
			if err := spoiled(t, tt.version, tt.spoil); (err != nil) != (tt.spoil != nil) {
				t.Errorf("verified with %v", err)
			}
		})
	}
	for _, bucket := range bucketsOf(t, older(t, 2)) {
		if err := spoiled(t, 2, func(tx *bolt.Tx) error { return deleteFirst(tx, bucket) }); err == nil {
			t.Errorf("%s lacks a key, and nobody noticed", bucket)
		}
	}
}

// spoiled copies a database of a version, spoils the copy and gives what is found when it is held against the old one.
func spoiled(t *testing.T, version int, spoil func(tx *bolt.Tx) error) error {
	t.Helper()
	path := older(t, version)
	db, err := openBolt(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	old := newStore(db, path)
	defer db.Close()
	copied := filepath.Join(t.TempDir(), "copy.db")
	if err := old.copyTo(ctx, copied, version); err != nil {
		t.Fatal(err)
	}
	s := open(t, copied)
	defer s.Close()
	if spoil != nil {
		if err := s.db.Update(spoil); err != nil {
			t.Fatal(err)
		}
	}
	return old.view(func(tx *bolt.Tx) error {
		if version == 1 {
			return s.verify(ctx, tx)
		}
		return s.view(func(to *bolt.Tx) error { return sameAs2(ctx, tx, to) })
	})
}

// bucketsOf gives the buckets of a database in which there is anything.
func bucketsOf(t *testing.T, path string) (out [][]byte) {
	t.Helper()
	db, err := openBolt(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	err = db.View(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			if k, _ := b.Cursor().First(); k != nil {
				out = append(out, bytes.Clone(name))
			}
			return nil
		})
	})
	if err != nil || len(out) < 10 {
		t.Fatalf("%q, %v", out, err)
	}
	return out
}

// swapLast gives the first key of a bucket the value of the last one.
func swapLast(tx *bolt.Tx, bucket []byte) error {
	b := tx.Bucket(bucket)
	k, _ := b.Cursor().First()
	_, other := b.Cursor().Last()
	return b.Put(bytes.Clone(k), bytes.Clone(other))
}

// forgetNote writes a domain without what people noted about it.
func forgetNote(tx *bolt.Tx, name string) error {
	b := tx.Bucket(bucketDomains)
	d, err := readDomain([]byte(name), b.Get([]byte(name)), nil)
	if err != nil || d.Spec.Note == "" {
		return errors.Join(err, errors.New("there is no note"))
	}
	d.Spec.Note = ""
	return b.Put([]byte(name), writeDomain(&d))
}

func deleteFirst(tx *bolt.Tx, bucket []byte) error {
	k, _ := tx.Bucket(bucket).Cursor().First()
	return tx.Bucket(bucket).Delete(bytes.Clone(k))
}
