package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"maildrift/monitor"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

func TestMain(m *testing.M) {
	if path := os.Getenv("MAILDRIFT_TEST_COMMITTER"); path != "" {
		commitForEver(path)
	}
	goleak.VerifyTestMain(m)
}

var ctx = context.Background()

func open(t testing.TB, path string) *Store {
	t.Helper()
	s, err := Open(ctx, path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func commit(t testing.TB, s *Store, b monitor.Batch) {
	t.Helper()
	if err := s.Commit(ctx, b); err != nil {
		t.Fatal(err)
	}
}

var day = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

func txt(lines ...string) rrset.Set {
	s, err := rrset.Parse(rrset.TXT, lines...)
	if err != nil {
		panic(err)
	}
	return s
}

func id(domain, key string) monitor.RecordID {
	return monitor.RecordID{Domain: rrset.Name(domain), Key: key}
}

// sample is a batch with one of everything.
func sample() monitor.Batch {
	spf := id("shop.test", "spf")
	state := monitor.RecordState{
		ID: spf, Name: "shop.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured},
		State: judge.State{
			Phase: judge.Verified, Verdict: judge.Drifted, Stage: judge.AtAuthority, Since: day, Registered: day, VerifiedAt: day,
			Meaning: rrset.Hash{1, 2}, Suspicion: judge.Suspicion{Verdict: judge.Holding, Sightings: 1, First: day},
		},
		Baseline: txt("v=spf1 -all\x00\xff"), Seen: txt("v=spf1 ~all"), Finding: mailrec.Finding{Class: mailrec.Differs, Reason: "because"},
		Deadline: day.Add(time.Hour), OldTTL: 300,
		Incident: &monitor.Incident{ID: spf, Name: monitor.AlertDrifted, Value: "abc", Opened: day, Facts: monitor.Facts{Was: txt("a"), Is: txt("b")}},
	}
	return monitor.Batch{
		States: []monitor.RecordState{state},
		Transitions: []monitor.Transition{{
			ID: spf, Transition: judge.Transition{To: judge.Position{Phase: judge.Verified, Verdict: judge.Drifted}, At: day},
			Old: txt("v=spf1 -all"), New: txt("v=spf1 ~all"), Votes: []monitor.SourceVote{{Source: "one", Outcome: resolve.Answered, Stand: judge.Differs, At: day}},
		}},
		Intervals: []monitor.Interval{
			{ID: spf, Source: "one", From: day, Outcome: resolve.Answered, Set: txt("v=spf1 -all"), TTL: 60},
			{ID: spf, Source: "one", From: day.Add(time.Minute), Outcome: resolve.NXDomain, Set: rrset.Set{}, TTL: 5},
			{ID: spf, Source: "two/192.0.2.1", From: day, Outcome: resolve.Answered, Set: txt("v=spf1 -all"), TTL: 60},
		},
		Incidents: []monitor.Incident{{ID: spf, Name: monitor.AlertMissing, Opened: day, Closed: time.Now().UTC().Truncate(time.Second), Why: "recovered"}},
		Sweep:     &monitor.SweepSummary{Group: "default", Started: day, Duration: time.Second, Records: 1},
		Domains:   []monitor.StoredDomain{{Name: "shop.test", Spec: &monitor.Spec{Domain: "shop.test", Service: "directmail"}, Registered: day, By: "ann"}},
		Self:      &monitor.SelfState{LastGoodSweep: day, BlindGroups: map[string]string{"x": "y"}},
	}
}

func TestWhatIsCommittedIsThereAfterReopening(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data", "maildrift.db")
	s := open(t, path)
	b := sample()
	commit(t, s, b)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	m, err := s.Load(ctx)
	if err != nil {
		t.Fatal(err)
	}
	want := monitor.Memory{
		Domains: b.Domains, Closed: b.Incidents, Self: *b.Self,
	}
	if diff := cmp.Diff([]monitor.Interval{b.Intervals[1], b.Intervals[2]}, lastSeen(t, m)); diff != "" {
		t.Errorf("what was heard last (-kept +came back):\n%s", diff)
	}
	// A finding's exact data is kept beside it, not in it.
	b.States[0].Finding.Seen, b.States[0].Finding.Meaning = rrset.Set{}, rrset.Hash{}
	if diff := cmp.Diff([]*monitor.RecordState{&b.States[0]}, states(t, m)); diff != "" {
		t.Errorf("what was known of records (-kept +came back):\n%s", diff)
	}
	if last, err := m.LastSweeps([]string{b.Sweep.Group, "other"}); err != nil || !cmp.Equal(last, []monitor.SweepSummary{*b.Sweep}) {
		t.Errorf("last sweeps %+v, %v", last, err)
	}
	m.Records, m.LastSweeps = nil, nil
	if diff := cmp.Diff(want, m); diff != "" {
		t.Errorf("what was kept and what came back (-kept +came back):\n%s", diff)
	}
	ts, err := s.Transitions(ctx, Query{Domain: "shop.test", Record: "spf"})
	b.Transitions[0].Seq = 1
	if diff := cmp.Diff(b.Transitions, ts); err != nil || diff != "" {
		t.Errorf("transitions: %v\n%s", err, diff)
	}
	ivs, err := s.Intervals(ctx, Query{Domain: "shop.test"})
	if diff := cmp.Diff(b.Intervals, ivs); err != nil || diff != "" {
		t.Errorf("intervals: %v\n%s", err, diff)
	}
	sweeps, err := s.Sweeps(ctx, Query{})
	if diff := cmp.Diff([]monitor.SweepSummary{*b.Sweep}, sweeps); err != nil || diff != "" {
		t.Errorf("sweeps: %v\n%s", err, diff)
	}
}

// remembered gives all records that a memory hands over, in order. What is lent is copied.
func remembered(t testing.TB, m monitor.Memory) []monitor.Remembered {
	t.Helper()
	var mu sync.Mutex
	var out []monitor.Remembered
	err := m.Records(func(kept []monitor.Remembered) {
		mu.Lock()
		defer mu.Unlock()
		for _, r := range kept {
			r.Last = slices.Clone(r.Last)
			out = append(out, r)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortFunc(out, func(a, b monitor.Remembered) int { return a.State.ID.Compare(b.State.ID) })
	return out
}

func states(t testing.TB, m monitor.Memory) []*monitor.RecordState {
	t.Helper()
	var out []*monitor.RecordState
	for _, r := range remembered(t, m) {
		out = append(out, &r.State)
	}
	return out
}

func lastSeen(t testing.TB, m monitor.Memory) []monitor.Interval {
	t.Helper()
	var out []monitor.Interval
	for _, r := range remembered(t, m) {
		out = append(out, r.Last...)
	}
	return out
}

func TestRemovedAndGoneAreForgotten(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	commit(t, s, sample())
	commit(t, s, monitor.Batch{Removed: []monitor.RecordID{id("shop.test", "spf")}, Gone: []rrset.Name{"shop.test"}})
	m, err := s.Load(ctx)
	if err != nil || len(states(t, m)) != 0 || len(m.Domains) != 0 {
		t.Errorf("still there: %v, %v, %v", states(t, m), m.Domains, err)
	}
	if ts, err := s.Transitions(ctx, Query{Domain: "shop.test"}); err != nil || len(ts) != 1 {
		t.Errorf("history went with it: %v, %v", ts, err)
	}
}

func TestHistoryQueries(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	for i := range 20 {
		commit(t, s, monitor.Batch{Transitions: []monitor.Transition{
			{ID: id("a.test", "spf"), Transition: judge.Transition{At: day.Add(time.Duration(i) * time.Hour)}},
			{ID: id("a.test.more", "mx"), Transition: judge.Transition{At: day.Add(time.Duration(i) * time.Hour)}},
			{ID: id("a.test", "mx"), Transition: judge.Transition{At: day.Add(time.Duration(i) * time.Hour)}},
		}})
	}
	tests := []struct {
		name        string
		q           Query
		n           int
		first, last uint64
	}{
		{"all", Query{}, 60, 1, 60},
		{"all, newest first", Query{Newest: true, Limit: 5}, 5, 60, 56},
		{"one domain, not those that begin like it", Query{Domain: "a.test"}, 40, 1, 60},
		{"one record", Query{Domain: "a.test", Record: "mx"}, 20, 3, 60},
		{"one record, newest first", Query{Domain: "a.test", Record: "spf", Newest: true, Limit: 2}, 2, 58, 55},
		{"since", Query{Domain: "a.test", Record: "spf", Since: day.Add(18 * time.Hour)}, 2, 55, 58},
		{"until", Query{Domain: "a.test", Record: "spf", Until: day.Add(2 * time.Hour)}, 2, 1, 4},
		{"unknown", Query{Domain: "nobody.test"}, 0, 0, 0},
	}
	for _, tt := range tests {
		ts, err := s.Transitions(ctx, tt.q)
		if err != nil || len(ts) != tt.n || tt.n > 0 && (ts[0].Seq != tt.first || ts[len(ts)-1].Seq != tt.last) {
			t.Errorf("%s: %d of them, %v", tt.name, len(ts), err)
		}
	}
}

func TestFilesThatAreRefused(t *testing.T) {
	healthy := filepath.Join(t.TempDir(), "healthy.db")
	s := open(t, healthy)
	for range 50 {
		commit(t, s, sample())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(healthy)
	if err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(t.TempDir(), "foreign.db")
	other, err := bolt.Open(foreign, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = other.Close()
	otherBytes, _ := os.ReadFile(foreign)
	tests := []struct {
		name  string
		bytes []byte
		want  error
		says  string
	}{
		{"F78 zero length", nil, ErrDamaged, "is empty"},
		{"F79 cut in half", whole[:len(whole)/2], ErrDamaged, "cut short"},
		{"F79 cut to one page", whole[:4096], ErrDamaged, "cut short"},
		{"F79 both headers overwritten", append(bytes.Repeat([]byte{'x'}, 8192), whole[8192:]...), ErrForeign, "not a maildrift database"},
		{"a text file", []byte(strings.Repeat("hello\n", 1000)), ErrForeign, "not a maildrift database"},
		{"a few bytes", []byte("hello"), ErrForeign, "only 5 bytes"},
		{"another program's bbolt database", otherBytes, ErrForeign, "another program"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "maildrift.db")
			if err := os.WriteFile(path, tt.bytes, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := Open(ctx, path, Options{})
			if err == nil {
				_ = s.Close()
			}
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), path) {
				t.Errorf("%v, want %v that says %q and names the file", err, tt.want, tt.says)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, tt.bytes) {
				t.Error("the file was changed")
			}
		})
	}
}

func TestF79DamageInTheMiddleIsAnErrorNotAPanic(t *testing.T) {
	dir := t.TempDir()
	healthy := filepath.Join(dir, "healthy.db")
	s := open(t, healthy)
	for i := range 200 {
		b := sample()
		b.States[0].ID.Key = fmt.Sprint("spf", i)
		commit(t, s, b)
	}
	_ = s.Close()
	whole, err := os.ReadFile(healthy)
	if err != nil {
		t.Fatal(err)
	}
	for page := 2; page*4096 < len(whole); page += 3 {
		bad := slices.Clone(whole)
		for i := range 4096 {
			bad[page*4096+i] = 0xa5
		}
		path := filepath.Join(dir, fmt.Sprintf("bad%d.db", page))
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Open(ctx, path, Options{}); err == nil {
			_, err = s.Load(ctx)
			_ = s.Close()
			if err != nil && !errors.Is(err, ErrDamaged) && !strings.Contains(err.Error(), path) {
				t.Errorf("page %d: %v does not name the file", page, err)
			}
		}
	}
}

func TestF81ANewerSchemaIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.db")
	s := open(t, path)
	if err := s.db.Update(func(tx *bolt.Tx) error { return tx.Bucket(bucketMeta).Put(keyVersion, []byte("99")) }); err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "99") {
		t.Errorf("%v, want both versions named", err)
	}
}

func TestF78ADatabaseThatVanishedIsNotReplacedSilently(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.db")
	_ = open(t, path).Close()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, path, Options{}); !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "--init") {
		t.Errorf("%v, want a refusal that names the way out", err)
	}
	s, err := Open(ctx, path, Options{Init: true})
	if err != nil {
		t.Fatal(err)
	}
	_ = s.Close()
}

func TestF75ASecondProcessIsRefusedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.db")
	open(t, path)
	began := time.Now()
	_, err := Open(ctx, path, Options{})
	if !errors.Is(err, ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) || time.Since(began) > 2*time.Second {
		t.Errorf("%v after %s, want a refusal that names the process", err, time.Since(began))
	}
}

func TestABackupIsADatabase(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "maildrift.db"))
	commit(t, s, sample())
	copyPath := filepath.Join(t.TempDir(), "copy.db")
	f, err := os.Create(copyPath)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Backup(ctx, f)
	if err != nil || f.Close() != nil || n == 0 {
		t.Fatalf("%d bytes, %v", n, err)
	}
	m, err := open(t, copyPath).Load(ctx)
	if err != nil || len(states(t, m)) != 1 {
		t.Errorf("%d states in the backup, %v", len(states(t, m)), err)
	}
}

func TestPrune(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	old, recent := day.Add(-100*24*time.Hour), day.Add(-time.Hour)
	for i := range 5000 {
		commitAt := old.Add(time.Duration(i) * time.Second)
		if i%500 == 0 {
			commit(t, s, monitor.Batch{Sweep: &monitor.SweepSummary{Started: commitAt}})
		}
	}
	spf, gone := id("a.test", "spf"), id("gone.test", "spf")
	commit(t, s, monitor.Batch{
		States:      []monitor.RecordState{{ID: spf}},
		Audit:       []monitor.Audit{{At: old, Action: "add"}, {At: recent, Action: "accept"}},
		Notices:     []monitor.Notice{{At: old}, {At: recent, About: []monitor.NoticeAbout{{Domain: "a.test", Record: "spf"}}}},
		Transitions: []monitor.Transition{{ID: spf, Transition: judge.Transition{At: old}}, {ID: spf, Transition: judge.Transition{At: recent}}},
		Intervals: []monitor.Interval{
			{ID: spf, Source: "one", From: old, Set: txt("1")}, {ID: spf, Source: "one", From: old.Add(time.Hour), Set: txt("2")},
			{ID: spf, Source: "two", From: old, Set: txt("1")}, {ID: spf, Source: "two", From: recent, Set: txt("3")},
			{ID: gone, Source: "one", From: old, Set: txt("4")}, {ID: gone, Source: "two", From: recent, Set: txt("3")},
		},
		Incidents: []monitor.Incident{{ID: spf, Closed: old}},
		Sweep:     &monitor.SweepSummary{Started: recent},
	})
	p, err := s.Prune(ctx, Retention{History: 24 * time.Hour, Sweeps: 24 * time.Hour}, day)
	if want := (Pruned{Transitions: 1, Intervals: 2, Incidents: 1, Sweeps: 10, Audit: 1, Notices: 1}); err != nil || p != want {
		t.Errorf("%+v, %v; want %+v", p, err, want)
	}
	left, err := s.Intervals(ctx, Query{})
	var lines []string
	for _, iv := range left {
		lines = append(lines, string(iv.ID.Domain)+" "+iv.Source+" "+iv.Set.Lines()[0])
	}
	// What a source said until lately is not old, nor is what it still says; a record that is not watched any more
	// says nothing.
	if want := []string{"a.test one 2", "a.test two 1", "a.test two 3", "gone.test two 3"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v; want %q", lines, err, want)
	}
	if ts, err := s.Transitions(ctx, Query{Domain: "a.test"}); err != nil || len(ts) != 1 {
		t.Errorf("%d transitions left, %v", len(ts), err)
	}
	for q, want := range map[Query]int{{}: 1, {Domain: "a.test", Record: "spf"}: 1, {Domain: "a.test", Record: "mx"}: 0, {Until: recent}: 0} {
		if ns, err := s.Notices(ctx, q); err != nil || len(ns) != want {
			t.Errorf("%+v: %d notices, %v; want %d", q, len(ns), err, want)
		}
	}
}

