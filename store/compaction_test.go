package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/access"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// kinds are all kinds of writes. Each is the same for the same dice; what it changes may be there or not.
var kinds = map[string]func(s *Store, dice *rand.Rand, at time.Time) error{
	"states": batch(func(dice *rand.Rand, _ time.Time) (b monitor.Batch) {
		for range dice.IntN(4) {
			b.States = append(b.States, monitor.RecordState{ID: someRecord(dice), OldTTL: dice.Uint32(), Baseline: txt(strings.Repeat("x", dice.IntN(3000)))})
		}
		return b
	}),
	"removed": batch(func(dice *rand.Rand, _ time.Time) monitor.Batch {
		return monitor.Batch{Removed: []monitor.RecordID{someRecord(dice), someRecord(dice)}}
	}),
	"answers": batch(func(dice *rand.Rand, at time.Time) (b monitor.Batch) {
		for range dice.IntN(6) {
			iv := monitor.Interval{ID: someRecord(dice), Source: fmt.Sprint("source ", dice.IntN(30)), From: at, Outcome: resolve.Answered, Set: txt(fmt.Sprint(dice.IntN(5)))}
			b.Intervals = append(b.Intervals, iv)
		}
		return b
	}),
	"transitions": batch(func(dice *rand.Rand, at time.Time) (b monitor.Batch) {
		for range dice.IntN(3) {
			votes := []monitor.SourceVote{{Source: fmt.Sprint("voter ", dice.IntN(30)), Operator: "op", At: at}}
			b.Transitions = append(b.Transitions, monitor.Transition{ID: someRecord(dice), Transition: judge.Transition{At: at}, Votes: votes})
		}
		return b
	}),
	"incident": batch(func(dice *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Incidents: []monitor.Incident{{ID: someRecord(dice), Name: monitor.AlertMissing, Opened: at, Closed: at.Add(time.Second)}}}
	}),
	"domains": batch(func(dice *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Domains: []monitor.StoredDomain{{Name: someRecord(dice).Domain, Registered: at}}, Gone: []rrset.Name{someRecord(dice).Domain}}
	}),
	"upkeep": batch(func(dice *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Upkeep: []monitor.Upkeep{{Domain: someRecord(dice).Domain, At: at}}, UpkeepGone: []rrset.Name{someRecord(dice).Domain}}
	}),
	"audit": batch(func(dice *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Audit: []monitor.Audit{{At: at, Domain: someRecord(dice).Domain}}}
	}),
	"notices": batch(func(dice *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Notices: []monitor.Notice{{At: at, Receiver: strings.Repeat("r", dice.IntN(200))}, {At: at}}}
	}),
	"sweep": batch(func(_ *rand.Rand, at time.Time) monitor.Batch {
		return monitor.Batch{Sweep: &monitor.SweepSummary{Started: at}, Self: &monitor.SelfState{LastGoodSweep: at}}
	}),
	"nothing": func(s *Store, _ *rand.Rand, _ time.Time) error { return s.Writable(ctx) },
	"token": func(s *Store, dice *rand.Rand, at time.Time) error {
		token := access.Token{Name: fmt.Sprint("token ", dice.IntN(4)), Scope: access.Read, Created: at}
		if err := s.AddToken(ctx, token); err != nil && !errors.Is(err, ErrToken) {
			return err
		}
		token.Name = fmt.Sprint("token ", dice.IntN(4))
		token.Used = at
		if err := s.UseToken(ctx, token); err != nil {
			return err
		}
		if err := s.RemoveToken(ctx, fmt.Sprint("token ", dice.IntN(4))); !errors.Is(err, ErrToken) {
			return err
		}
		return nil
	},
	"prune": func(s *Store, dice *rand.Rand, at time.Time) error {
		keep := time.Duration(1+dice.IntN(3)) * time.Hour
		if _, err := s.Prune(ctx, Retention{History: keep, Sweeps: keep}, at); !errors.Is(err, ErrClock) {
			return err
		}
		return nil
	},
}

