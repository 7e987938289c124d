package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// The fleet that is measured: records of a mail domain, heard from public resolvers and the zone's own servers, and
// committed in stages as the engine does.
const (
	fleetResolvers = 12
	fleetStage     = 1000
)

// fleetDomains gives how many domains are measured: MAILDRIFT_BENCH_RECORDS, six a domain, or few enough for make bench.
func fleetDomains() int {
	n, err := strconv.Atoi(os.Getenv("MAILDRIFT_BENCH_RECORDS"))
	if err != nil || n <= 0 {
		n = 12_000
	}
	return n / 6
}

// fleetRecord is one record of each domain of the fleet.
type fleetRecord struct {
	key  string
	kind mailrec.Kind
	// own says that its content is this domain's alone.
	own bool
	set func(domain, version int) rrset.Set
}

func parsed(t rrset.Type, format string, args ...any) rrset.Set {
	s, err := rrset.Parse(t, fmt.Sprintf(format, args...))
	if err != nil {
		panic(err)
	}
	return s
}

var fleetRecords = []fleetRecord{
	{"dkim:s1", mailrec.DKIM, true, func(d, v int) rrset.Set {
		return parsed(rrset.TXT, "v=DKIM1; k=rsa; p=MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEA%0280d%0106dIDAQAB", d, v)
	}},
	{"dkim:s2", mailrec.CNAME, true, func(d, v int) rrset.Set {
		return parsed(rrset.CNAME, "s2.d%06d-%d.dkim.mailservice.example", d, v)
	}},
	{"dmarc", mailrec.DMARC, false, func(d, v int) rrset.Set {
		return parsed(rrset.TXT, "v=DMARC1; p=reject; rua=mailto:dmarc%d-%d@reports.example", d%8, v)
	}},
	{"mx", mailrec.MX, false, func(d, v int) rrset.Set { return parsed(rrset.MX, "10 mx%d-%d.mailservice.example", d%4, v) }},
	{"ownership", mailrec.Ownership, true, func(d, v int) rrset.Set {
		return parsed(rrset.TXT, "mailservice-verification=%032d%d", d, v)
	}},
	{"spf", mailrec.SPF, false, func(d, v int) rrset.Set {
		return parsed(rrset.TXT, "v=spf1 include:spf%d-%d.mailservice.example -all", d%16, v)
	}},
}

// fleetSources are who is heard about a domain.
func fleetSources(domain int) []resolve.Source {
	var out []resolve.Source
	for i := range fleetResolvers {
		out = append(out, resolve.Source{ID: fmt.Sprintf("resolver%d", i), Operator: resolve.Operator(fmt.Sprintf("operator%d", i))})
	}
	for i := range 2 {
		out = append(out, resolve.Source{ID: fmt.Sprintf("ns%d.dns%d.example/192.0.2.%d", i, domain%50, domain%50+100*i), Role: resolve.Authoritative})
	}
	return out
}

// fleetHeard is what a sweep commits of one record when it is new or has changed for all sources.
func fleetHeard(batch *monitor.Batch, domain int, r fleetRecord, version int, at time.Time) {
	fleetHeardBy(batch, domain, r, version, at, 0, fleetResolvers+2)
}