// TestAnswersThatLasted asks for a window of time and what was known when it began.
func TestAnswersThatLasted(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	hour := func(n int) time.Time { return day.Add(time.Duration(n) * time.Hour) }
	var b monitor.Batch
	for source, begins := range map[string][]int{"long": {-9}, "changed": {-9, -3, 1, 5}, "sharp": {-2, 0}, "later": {2}, "too late": {4}} {
		for _, n := range begins {
			b.Intervals = append(b.Intervals, monitor.Interval{ID: id("a.test", "spf"), Source: source, From: hour(n), Set: txt(fmt.Sprint(n))})
		}
	}
	b.Intervals = append(b.Intervals, monitor.Interval{ID: id("z.test", "spf"), Source: "last", From: hour(-1), Set: txt("-1")})
	commit(t, s, b)
	got, err := s.Intervals(ctx, Query{Since: hour(0), Until: hour(4), Lasting: true})
	var lines []string
	for _, iv := range got {
		lines = append(lines, iv.Source+" "+iv.Set.Lines()[0])
	}
	if want := []string{"changed -3", "changed 1", "later 2", "long -9", "sharp 0", "last -1"}; err != nil || !slices.Equal(lines, want) {
		t.Errorf("%q, %v; want %q", lines, err, want)
	}
}