func batch(of func(dice *rand.Rand, at time.Time) monitor.Batch) func(*Store, *rand.Rand, time.Time) error {
	return func(s *Store, dice *rand.Rand, at time.Time) error { return s.Commit(ctx, of(dice, at)) }
}

func someRecord(dice *rand.Rand) monitor.RecordID {
	return id(fmt.Sprintf("d%02d.test", dice.IntN(20)), []string{"dmarc", "mx", "spf"}[dice.IntN(3)])
}

// wrote does the nth write, which is the same for every store.
func wrote(t testing.TB, s *Store, n int) {
	t.Helper()
	dice := rand.New(rand.NewPCG(uint64(n), 1))
	kind := slices.Sorted(maps.Keys(kinds))[dice.IntN(len(kinds))]
	if err := kinds[kind](s, dice, day.Add(time.Duration(n)*time.Minute)); err != nil {
		t.Fatalf("write %d, %s: %v", n, kind, err)
	}
}

// dump is all that is in a database: values by bucket and key, and the number of each bucket's last entry.
func dump(t testing.TB, s *Store) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := s.view(func(tx *bolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		return tx.ForEach(func(name []byte, b *bolt.Bucket) error {
			out[string(name)] = fmt.Sprint(b.Sequence())
			return b.ForEach(func(k, v []byte) error {
				out[fmt.Sprintf("%s %q", name, k)] = string(v)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func sameDump(t testing.TB, when string, want, got map[string]string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%s it is not what it was (-want +got):\n%s", when, diff)
	}
}

// grown gives a database with some history, in more than one batch, and room that was freed. It does not wait for the disk.
func grown(t testing.TB, path string) *Store {
	t.Helper()
	s := open(t, path)
	s.db.NoSync = true
	var b monitor.Batch
	for i := range 200 {
		b.Notices = append(b.Notices, monitor.Notice{At: day.AddDate(-1, 0, 0), Receiver: strings.Repeat("o", 40_000)})
		b.States = append(b.States, monitor.RecordState{ID: id(fmt.Sprintf("e%03d.test", i), "spf"), Baseline: txt(strings.Repeat("y", 30_000))})
	}
	commit(t, s, b)
	for n := range 300 {
		wrote(t, s, n)
	}
	commit(t, s, monitor.Batch{Sweep: &monitor.SweepSummary{Started: day}})
	if _, err := s.Prune(ctx, Retention{History: 24 * time.Hour}, day); err != nil {
		t.Fatal(err)
	}
	return s
}

// leftovers fails if there is a file of a compaction that is not needed.
func leftovers(t testing.TB, path string) {
	t.Helper()
	if left, err := filepath.Glob(path + ".compact*"); err != nil || len(left) > 0 {
		t.Errorf("left behind: %q, %v", left, err)
	}
}

// TestWhateverIsWrittenBesideACompactionIsThere writes all kinds of things between all batches of compactions, and the same
// to a twin that is never compacted.
func TestWhateverIsWrittenBesideACompactionIsThere(t *testing.T) {
	dir := t.TempDir()
	s := grown(t, filepath.Join(dir, "db"))
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := copyFile(filepath.Join(dir, "db"), filepath.Join(dir, "twin")); err != nil {
		t.Fatal(err)
	}
	s, twin := open(t, filepath.Join(dir, "db")), open(t, filepath.Join(dir, "twin"))
	s.db.NoSync, twin.db.NoSync = true, true
	for seed := range 6 {
		n, calls := 1000*(seed+1), 0
		done, err := s.CompactBeside(ctx, func(int64, int64) {
			calls++
			for range 30 {
				n++
				wrote(t, s, n)
				wrote(t, twin, n)
			}
		})
		if err != nil || done.Meanwhile == 0 || calls < len(dumpBuckets(t, twin)) {
			t.Fatalf("%+v after %d batches, %v", done, calls, err)
		}
		sameDump(t, "after the compaction", dump(t, twin), dump(t, s))
		wrote(t, s, 0)
		wrote(t, twin, 0)
		sameDump(t, "after it is written again", dump(t, twin), dump(t, s))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, filepath.Join(dir, "db"))
	sameDump(t, "after it is opened again", dump(t, twin), dump(t, s))
	if s.Size() >= twin.Size() {
		t.Errorf("%d bytes, and %d without a compaction", s.Size(), twin.Size())
	}
	leftovers(t, s.path)
}

func dumpBuckets(t testing.TB, s *Store) (names []string) {
	t.Helper()
	if err := s.view(func(tx *bolt.Tx) error {
		return tx.ForEach(func(name []byte, _ *bolt.Bucket) error { names = append(names, string(name)); return nil })
	}); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestEveryKindOfWriteIsNoted writes everything of a kind behind the back of a copy that is whole.
func TestEveryKindOfWriteIsNoted(t *testing.T) {
	for kind, write := range kinds {
		t.Run(kind, func(t *testing.T) {
			s := grown(t, filepath.Join(t.TempDir(), "db"))
			c := &compaction{s: s}
			if err := errors.Join(c.begin(), c.copy(ctx)); err != nil {
				t.Fatal(err)
			}
			for n := range 50 {
				if err := write(s, rand.New(rand.NewPCG(uint64(n), 2)), day.Add(time.Duration(n)*time.Hour)); err != nil {
					t.Fatal(err)
				}
			}
			want := dump(t, s)
			if err := c.replace(); err != nil {
				t.Fatal(err)
			}
			sameDump(t, "after the compaction", want, dump(t, s))
		})
	}
}

// TestAllAtOnce has everybody at work while the database is compacted again and again.
func TestAllAtOnce(t *testing.T) {
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	var work sync.WaitGroup
	var over atomic.Bool
	again := func(f func(n int) error) {
		work.Go(func() {
			for n := 0; !over.Load(); n++ {
				if err := f(n); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	had, err := s.Tokens(ctx)
	if err != nil {
		t.Fatal(err)
	}
	sweeps, tokens, at := 0, len(had), day.AddDate(0, 1, 0)
	again(func(int) error {
		b := sample()
		b.Sweep = &monitor.SweepSummary{Started: at, Group: fmt.Sprint(sweeps)}
		sweeps++
		return s.Commit(ctx, b)
	})
	again(func(n int) error {
		tokens++
		return s.AddToken(ctx, access.Token{Name: fmt.Sprintf("token %06d", n), Scope: access.Read})
	})
	again(func(n int) error {
		err := kinds["states"](s, rand.New(rand.NewPCG(uint64(n), 3)), at)
		_, pruned := s.Prune(ctx, Retention{History: time.Hour}, at)
		return errors.Join(err, pruned, s.Writable(ctx))
	})
	again(func(int) error { return readAll(s) })
	again(func(int) error {
		_, err := s.Backup(ctx, io.Discard)
		_, _, room := s.Room()
		return errors.Join(err, room, s.Rest())
	})
	for range 3 {
		if _, err := s.CompactBeside(ctx, nil); err != nil {
			t.Error(err)
		}
	}
	over.Store(true)
	work.Wait()
	for range 2 { // the second time after it was opened again
		got, err := s.Sweeps(ctx, Query{Since: at, Limit: 1 << 30})
		known, errTokens := s.Tokens(ctx)
		if err != nil || errTokens != nil || len(got) != sweeps || len(known) != tokens {
			t.Errorf("%d sweeps of %d, %d tokens of %d, %v, %v", len(got), sweeps, len(known), tokens, err, errTokens)
		}
		for i, sweep := range got {
			if sweep.Group != fmt.Sprint(i) {
				t.Fatalf("sweep %d is %s", i, sweep.Group)
			}
		}
		_ = dump(t, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, s.path)
	}
}

func readAll(s *Store) error {
	m, err := s.Load(ctx)
	if err != nil {
		return err
	}
	_, errHistory := s.Transitions(ctx, Query{})
	_, errAnswers := s.Intervals(ctx, Query{Domain: "shop.test"})
	_, errSources := s.Sources(ctx)
	return errors.Join(m.Records(func([]monitor.Remembered) {}), errHistory, errAnswers, errSources, s.Records(ctx, Query{}, func(RecordHistory) error { return nil }))
}

// TestACompactionThatIsKilledLosesNothing opens what is in the directory at each moment at which a compaction can be
// killed.
func TestACompactionThatIsKilledLosesNothing(t *testing.T) {
	dir := t.TempDir()
	s := grown(t, filepath.Join(dir, "db"))
	n := 2000
	killed := func(when string, edit func(copied string)) {
		t.Helper()
		wrote(t, s, n)
		n++
		killedAt(t, s, when, edit)
	}
	c := &compaction{s: s, progress: func(done, _ int64) {
		if done > 3<<20 && done < 6<<20 {
			killed("in the midst of the copy", nil)
		}
	}}
	step := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	step(c.begin())
	killed("when it has begun", nil)
	step(c.copy(ctx))
	killed("after the copy", nil)
	step(c.follow(ctx))
	step(c.settle())
	killedAt(t, s, "before the copy is in place", nil)
	killedAt(t, s, "when the copy is in place", func(copied string) {
		if err := os.Rename(copied+".compact", copied); err != nil {
			t.Fatal(err)
		}
	})
	step(c.replace())
	killed("when it is used", nil)
	leftovers(t, s.path)
}

// killedAt opens a copy of the directory as it is now, and holds it against the database.
func killedAt(t *testing.T, s *Store, when string, edit func(copied string)) {
	t.Helper()
	want, dir := dump(t, s), t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(filepath.Dir(s.path))); err != nil {
		t.Fatal(err)
	}
	copied := filepath.Join(dir, filepath.Base(s.path))
	if edit != nil {
		edit(copied)
	}
	again := open(t, copied)
	sameDump(t, when, want, dump(t, again))
	leftovers(t, copied)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestACompactionThatFailsChangesNothing(t *testing.T) {
	cancelled, cancel := context.WithCancel(ctx)
	cancel()
	for name, fails := range map[string]func(t *testing.T, s *Store) error{
		"it is cancelled": func(_ *testing.T, s *Store) error {
			_, err := s.CompactBeside(cancelled, nil)
			return err
		},
		"it is cancelled later": func(_ *testing.T, s *Store) error {
			later, cancel := context.WithCancel(ctx)
			_, err := s.CompactBeside(later, func(done, of int64) {
				if done > of/2 {
					cancel()
				}
			})
			cancel()
			return err
		},
		"the disk is full": func(_ *testing.T, s *Store) error {
			s.db.MaxSize = 4 << 20
			_, err := s.CompactBeside(ctx, nil)
			s.db.MaxSize = 0
			return err
		},
		"its file cannot be made": func(t *testing.T, s *Store) error {
			if err := os.MkdirAll(s.path+".compact/x", 0o700); err != nil {
				t.Fatal(err)
			}
			_, err := s.CompactBeside(ctx, nil)
			if removed := os.RemoveAll(s.path + ".compact"); removed != nil {
				t.Fatal(removed)
			}
			return err
		},
		"it cannot be put in place": func(t *testing.T, s *Store) error {
			c := &compaction{s: s}
			if err := c.begin(); err != nil {
				t.Fatal(err)
			}
			c.real = filepath.Join(c.real, "none")
			return c.run(ctx)
		},
		"there is another bucket in a bucket": func(t *testing.T, s *Store) error {
			nested := func(change func(b *bolt.Bucket) error) {
				if err := s.db.Update(func(tx *bolt.Tx) error { return change(tx.Bucket(bucketSweeps)) }); err != nil {
					t.Fatal(err)
				}
			}
			nested(func(b *bolt.Bucket) error { _, err := b.CreateBucket([]byte("z")); return err })
			_, err := s.CompactBeside(ctx, nil)
			nested(func(b *bolt.Bucket) error { return b.DeleteBucket([]byte("z")) })
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := grown(t, filepath.Join(t.TempDir(), "db"))
			want := dump(t, s)
			if err := fails(t, s); err == nil {
				t.Fatal("it succeeded")
			}
			leftovers(t, s.path)
			sameDump(t, "after the failure", want, dump(t, s))
			wrote(t, s, 5000)
			want = dump(t, s)
			if done, err := s.CompactBeside(ctx, nil); err != nil || done.After >= done.Before {
				t.Errorf("the next one: %+v, %v", done, err)
			}
			sameDump(t, "after the next one", want, dump(t, s))
		})
	}
}

// TestWhoReadsOverACompactionReadsOn reads, and backs up, what was there when that began, though others write already to
// the new file.
func TestWhoReadsOverACompactionReadsOn(t *testing.T) {
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	want := dump(t, s)
	replaced := sync.OnceFunc(func() {
		if _, err := s.CompactBeside(ctx, nil); err != nil {
			t.Error(err)
		}
		commit(t, s, sample())
	})
	backup := filepath.Join(t.TempDir(), "db")
	f, err := os.Create(backup)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Backup(ctx, writer(func(b []byte) (int, error) { replaced(); return f.Write(b) })); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	sameDump(t, "in the backup", want, dump(t, open(t, backup)))
	if got, err := s.Sweeps(ctx, Query{Newest: true, Limit: 1}); err != nil || got[0].Records != 1 {
		t.Errorf("%+v, %v: want the newest sweep", got, err)
	}
	if err := s.olds.Wait(); err != nil { // the old file is closed when nobody reads it
		t.Error(err)
	}
	if n := handles(t, s.path+" (deleted)"); n != 0 {
		t.Errorf("the old file is still open, %d times", n)
	}
}

type writer func(b []byte) (int, error)

// Write implements io.Writer.
func (w writer) Write(b []byte) (int, error) { return w(b) }

func TestCloseEndsACompaction(t *testing.T) {
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	want := dump(t, s)
	closed := make(chan error)
	closing := sync.OnceFunc(func() {
		go func() { closed <- s.Close() }()
		for !s.closed.Load() {
			time.Sleep(time.Millisecond)
		}
	})
	if _, err := s.CompactBeside(ctx, func(int64, int64) { closing() }); !errors.Is(err, errClosed) {
		t.Errorf("%v, want that it was closed", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	leftovers(t, s.path)
	if _, err := s.CompactBeside(ctx, nil); !errors.Is(err, errClosed) {
		t.Errorf("after it was closed: %v", err)
	}
	sameDump(t, "after it is opened again", want, dump(t, open(t, s.path)))
}

func TestThereIsOneCompactionAtATime(t *testing.T) {
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	if _, err := s.CompactBeside(ctx, func(int64, int64) {
		if _, err := s.CompactBeside(ctx, nil); !errors.Is(err, ErrCompacting) {
			t.Errorf("%v, want that there is one", err)
		}
	}); err != nil {
		t.Error(err)
	}
}

// TestNobodyElseGetsInBetween has others try to open the database while it is compacted: one who gives up at once, and one
// who waits from before the file is replaced until it is closed, and then must not have the old one.
func TestNobodyElseGetsInBetween(t *testing.T) {
	t.Run("to write", func(t *testing.T) { getInBetween(t, Options{Timeout: time.Minute}) })
	t.Run("to read", func(t *testing.T) { getInBetween(t, Options{Timeout: time.Minute, ReadOnly: true}) })
}

func getInBetween(t *testing.T, o Options) {
	t.Helper()
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	type opened struct {
		s   *Store
		err error
	}
	waiting := make(chan opened)
	wait := sync.OnceFunc(func() {
		go func() {
			other, err := Open(ctx, s.path, o)
			waiting <- opened{other, err}
		}()
		for handles(t, s.path) < 2 {
			time.Sleep(time.Millisecond)
		}
	})
	if _, err := s.CompactBeside(ctx, func(int64, int64) {
		if _, err := Open(ctx, s.path, Options{Timeout: time.Millisecond}); !errors.Is(err, ErrLocked) {
			t.Errorf("%v, want that it is locked", err)
		}
		wait()
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(ctx, s.path, Options{Timeout: time.Millisecond}); !errors.Is(err, ErrLocked) {
		t.Errorf("afterwards: %v, want that it is locked", err)
	}
	commit(t, s, sample())
	want := dump(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	other := <-waiting
	if other.err != nil {
		t.Fatal(other.err)
	}
	sameDump(t, "for who has waited", want, dump(t, other.s))
	if err := other.s.Close(); err != nil {
		t.Fatal(err)
	}
}

// handles counts how often this process has a file open.
func handles(t *testing.T, path string) (n int) {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	if errors.Is(err, os.ErrNotExist) {
		t.Skip("there is no /proc to see in who waits")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range open {
		if file, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && file == path {
			n++
		}
	}
	return n
}

// TestACompactionLeavesLinksAndOwners as they are: the copy is made where the file is.
func TestACompactionLeavesLinksAndOwners(t *testing.T) {
	dir, disk := t.TempDir(), t.TempDir()
	path, file := filepath.Join(dir, "db"), filepath.Join(disk, "large")
	if err := grown(t, path).Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path, file), os.Symlink(file, path), os.Chmod(file, 0o640)); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() == 0 {
		if err := os.Chown(file, 1, 2); err != nil {
			t.Fatal(err)
		}
	}
	was, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file+".compact", []byte("what is left of one that was killed"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, path)
	leftovers(t, file)
	if done, err := s.CompactBeside(ctx, nil); err != nil || done.After != s.Size() || done.After >= done.Before {
		t.Errorf("%+v, %v; it has %d bytes", done, err, s.Size())
	}
	link, err := os.Readlink(path)
	is, errStat := os.Stat(file)
	if err != nil || errStat != nil || link != file || is.Mode() != was.Mode() || ownerOf(is) != ownerOf(was) {
		t.Errorf("%s with mode %s of %s, %v, %v; it was %s of %s", link, is.Mode(), ownerOf(is), err, errStat, was.Mode(), ownerOf(was))
	}
	leftovers(t, file)
}

// ownerOf gives whose a file is, where that is known.
func ownerOf(info os.FileInfo) string {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return fmt.Sprint(st.Uid, ":", st.Gid)
	}
	return ""
}

func TestACompactionNeedsRoom(t *testing.T) {
	if err := needRoom(t.TempDir(), 1); err != nil {
		t.Errorf("for one byte: %v", err)
	}
	if err := needRoom(t.TempDir(), 1<<62); runtime.GOOS == "linux" && !errors.Is(err, ErrRoom) {
		t.Errorf("for more than any disk has: %v", err)
	}
}

// TestRoom tells what a compaction would give back.
func TestRoom(t *testing.T) {
	s := grown(t, filepath.Join(t.TempDir(), "db"))
	size, free, err := s.Room()
	if err != nil || free < size/2 || free >= size {
		t.Fatalf("%d free of %d, %v: want more than half", free, size, err)
	}
	if _, err := s.CompactBeside(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if after, still, err := s.Room(); err != nil || after-still > (size-free)*11/10 || still > after/2 {
		t.Errorf("%d free of %d, %v: want about the %d that were in use", still, after, err, size-free)
	}
}