// fleetHeardBy is the same when it has changed for some sources.
func fleetHeardBy(batch *monitor.Batch, domain int, r fleetRecord, version int, at time.Time, from, to int) {
	name := rrset.Name(fmt.Sprintf("d%06d.example", domain))
	rid := monitor.RecordID{Domain: name, Key: r.key}
	set := r.set(domain, version)
	zone := rrset.Name(fmt.Sprintf("dns%d.example", domain%50))
	batch.States = append(batch.States, monitor.RecordState{
		ID: rid, Name: name, Expectation: mailrec.Expectation{Kind: r.kind, Match: mailrec.Captured}, Baseline: set, OldTTL: 3600, Affordable: r.kind == mailrec.SPF,
		State: judge.State{Phase: judge.Verified, Verdict: judge.Holding, Since: at, Registered: day, VerifiedAt: at}, Zone: name, Servers: []rrset.Name{"ns0." + zone, "ns1." + zone},
	})
	t := monitor.Transition{
		ID: rid, New: set, Rebased: true,
		Transition: judge.Transition{From: judge.Position{}, To: judge.Position{Phase: judge.Verified, Verdict: judge.Holding}, At: at},
		Decision:   judge.Decision{Verdict: judge.Holding, Authority: judge.AuthorityGood, Configured: 12, Heard: 12, Allowed: 2, Servers: 2, ServersHeard: 2},
	}
	lines := set.Lines()
	for i, s := range fleetSources(domain) {
		authority := s.Role == resolve.Authoritative
		ttl := uint32(3600 - 271*i)
		if from <= i && i < to {
			batch.Intervals = append(batch.Intervals, monitor.Interval{ID: rid, Source: s.ID, Authority: authority, From: at, Set: set, TTL: ttl})
		}
		t.Votes = append(t.Votes, monitor.SourceVote{
			Source: s.ID, Operator: s.Operator, Authority: authority, Stand: judge.Good, Lines: slices.Clone(lines), TTL: ttl,
			At: at.Add(time.Duration(i) * 12_345_678), Latency: time.Duration(i+1) * 1_234_567,
		})
	}
	batch.Transitions = append(batch.Transitions, t)
}

// fleetStages gives what the first sweep of a fleet commits, a stage at a time.
func fleetStages(domains int, commit func(monitor.Batch)) {
	for from := 0; from < domains; from += fleetStage {
		var batch monitor.Batch
		at := day.Add(time.Duration(from) * time.Millisecond)
		for d := from; d < min(from+fleetStage, domains); d++ {
			for _, r := range fleetRecords {
				fleetHeard(&batch, d, r, 0, at)
			}
		}
		commit(batch)
	}
	commit(monitor.Batch{Sweep: &monitor.SweepSummary{Group: "default", Started: day, Domains: domains}})
}

// fleetStore gives a database after the first sweep.
func fleetStore(b *testing.B, domains int) *Store {
	b.Helper()
	s := open(b, filepath.Join(b.TempDir(), "db"))
	fleetStages(domains, func(batch monitor.Batch) { commit(b, s, batch) })
	return s
}

// changeRate is how many changes a record has a year: 460 of the 2,213 records of a real organisation in 13 months
// (testdata/drift).
const changeRate = 0.19

// fleetYear adds a year of changes in daily sweeps. Each is heard in three sweeps, from the authorities and then from
// one half of the resolvers after the other, and is three transitions. It gives how many there were.
func fleetYear(b *testing.B, s *Store, domains int) (changes int) {
	b.Helper()
	due := 0.0
	steps := [...][2]int{{fleetResolvers, fleetResolvers + 2}, {0, fleetResolvers / 2}, {fleetResolvers / 2, fleetResolvers}}
	started := [365 + len(steps)]int{}
	for d := range 365 {
		var batch monitor.Batch
		at := day.AddDate(0, 0, d+1)
		due += float64(domains*len(fleetRecords)) * changeRate / 365
		started[d+1] = int(due)
		for step, sources := range steps {
			first := max(d-step, 0)
			for c := started[first]; c < started[first+1] && d >= step; c++ {
				n := c * 7919 % (domains * len(fleetRecords))
				fleetHeardBy(&batch, n/len(fleetRecords), fleetRecords[n%len(fleetRecords)], 1+c, at, sources[0], sources[1])
			}
		}
		batch.Sweep = &monitor.SweepSummary{Group: "default", Started: at}
		commit(b, s, batch)
	}
	return int(due)
}

// inUse gives how many bytes of the file are in use. The file itself is larger, since it grows by large steps.
func inUse(tb testing.TB, s *Store) int64 {
	tb.Helper()
	var n int64
	if err := s.view(func(tx *bolt.Tx) error { n = tx.Size(); return nil }); err != nil {
		tb.Fatal(err)
	}
	stats := s.db.Stats()
	return n - int64((stats.FreePageN+stats.PendingPageN)*os.Getpagesize())
}

