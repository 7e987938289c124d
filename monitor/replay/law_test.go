package replay_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/replay"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func text(s string) rrset.Set { return rrset.NewSet(rrset.TXT, rrset.TXTData([]byte(s))) }

// drawRecord draws a history that need not be one that an engine would write.
func drawRecord(t *rapid.T) replay.Record {
	id := monitor.RecordID{Domain: "d.test", Key: "spf"}
	r := replay.Record{State: monitor.RecordState{ID: id, Name: "d.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}}}
	r.State.Registered = start
	r.State.Phase, r.State.Verdict = judge.Verified, judge.Holding
	r.State.Baseline = text(values("d.test")[0])
	used := map[string]bool{}
	for range rapid.IntRange(0, 60).Draw(t, "answers") {
		source := rapid.SampledFrom([]string{"r1", "r2", "r3", allServers[0].ID, allServers[1].ID}).Draw(t, "source")
		iv := monitor.Interval{
			ID: id, Source: source, Authority: len(source) > 2,
			From:    start.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "at")) * time.Minute),
			Outcome: rapid.SampledFrom([]resolve.Outcome{resolve.Answered, resolve.Answered, resolve.NXDomain, resolve.Timeout, resolve.Elsewhere}).Draw(t, "outcome"),
			Mark:    rapid.SampledFrom([]monitor.Mark{"", "", monitor.MarkUnasked, monitor.MarkBogus, monitor.MarkDistrusted, monitor.MarkAnnounced, monitor.MarkOverspent}).Draw(t, "mark"),
		}
		if iv.Outcome == resolve.Answered {
			iv.Set = text(rapid.SampledFrom(values("d.test")).Draw(t, "value"))
		}
		if key := source + iv.From.String(); !used[key] {
			used[key] = true
			r.Intervals = append(r.Intervals, iv)
		}
	}
	return r
}

func drawCourse(t *rapid.T) replay.Course {
	var sweeps []monitor.SweepSummary
	for i := range rapid.IntRange(1, 50).Draw(t, "sweeps") {
		sweeps = append(sweeps, monitor.SweepSummary{Started: start.Add(time.Duration(i) * time.Hour), Duration: time.Second})
	}
	return replay.Course{
		Rules: judge.Rules{
			MinOperators: rapid.IntRange(0, 3).Draw(t, "min"), Confirmations: rapid.IntRange(0, 4).Draw(t, "confirmations"),
			ConfirmWait:       time.Duration(rapid.IntRange(0, 120).Draw(t, "wait")) * time.Second,
			DisagreementAfter: time.Duration(rapid.IntRange(0, 120).Draw(t, "disagreement")) * time.Minute,
			OverdueAfter:      time.Duration(rapid.IntRange(0, 48).Draw(t, "overdue")) * time.Hour,
		},
		AskAuthority: rapid.Bool().Draw(t, "authority"), Recheck: time.Duration(rapid.IntRange(0, 30).Draw(t, "recheck")) * time.Minute,
		Resolvers: resolvers(3), Agenda: replay.NewAgenda(sweeps, nil), Begin: start, End: start.Add(50 * time.Hour),
	}
}

// TestTheOrderOfRowsDoesNotMatter shuffles what was recorded: the pages must be the same, byte for byte.
func TestTheOrderOfRowsDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		course, record := drawCourse(t), drawRecord(t)
		want := encoded(t, replay.Run(course, record))
		record.Intervals = rapid.Permutation(record.Intervals).Draw(t, "intervals")
		if got := encoded(t, replay.Run(course, record)); got != want {
			t.Errorf("another order gave\n%s\nand not\n%s", got, want)
		}
	})
}

// TestPagesFollowEachOther holds of every history and all rules: no record has two pages at once, none ends before it
// begins, and none lies outside of what is known.
func TestPagesFollowEachOther(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		course := drawCourse(t)
		pages := replay.Run(course, drawRecord(t))
		for i, p := range pages {
			if p.Opened.Before(course.Begin) || p.Opened.After(course.End) || !p.Closed.IsZero() && p.Closed.Before(p.Opened) {
				t.Errorf("page %+v of %+v", p, pages)
			}
			if i > 0 && (pages[i-1].Closed.IsZero() || p.Opened.Before(pages[i-1].Closed)) {
				t.Errorf("%+v while %+v", p, pages[i-1])
			}
		}
	})
}