// What pruning frees is used again, so the file of a daemon that prunes does not grow.
func TestTheFileDoesNotGrowWhileAsMuchIsPruned(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	s.db.NoSync = true
	size := map[int]int64{}
	for month := range 12 {
		for sweep := range 60 {
			at := day.AddDate(0, month, 0).Add(time.Duration(sweep) * time.Hour)
			b := monitor.Batch{Sweep: &monitor.SweepSummary{Started: at}}
			for record := range 30 {
				rid := id(fmt.Sprintf("d%02d.test", record), "spf")
				b.States = append(b.States, monitor.RecordState{ID: rid})
				b.Transitions = append(b.Transitions, monitor.Transition{ID: rid, Transition: judge.Transition{At: at}, Why: strings.Repeat("x", 200)})
				for _, source := range []string{"one", "two", "three"} {
					b.Intervals = append(b.Intervals, monitor.Interval{ID: rid, Source: source, From: at, Set: txt(fmt.Sprint(month, sweep))})
				}
			}
			commit(t, s, b)
		}
		if _, err := s.Prune(ctx, Retention{History: 60 * 24 * time.Hour, Sweeps: 60 * 24 * time.Hour}, day.AddDate(0, month, 3)); err != nil {
			t.Fatal(err)
		}
		if err := s.view(func(tx *bolt.Tx) error { size[month] = tx.Size(); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	if size[11] > size[3]*5/4 {
		t.Errorf("the file has grown: %v", size)
	}
}

func TestF66AClockFromAnotherYearDeletesNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "db"))
	commit(t, s, sample())
	for _, now := range []time.Time{day.AddDate(10, 0, 0), day.AddDate(0, 0, -1)} {
		p, err := s.Prune(ctx, Retention{History: time.Hour, Sweeps: time.Hour}, now)
		if !errors.Is(err, ErrClock) || p != (Pruned{}) {
			t.Errorf("at %s: %+v, %v", now, p, err)
		}
	}
}