// processorTime gives how long this process has worked, on all cores and in the kernel.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkFirstSweep commits all states, answers and verifications of a fleet. commit-s is the time in Commit alone,
// which is also that of the disk and of whoever else uses the machine, commit-cpu-s what it worked.
func BenchmarkFirstSweep(b *testing.B) {
	domains := fleetDomains()
	var took, worked time.Duration
	var size int64
	for range b.N {
		s := open(b, filepath.Join(b.TempDir(), "db"))
		fleetStages(domains, func(batch monitor.Batch) {
			began, used := time.Now(), processorTime(b)
			commit(b, s, batch)
			took, worked = took+time.Since(began), worked+processorTime(b)-used
		})
		size = inUse(b, s)
		_ = s.Close()
	}
	b.ReportMetric(took.Seconds()/float64(b.N), "commit-s")
	b.ReportMetric(worked.Seconds()/float64(b.N), "commit-cpu-s")
	b.ReportMetric(float64(size)/float64(domains*len(fleetRecords)), "B/record")
}

// BenchmarkUnchangedSweep commits a sweep that found nothing new.
func BenchmarkUnchangedSweep(b *testing.B) {
	s := fleetStore(b, fleetDomains())
	for b.Loop() {
		commit(b, s, monitor.Batch{Sweep: &monitor.SweepSummary{Group: "default", Started: day}})
	}
}

// BenchmarkChangedSweep commits a sweep in which one record of a hundred has changed for all sources.
func BenchmarkChangedSweep(b *testing.B) {
	domains := fleetDomains()
	s := fleetStore(b, domains)
	sweep := 0
	for b.Loop() {
		b.StopTimer()
		sweep++
		var batch monitor.Batch
		for n := sweep % 100; n < domains*len(fleetRecords); n += 100 {
			fleetHeard(&batch, n/len(fleetRecords), fleetRecords[n%len(fleetRecords)], sweep, day.Add(time.Duration(sweep)*time.Hour))
		}
		b.StartTimer()
		commit(b, s, batch)
	}
}

// BenchmarkHistoryOfOneRecord reads all answers of one record out of a fleet's history of a year, in which it changed
// a dozen times.
func BenchmarkHistoryOfOneRecord(b *testing.B) {
	domains := fleetDomains()
	s := fleetStore(b, domains)
	fresh := inUse(b, s)
	changes := fleetYear(b, s, domains)
	perChange := float64(inUse(b, s)-fresh) / float64(changes)
	for v := range 12 {
		var batch monitor.Batch
		fleetHeard(&batch, domains/2, fleetRecords[0], 5000+v, day.AddDate(1, 0, v+1))
		commit(b, s, batch)
	}
	q := Query{Domain: rrset.Name(fmt.Sprintf("d%06d.example", domains/2)), Record: fleetRecords[0].key}
	for b.Loop() {
		if got, err := s.Intervals(ctx, q); err != nil || len(got) < 13*(fleetResolvers+2) {
			b.Fatal(len(got), err)
		}
	}
	b.ReportMetric(perChange, "B/change")
	b.ReportMetric(perChange*changeRate, "B/record-year")
}

// BenchmarkStartUp opens a fleet's database and reads what the engine starts from.
func BenchmarkStartUp(b *testing.B) {
	domains := fleetDomains()
	s := fleetStore(b, domains)
	_ = s.Close()
	began := processorTime(b)
	for b.Loop() {
		s, err := Open(ctx, s.path, Options{})
		if err != nil {
			b.Fatal(err)
		}
		m, err := s.Load(ctx)
		if err != nil {
			b.Fatal(err)
		}
		var records, answers atomic.Int64
		err = m.Records(func(kept []monitor.Remembered) {
			records.Add(int64(len(kept)))
			for i := range kept {
				answers.Add(int64(len(kept[i].Last)))
			}
		})
		want := int64(domains * len(fleetRecords))
		if err != nil || records.Load() != want || answers.Load() != want*(fleetResolvers+2) {
			b.Fatal(records.Load(), answers.Load(), err)
		}
		_ = s.Close()
	}
	b.ReportMetric((processorTime(b)-began).Seconds()/float64(b.N), "cpu-s/op")
}