func encoded(t *rapid.T, v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOtherRulesGiveOtherPages replays one recorded outage of a cache fleet under rules that differ in one thing.
func TestOtherRulesGiveOtherPages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := settings()
		r := newRun(t, 1, s, 1)
		r.live(func(e *monitor.Engine) {
			r.begin(e)
			time.Sleep(3 * time.Hour)
			for _, source := range []string{"r1", "r2", "r3"} { // half of the operators lose the record for 20 minutes
				r.disturbed(source, "d0.test", "")
			}
			if err := e.CheckNow(t.Context(), "d0.test"); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Minute)
			r.calm()
			time.Sleep(3 * time.Hour)
			r.zone("_dmarc.d0.test", "") // and then a record is gone for good
			time.Sleep(3 * time.Hour)
		})
		tests := []struct {
			name   string
			change func(*replay.Course)
			want   []string
		}{
			{"the same", func(*replay.Course) {}, []string{"same RecordMissing 0s"}},
			{"disagreement counts sooner", func(c *replay.Course) { c.Rules.DisagreementAfter = 10 * time.Minute }, []string{"added RecordDisagreement 0s", "same RecordMissing 0s"}},
			{"a longer wait", func(c *replay.Course) { c.Rules.ConfirmWait = 90 * time.Second }, []string{"later RecordMissing 1m0s"}},
			{"no confirmation", func(c *replay.Course) { c.Rules.Confirmations = 0 }, []string{"earlier RecordMissing -30s"}},
			{"more operators than there are", func(c *replay.Course) { c.Rules.MinOperators = 7 }, []string{"dropped RecordMissing 0s"}},
			{"only those that lost it", func(c *replay.Course) { c.Resolvers = c.Resolvers[:3] }, []string{"added RecordMissing 0s", "same RecordMissing 0s"}},
		}
		for _, test := range tests {
			var got []string
			for _, l := range r.replayed(test.change).Lines {
				got = append(got, string(l.Fate)+" "+string(l.Name)+" "+l.Shift.Round(5*time.Second).String())
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("%s: %q, want %q", test.name, got, test.want)
			}
		}
	})
}

func BenchmarkRun(b *testing.B) {
	id := monitor.RecordID{Domain: "d.test", Key: "spf"}
	settled := replay.Record{State: monitor.RecordState{ID: id, Name: "d.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}}}
	settled.State.Registered, settled.State.Phase, settled.State.Verdict = start, judge.Verified, judge.Holding
	settled.State.Baseline = text(values("d.test")[0])
	group := resolvers(12)
	for _, source := range group {
		settled.Intervals = append(settled.Intervals, monitor.Interval{ID: id, Source: source.ID, From: start, Set: text(values("d.test")[0])})
	}
	busy := settled
	random := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		busy.Intervals = append(busy.Intervals, monitor.Interval{
			ID: id, Source: group[random.IntN(12)].ID, From: start.Add(time.Duration(random.IntN(30*24*60)) * time.Minute), Set: text(values("d.test")[random.IntN(2)]),
		})
	}
	var sweeps []monitor.SweepSummary
	for i := range 30 * 24 * 6 {
		sweeps = append(sweeps, monitor.SweepSummary{Started: start.Add(time.Duration(i) * 10 * time.Minute), Duration: time.Second})
	}
	course := replay.Course{
		Rules: judge.DefaultRules(), Recheck: 5 * time.Minute, Resolvers: group, Agenda: replay.NewAgenda(sweeps, nil),
		Begin: start, End: start.Add(30 * 24 * time.Hour),
	}
	for name, record := range map[string]replay.Record{"settled": settled, "200 changes": busy} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				replay.Run(course, record)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}