func TestAFullDiskIsAnErrorAndTheRestStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	s := open(t, path)
	commit(t, s, sample())
	s.db.MaxSize = 1 << 20 // as if no page more could be had
	huge := monitor.Batch{Transitions: []monitor.Transition{{ID: id("a.test", "spf"), Why: strings.Repeat("x", 4<<20)}}}
	if err := s.Commit(ctx, huge); err == nil {
		t.Fatal("the huge batch was taken")
	}
	s.db.MaxSize = 0
	commit(t, s, sample())
	if ts, err := s.Transitions(ctx, Query{}); err != nil || len(ts) != 2 || ts[1].Seq != 2 {
		t.Errorf("%d transitions, %v: want the two that were committed, numbered without a gap", len(ts), err)
	}
}

// Whatever is committed, in whatever order, is what is loaded.
func TestPropertyLikeAMap(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "p")
		if err != nil {
			rt.Fatal(err)
		}
		path := filepath.Join(dir, "db")
		model := map[monitor.RecordID]int{}
		s, err := Open(ctx, path, Options{})
		if err != nil {
			rt.Fatal(err)
		}
		for range rapid.IntRange(1, 15).Draw(rt, "batches") {
			var b monitor.Batch
			touched := map[monitor.RecordID]bool{}
			for range rapid.IntRange(0, 5).Draw(rt, "changes") {
				key := id(rapid.SampledFrom([]string{"a.test", "b.test", "a.test.b"}).Draw(rt, "domain"), rapid.SampledFrom([]string{"spf", "mx", "dkim:a"}).Draw(rt, "key"))
				if touched[key] {
					continue
				}
				touched[key] = true
				if rapid.Bool().Draw(rt, "remove") {
					b.Removed = append(b.Removed, key)
					delete(model, key)
				} else {
					ttl := rapid.IntRange(0, 1000).Draw(rt, "ttl")
					b.States = append(b.States, monitor.RecordState{ID: key, OldTTL: uint32(ttl)})
					model[key] = ttl
				}
			}
			if err := s.Commit(ctx, b); err != nil {
				rt.Fatal(err)
			}
			if rapid.IntRange(0, 3).Draw(rt, "reopen") == 0 {
				_ = s.Close()
				if s, err = Open(ctx, path, Options{}); err != nil {
					rt.Fatal(err)
				}
			}
		}
		m, err := s.Load(ctx)
		if err != nil {
			rt.Fatal(err)
		}
		kept := states(t, m)
		if _ = s.Close(); len(kept) != len(model) {
			rt.Fatalf("%d states, want %d", len(kept), len(model))
		}
		for _, st := range kept {
			if model[st.ID] != int(st.OldTTL) {
				rt.Fatalf("%s is %d, want %d", st.ID, st.OldTTL, model[st.ID])
			}
		}
	})
}