// fleetAged gives a database in which every record has changed twenty times for every source, a year before the last
// sweep.
func fleetAged(b *testing.B, domains int) *Store {
	b.Helper()
	s := fleetStore(b, domains)
	s.db.NoSync = true // making it is not what is measured
	for round := 1; round <= 20; round++ {
		for from := 0; from < domains; from += fleetStage {
			var batch monitor.Batch
			for d := from; d < min(from+fleetStage, domains); d++ {
				for _, r := range fleetRecords {
					fleetHeard(&batch, d, r, round, day.Add(time.Duration(round)*time.Hour))
				}
			}
			batch.States, batch.Transitions = nil, nil
			commit(b, s, batch)
		}
	}
	s.db.NoSync = false
	commit(b, s, monitor.Batch{Sweep: &monitor.SweepSummary{Started: day.AddDate(1, 0, 0)}})
	if err := s.db.Sync(); err != nil {
		b.Fatal(err)
	}
	return s
}

// BenchmarkPruneBesideCommits deletes 280 ended answers a record while another goroutine commits what a sweep does, and
// gives the longest that a commit took. It is to be held against the longest without a pruning, which is the disk's.
func BenchmarkPruneBesideCommits(b *testing.B) {
	domains := fleetDomains()
	var longest, alone time.Duration
	var gone Pruned
	for range b.N {
		b.StopTimer()
		s := fleetAged(b, domains)
		now := day.AddDate(1, 0, 0)
		for range 20 {
			alone = max(alone, timedCommit(b, s, now))
		}
		done := make(chan struct{})
		b.StartTimer()
		go func() {
			defer close(done)
			var err error
			if gone, err = s.Prune(ctx, Retention{History: 24 * time.Hour}, now); err != nil {
				b.Error(err)
			}
		}()
		for busy := true; busy; {
			longest = max(longest, timedCommit(b, s, now))
			select {
			case <-done:
				busy = false
			default:
			}
		}
		_ = s.Close()
	}
	b.ReportMetric(float64(gone.Intervals), "answers-gone")
	b.ReportMetric(float64(longest.Microseconds())/1000, "longest-commit-ms")
	b.ReportMetric(float64(alone.Microseconds())/1000, "longest-alone-ms")
}

// BenchmarkCompactBesideCommits compacts a fleet's database, most of which is room that deleted history has left, while
// another goroutine commits what a sweep does, until the room of the old file is given back. It gives the median and the longest
// that a commit took, which are to be held against those without a compaction, and how long nobody could commit at the end.
func BenchmarkCompactBesideCommits(b *testing.B) {
	domains := fleetDomains()
	var beside, alone []time.Duration
	var did Compaction
	for range b.N {
		b.StopTimer()
		s := fleetAged(b, domains)
		now := day.AddDate(1, 0, 0)
		if _, err := s.Prune(ctx, Retention{History: 24 * time.Hour}, now); err != nil {
			b.Fatal(err)
		}
		for range 300 {
			alone = append(alone, timedCommit(b, s, now))
		}
		did = Compaction{}
		done := make(chan Compaction, 1)
		b.StartTimer()
		go func() {
			did, err := s.CompactBeside(ctx, nil)
			if err = errors.Join(err, s.olds.Wait()); err != nil {
				b.Error(err)
			}
			done <- did
		}()
		for did.Took == 0 {
			beside = append(beside, timedCommit(b, s, now))
			select {
			case did = <-done:
			default:
			}
		}
		b.StopTimer()
		_ = s.Close()
	}
	b.ReportMetric(float64(did.Before)/1e6, "MB-before")
	b.ReportMetric(float64(did.After)/1e6, "MB-after")
	b.ReportMetric(float64(len(beside))/float64(b.N), "commits")
	for which, took := range map[string][]time.Duration{"beside": beside, "alone": alone} {
		slices.Sort(took)
		b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "median-"+which+"-ms")
		b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "longest-"+which+"-ms")
	}
	b.ReportMetric(float64(did.Held.Microseconds())/1000, "held-ms")
}

func timedCommit(b *testing.B, s *Store, at time.Time) time.Duration {
	var batch monitor.Batch
	fleetHeard(&batch, 0, fleetRecords[0], int(at.Unix()), at)
	batch.Sweep = &monitor.SweepSummary{Started: at}
	began := time.Now()
	commit(b, s, batch)
	return time.Since(began)
}
