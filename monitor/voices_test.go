package monitor

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// panelOf gives four resolvers of three operators and two servers of a zone.
func panelOf() []*resolve.Source {
	var out []*resolve.Source
	for i, id := range []string{"google", "google-2", "quad9", "cloudflare", "ns1.shop.test/192.0.2.1", "ns2.shop.test/192.0.2.2"} {
		s := &resolve.Source{ID: id, Operator: resolve.Operator("op" + id[:5]), Addrs: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.9:53")}}
		if i >= 4 {
			s.Role, s.Operator = resolve.Authoritative, ""
		}
		out = append(out, s)
	}
	return out
}

// answers are what a source can say about an SPF record with that baseline.
func answers(s Subject) []resolve.Observation {
	txt := func(lines ...string) rrset.Set {
		set, err := rrset.Parse(rrset.TXT, lines...)
		if err != nil {
			panic(err)
		}
		return set
	}
	return []resolve.Observation{
		{Outcome: resolve.Answered, Set: s.Baseline, Print: 1},
		{Outcome: resolve.Answered, Set: txt("v=spf1 -all", "token=1"), Print: 2, AA: true},
		{Outcome: resolve.Answered, Set: txt("v=spf1 +all"), Print: 3, AD: true},
		{Outcome: resolve.NoData, Print: 4},
		{Outcome: resolve.NXDomain, Print: 5, Chain: []rrset.Name{"gone.test"}},
		{Outcome: resolve.Elsewhere, Print: 6},
		{Outcome: resolve.ServFail, Bogus: true, EDE: []resolve.EDE{{Code: 6, Text: "DNSSEC bogus"}}, Detail: "bogus"},
		{Outcome: resolve.Timeout, Detail: "no reply"},
	}
}

func spfSubject(t testing.TB) Subject {
	t.Helper()
	set, err := rrset.Parse(rrset.TXT, "v=spf1 -all")
	if err != nil {
		t.Fatal(err)
	}
	r := Record{Key: "spf", Name: "shop.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF}}
	return Subject{Domain: &Domain{Name: "shop.test", Records: []Record{r}}, Record: r, Baseline: set, Verified: true, Standing: judge.Holding}
}

func TestVoicesGiveBackWhatWasHeard(t *testing.T) {
	s, sources := spfSubject(t), panelOf()
	at := time.UnixMilli(1_800_000_000_123)
	var heard []Heard
	for i, o := range answers(s)[:6] {
		o.Source, o.Question, o.At, o.TTL, o.Latency = sources[i], s.question(), at.Add(time.Duration(i)*time.Second), uint32(300+i), time.Duration(i)*70*time.Microsecond //nolint:gosec // six
		heard = append(heard, s.weigh(hear(&s, o), judge.AuthorityGood, ""))
	}
	var h hearsay
	h.hear(s.ID(), s, heard, pace.Authority{})
	v := h.about(s.ID())
	for i := range heard {
		if diff := cmp.Diff(heard[i], v.heardAs(i, s.question()), cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("%s (-heard +remembered):\n%s", heard[i].Source.ID, diff)
		}
		if diff := cmp.Diff(heard[i], s.weigh(hear(&s, v.observation(i, s.question())), judge.AuthorityGood, ""), cmp.Comparer(sameAddr)); diff != "" {
			t.Errorf("%s, judged again (-heard +remembered):\n%s", heard[i].Source.ID, diff)
		}
		if v.print(i) != heard[i].Print || v.stand(i) != heard[i].Stand || v.source(i) != heard[i].Source {
			t.Errorf("%s has print %d and stands %s", v.source(i).ID, v.print(i), v.stand(i))
		}
	}
	if diff := cmp.Diff(Evidence{Heard: heard}.Votes(), h.votes(s.ID())); diff != "" {
		t.Errorf("votes (-heard +remembered):\n%s", diff)
	}
	same := resolve.Observation{Source: sources[1], Same: true, Print: 2, At: at.Add(time.Hour), TTL: 7}
	if got := v.fill(1, same); !got.Set.Equal(heard[1].Set) || got.TTL != 7 || !got.At.Equal(same.At) || got.Outcome != resolve.Answered || !got.AA {
		t.Errorf("the same again is %+v", got)
	}
}

func TestAnOperatorWithoutVoteIsRememberedAsHeard(t *testing.T) {
	s, sources := spfSubject(t), panelOf()
	o := answers(s)[0]
	o.Source, o.Question = sources[0], s.question()
	var h hearsay
	h.hear(s.ID(), s, []Heard{s.weigh(hear(&s, o), judge.AuthorityGood, "it got a canary wrong")}, pace.Authority{})
	v := h.about(s.ID())
	if got := h.votes(s.ID())[0]; got.Detail != "it got a canary wrong" || got.Stand != judge.Unheard {
		t.Errorf("people see %+v", got)
	}
	if got := v.observation(0, s.question()); got.Detail != "" || got.Outcome != resolve.Answered || v.print(0) != 1 {
		t.Errorf("the observation is %+v with print %d", got, v.print(0))
	}
	o.TTL = staleTTL
	h.hear(s.ID(), s, []Heard{s.weigh(hear(&s, o), judge.AuthoritySilent, "")}, pace.Authority{})
	if v = h.about(s.ID()); v.print(0) != 0 || h.votes(s.ID())[0].Outcome != resolve.Stale {
		t.Errorf("what was taken to be expired has print %d: it must be read anew", v.print(0))
	}
}

func TestTheSameAgainCostsNothing(t *testing.T) {
	s, heard := calmRound(t)
	var h hearsay
	h.hear(s.ID(), s, heard, pace.Authority{})
	before := h.about(s.ID())
	later := heard[0].At.Add(time.Hour)
	for i := range heard {
		heard[i].At, heard[i].TTL = later, 17
	}
	if n := testing.AllocsPerRun(100, func() { h.hear(s.ID(), s, heard, pace.Authority{}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if h.about(s.ID()) != before {
		t.Error("the voices were made anew")
	}
	if got := h.votes(s.ID())[2]; !got.At.Equal(later) || got.TTL != 17 {
		t.Errorf("the last word is of %s with TTL %d", got.At, got.TTL)
	}
	if n := len(before.words); n > 2 {
		t.Errorf("%d words for answers that differ in nothing but AA", n)
	}
}

// calmRound is what is heard about a record that is as it should be.
func calmRound(t testing.TB) (Subject, []Heard) {
	s := spfSubject(t)
	var heard []Heard
	for _, source := range panelOf() {
		o := resolve.Observation{
			Source: source, Question: s.question(), Outcome: resolve.Answered, Set: s.Baseline, Print: 9,
			At: time.UnixMilli(1_800_000_000_000), TTL: 300, AA: source.Role == resolve.Authoritative,
		}
		heard = append(heard, s.weigh(hear(&s, o), judge.AuthorityGood, ""))
	}
	return s, heard
}

func TestPanelsAreShared(t *testing.T) {
	s, heard := calmRound(t)
	var h hearsay
	for i := range 200 {
		h.hear(RecordID{rrset.Name(fmt.Sprintf("d%d.test", i)), "spf"}, s, heard, pace.Authority{})
	}
	first := h.about(RecordID{"d0.test", "spf"})
	if other := h.about(RecordID{"d199.test", "spf"}); other.panel != first.panel || len(h.panels.known) != 1 {
		t.Errorf("%d panels for records that the same sources are asked about", len(h.panels.known))
	}
	moved := *heard[0].Source
	moved.Operator = "another"
	heard[0].Source = &moved
	h.hear(RecordID{"d0.test", "spf"}, s, heard, pace.Authority{})
	if got := h.votes(RecordID{"d0.test", "spf"})[0].Operator; got != "another" {
		t.Errorf("a source that is configured otherwise is of %s", got)
	}
	if h.len() != 200 {
		t.Errorf("%d records were heard of", h.len())
	}
	h.forget(RecordID{"d0.test", "spf"})
	if h.len() != 199 || h.votes(RecordID{"d0.test", "spf"}) != nil {
		t.Error("a record was not forgotten")
	}
}

// remembered is what newIntervals goes by, written down as plainly as can be.
type remembered struct {
	last    map[string]Interval
	votes   []SourceVote
	servers []string
}

func (m *remembered) intervals(j *job, rounds []sighting) []Interval {
	var out []Interval
	latest := maps.Clone(m.last)
	add := func(iv Interval) {
		if had, ok := latest[iv.Source]; !ok || !iv.same(&had) {
			latest[iv.Source] = iv
			out = append(out, iv)
		}
	}
	closely := j.closely()
	for _, round := range rounds {
		end := func(source string, authority bool) {
			if !slices.ContainsFunc(round.heard, func(h Heard) bool { return h.Source.ID == source }) {
				add(Interval{ID: j.state.ID, Source: source, Authority: authority, From: round.at, Outcome: resolve.Lame, Mark: MarkUnasked})
			}
		}
		for _, h := range round.heard {
			mark := markOf(j.subject, h)
			if closely || h.Outcome.Evidence() && mark != MarkDistrusted || h.Outcome == resolve.Elsewhere {
				add(Interval{
					ID: j.state.ID, Source: h.Source.ID, Authority: h.Source.Role == resolve.Authoritative,
					From: round.at, Outcome: h.Outcome, Set: h.Finding.Seen, TTL: h.TTL, Mark: mark,
				})
			}
		}
		for _, v := range m.votes {
			if v.Authority || closely {
				end(v.Source, v.Authority)
			}
		}
		for _, server := range m.servers {
			end(server, true)
		}
	}
	return out
}

// commit takes in intervals; hear what was heard.
func (m *remembered) commit(intervals []Interval) {
	for _, iv := range intervals {
		m.last[iv.Source] = iv
	}
}

func (m *remembered) hear(heard []Heard) {
	if len(heard) > 0 {
		m.votes, m.servers = Evidence{Heard: heard}.Votes(), nil
	}
}

// restart gives what a process has that has only what was kept of a record.
func (m *remembered) restart(state RecordState) func(take func([]Remembered)) error {
	m.votes, m.servers = nil, nil
	var last []Interval
	for _, source := range sortedKeys(m.last) {
		iv := m.last[source]
		if last = append(last, iv); iv.Authority && iv.Mark != MarkUnasked {
			m.servers = append(m.servers, iv.Source)
		}
	}
	return handOver([]RecordState{state}, last)
}

// drawRound asks some of the sources.
func drawRound(rt *rapid.T, s Subject, at time.Time) []Heard {
	all := answers(s)
	var heard []Heard
	for _, source := range panelOf() {
		if rapid.IntRange(0, 5).Draw(rt, "asked") == 0 {
			continue
		}
		o := all[min(rapid.IntRange(0, 2*len(all)).Draw(rt, "answer")%(len(all)+4), len(all)-1)]
		o.Source, o.Question, o.At, o.TTL = source, s.question(), at, 300
		tainted := ""
		if rapid.IntRange(0, 9).Draw(rt, "tainted") == 0 {
			tainted = "it got a canary wrong"
		}
		heard = append(heard, s.weigh(hear(&s, o), judge.AuthorityGood, tainted))
	}
	return heard
}

// TestHistoryGetsWhatIsNewAndNothingElse drives the engine's memory and a plain model of it through sweeps that
// are kept, are not trusted, ask others than before, and through restarts.
func TestHistoryGetsWhatIsNewAndNothingElse(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := spfSubject(t)
		e, model := &Engine{states: newStateTable(States{})}, &remembered{last: map[string]Interval{}}
		at := time.UnixMilli(1_800_000_000_000)
		for range rapid.IntRange(1, 12).Draw(rt, "sweeps") {
			state := RecordState{ID: s.ID(), State: judge.State{Phase: judge.Verified, Verdict: judge.Holding}}
			if rapid.Bool().Draw(rt, "unsettled") {
				state.Verdict = judge.Missing
			}
			s.voices = e.heard.about(s.ID())
			j := &job{before: &state, state: state, subject: s}
			var rounds []sighting
			for n := range rapid.IntRange(1, 3).Draw(rt, "rounds") {
				if n > 0 {
					j.fold()
				}
				at = at.Add(time.Minute)
				j.evidence, j.heardAt = Evidence{Heard: drawRound(rt, s, at)}, at
				j.rounds++
				rounds = append(rounds, sighting{at, j.evidence.Heard})
			}
			want, got := model.intervals(j, rounds), e.newIntervals(j)
			if diff := cmp.Diff(want, got); diff != "" {
				rt.Fatalf("kept (-want +got):\n%s", diff)
			}
			if rapid.IntRange(0, 4).Draw(rt, "trusted") > 0 {
				model.commit(want)
				e.heard.keep(got)
			}
			if model.hear(j.evidence.Heard); len(j.evidence.Heard) > 0 {
				e.heard.hear(s.ID(), s, j.evidence.Heard, pace.Authority{})
			}
			if diff := cmp.Diff(model.votes, e.heard.votes(s.ID())); diff != "" {
				rt.Fatalf("votes (-want +got):\n%s", diff)
			}
			if rapid.IntRange(0, 6).Draw(rt, "restart") == 0 {
				e = &Engine{states: newStateTable(States{})}
				if err := e.recall(model.restart(state), nil); err != nil {
					rt.Fatal(err)
				}
			}
		}
	})
}

func TestReadersAndTheSweepMayMeet(t *testing.T) {
	s, heard := calmRound(t)
	var h hearsay
	h.hear(s.ID(), s, heard, pace.Authority{})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if n := len(h.votes(s.ID())); n != len(heard) {
				t.Errorf("%d votes", n)
				return
			}
		}
	}()
	v := h.about(s.ID())
	for i := range 2000 {
		h.again("shop.test", v, i%len(heard), heard[i%len(heard)].Observation)
		if i%100 == 0 {
			h.keep([]Interval{{ID: s.ID(), Source: "another", Outcome: resolve.NoData}})
			v = h.about(s.ID())
		}
	}
	stop()
	<-done
}

// BenchmarkTheSameAgain is what an unchanged round of six sources costs in memory's upkeep.
func BenchmarkTheSameAgain(b *testing.B) {
	s, heard := calmRound(b)
	var h hearsay
	h.hear(s.ID(), s, heard, pace.Authority{})
	b.ReportAllocs()
	for b.Loop() {
		h.hear(s.ID(), s, heard, pace.Authority{})
	}
}

func sameAddr(a, b netip.AddrPort) bool { return a == b }