// commitForEver is the child of TestF73: it commits and says so, until it is killed.
func commitForEver(path string) {
	s, err := Open(ctx, path, Options{})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	if os.Getenv("MAILDRIFT_TEST_COMPACTS") != "" {
		go compactForEver(s)
	}
	for {
		ts := monitor.Transition{ID: id("a.test", "spf"), Transition: judge.Transition{At: time.Now()}}
		st := monitor.RecordState{ID: id("a.test", fmt.Sprint("k", rand.IntN(50))), Baseline: txt(strings.Repeat("x", rand.IntN(2000)))}
		if err := s.Commit(ctx, monitor.Batch{Transitions: []monitor.Transition{ts}, States: []monitor.RecordState{st}}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("committed")
	}
}

// compactForEver compacts beside the commits, and says how often.
func compactForEver(s *Store) {
	for {
		if _, err := s.CompactBeside(ctx, nil); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println("compacted")
	}
}

func TestF73KillLosesNothingThatWasAcknowledged(t *testing.T) { killAfter(t, "committed") }

// TestF73KillWhileItCompactsLosesNothing kills at any moment of the compactions after the first.
func TestF73KillWhileItCompactsLosesNothing(t *testing.T) {
	killAfter(t, "compacted", "MAILDRIFT_TEST_COMPACTS=1")
}

// killAfter kills a child that commits, a while after it said something, again and again, and holds what is there then
// against what the child said.
func killAfter(t *testing.T, said string, env ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "maildrift.db")
	rounds, acknowledged, compacted := 15, 0, 0
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		rounds = 300
	}
	for range rounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(append(os.Environ(), "MAILDRIFT_TEST_COMMITTER="+path), env...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		die := sync.OnceFunc(func() {
			time.AfterFunc(time.Duration(rand.IntN(80))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		})
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			switch lines.Text() {
			case "committed":
				acknowledged++
			case "compacted":
				compacted++
			default:
				t.Errorf("the child says %q", lines.Text())
				die()
			}
			if lines.Text() == said {
				die()
			}
		}
		_ = cmd.Wait()
		s := open(t, path)
		ts, err := s.Transitions(ctx, Query{Limit: 1 << 30})
		if err != nil || len(ts) < acknowledged {
			t.Fatalf("%d transitions, but %d were acknowledged; %v", len(ts), acknowledged, err)
		}
		for i, tr := range ts {
			if tr.Seq != uint64(i+1) {
				t.Fatalf("transition %d has number %d", i+1, tr.Seq)
			}
		}
		if err := s.db.View(func(tx *bolt.Tx) error {
			for err := range tx.Check() {
				return err
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		acknowledged = len(ts)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		leftovers(t, path)
	}
	t.Logf("%d kills, %d transactions, %d compactions, none lost", rounds, acknowledged, compacted)
}

func TestUpkeepIsKeptReplacedAndForgotten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.db")
	s := open(t, path)
	at := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	u := monitor.Upkeep{Domain: "shop.example", At: at, Again: true, Seen: []hygiene.Finding{{ID: "ns_lame", Severity: hygiene.Warning, At: "ns1.example", Text: "x"}}}
	u.Incident = &monitor.Incident{ID: id("shop.example", monitor.UpkeepKey), Name: monitor.AlertAtRisk, Value: "warning", Opened: at}
	commit(t, s, monitor.Batch{Upkeep: []monitor.Upkeep{u, {Domain: "other.example", At: at}}})
	u.Again = false
	commit(t, s, monitor.Batch{Upkeep: []monitor.Upkeep{u}, UpkeepGone: []rrset.Name{"other.example"}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	m, err := s.Load(t.Context())
	if err != nil || !reflect.DeepEqual(m.Upkeep, []monitor.Upkeep{u}) {
		t.Errorf("%+v, %v; want %+v", m.Upkeep, err, u)
	}
}

func TestADatabaseOfTheFirstDaysHasNoUpkeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "maildrift.db")
	s := open(t, path)
	if err := s.db.Update(func(tx *bolt.Tx) error { return tx.DeleteBucket(bucketUpkeep) }); err != nil {
		t.Fatal(err)
	}
	if m, err := s.Load(t.Context()); err != nil || len(m.Upkeep) != 0 {
		t.Errorf("%+v, %v", m.Upkeep, err)
	}
	commit(t, s, monitor.Batch{Upkeep: []monitor.Upkeep{{Domain: "shop.example"}}})
	if m, err := s.Load(t.Context()); err != nil || len(m.Upkeep) != 1 {
		t.Errorf("%+v, %v", m.Upkeep, err)
	}
}
