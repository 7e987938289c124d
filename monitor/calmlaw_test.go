package monitor

import (
	"context"
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildrift/monitor/judge"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/resolve/asktest"
	"maildrift/monitor/rrset"
)

// twoWays is one record that is looked at by what is remembered and, beside it, in full.
type twoWays struct {
	rt      *rapid.T
	world   *world
	inquiry *Inquiry
	engine  *Engine
	subject Subject
	state   RecordState
	// dead are the operators whose resolvers answer nothing, and what the canaries say of that.
	dead           map[resolve.Operator]string
	calm, calmDead int
}

func newTwoWays(rt *rapid.T, t *testing.T) *twoWays {
	w := newWorld()
	w.set(t, "shop.test", rrset.TXT, "v=spf1 -all", "unrelated")
	s := spfSubject(t)
	s.Resolvers = resolvers(rapid.IntRange(3, 9).Draw(rt, "resolvers"))
	for i := range s.Resolvers {
		if i > 0 && rapid.IntRange(0, 5).Draw(rt, "one operator") == 0 {
			s.Resolvers[i].Operator = s.Resolvers[i-1].Operator
		}
	}
	x := &twoWays{
		rt: rt, world: w, subject: s, engine: &Engine{states: newStateTable(States{})},
		inquiry: &Inquiry{Asker: asktest.New(w), Authorities: w, Rules: judge.DefaultRules(), desks: &desks{}},
		dead:    map[resolve.Operator]string{},
		state:   RecordState{ID: s.ID(), Name: s.Record.Name, Expectation: s.Record.Expectation, Baseline: s.Baseline, OldTTL: 300},
	}
	x.state.Phase, x.state.Verdict = judge.Verified, judge.Holding
	return x
}

// change has something happen to the world, or nothing. It gives the operators that have no vote.
func (x *twoWays) change(t *testing.T) map[resolve.Operator]string {
	rt, w := x.rt, x.world
	who := rapid.SampledFrom(append(x.subject.Resolvers, servers...)).Draw(rt, "source")
	source := who.ID
	q := x.subject.question()
	switch rapid.IntRange(0, 11).Draw(rt, "what happens") {
	case 0:
		delete(w.withheld, source)
		w.broken[source] = rapid.SampledFrom([]resolve.Outcome{resolve.Timeout, resolve.ServFail, resolve.Refused, resolve.Lame}).Draw(rt, "failure")
	case 1:
		clear(w.broken)
		clear(w.withheld)
		clear(x.dead)
	case 2:
		text := rapid.SampledFrom([]string{"v=spf1 +all", "v=spf1 -ALL", "v=spf1 ~all", ""}).Draw(rt, "text")
		set := rrset.Set{Type: rrset.TXT}
		if text != "" {
			set, _ = rrset.Parse(rrset.TXT, text)
		}
		if w.caches[source] == nil {
			w.caches[source] = map[resolve.Question]rrset.Set{}
		}
		w.caches[source][q] = set
	case 3:
		clear(w.caches)
	case 4:
		w.set(t, "shop.test", rrset.TXT, rapid.SampledFrom([]string{"v=spf1 -all", "v=spf1  -all", "v=spf1 +all"}).Draw(rt, "zone"))
	case 5:
		w.ttl = rapid.SampledFrom([]uint32{30, 299, 300}).Draw(rt, "ttl")
	case 6:
		tainted := maps.Clone(x.dead)
		tainted[rapid.SampledFrom(x.subject.Resolvers).Draw(rt, "tainted").Operator] = "it got a canary wrong"
		return tainted
	case 7: // it dies, or, if it is dead, is not asked any more
		_, dead := w.broken[source]
		if w.broken[source] = resolve.Timeout; dead {
			w.withheld[source] = "not asked: it answered none of the questions before"
		}
		if who.Role == resolve.Recursive {
			x.dead[who.Operator] = "canary canary.test TXT failed: timeout"
		}
	}
	return x.dead
}

// look asks once in each way and holds the results against each other.
func (x *twoWays) look(tainted map[resolve.Operator]string) {
	rt := x.rt
	full := x.subject
	x.state.ID = full.ID()
	j := &job{before: &x.state, state: x.state, subject: x.subject}
	j.subject.voices = x.engine.heard.about(full.ID())
	j.subject.settled = j.settledNow()
	passed := false
	x.inquiry.passed = func(e *Evidence) {
		passed = true
		x.engine.heard.stampAll(full.ID(), e)
	}
	quick, _ := x.inquiry.Round(context.Background(), []Subject{j.subject}, tainted, false)
	slow, _ := x.inquiry.Round(context.Background(), []Subject{full}, tainted, false)
	if diff := cmp.Diff(slow[0].Decision, quick[0].Decision); diff != "" {
		rt.Fatalf("calm %v: decided otherwise (-in full +by memory):\n%s", quick[0].Calm, diff)
	}
	j.evidence, j.heardAt, j.rounds = slow[0], time.Now(), 1
	news := x.engine.newIntervals(j)
	if quick[0].Calm {
		if x.calm++; len(x.dead) > 0 {
			x.calmDead++
		}
		next, moves, again := judge.Step(x.state.State, slow[0].Decision, time.Now(), x.inquiry.Rules)
		if next != x.state.State || len(moves) > 0 || again.Wanted || len(news) > 0 || !passed {
			rt.Fatalf("calm, but in full it is not: moves %v, again %v, news %v, told %v", moves, again, news, passed)
		}
	} else if diff := cmp.Diff(timeless(slow[0]), timeless(quick[0])); diff != "" {
		rt.Fatalf("votes (-in full +by memory):\n%s", diff)
	}
	if !quick[0].Calm {
		if rapid.Bool().Draw(rt, "kept") {
			x.engine.heard.keep(news)
		}
		x.engine.heard.hear(full.ID(), full, slow[0].Heard, pace.Authority{})
	}
	if diff := cmp.Diff(timeless(slow[0]), timelessVotes(x.engine.heard.votes(full.ID()))); diff != "" {
		rt.Fatalf("what people see (-in full +by memory):\n%s", diff)
	}
}

func timeless(e Evidence) []SourceVote { return timelessVotes(e.Votes()) }

func timelessVotes(votes []SourceVote) []SourceVote {
	for i := range votes {
		votes[i].At, votes[i].Latency = time.Time{}, 0
	}
	return votes
}

// TestLawWhatIsCalmWouldBeSoInFull: a record that is passed over because all said what they said before would, looked at in
// full, neither move nor be asked again nor give history anything; and what is remembered judges all others as the
// answers themselves do.
func TestLawWhatIsCalmWouldBeSoInFull(t *testing.T) {
	calm, dead, looks := 0, 0, 0
	rapid.Check(t, func(rt *rapid.T) {
		x := newTwoWays(rt, t)
		for range rapid.IntRange(2, 15).Draw(rt, "looks") {
			x.look(x.change(t))
			looks++
		}
		calm, dead = calm+x.calm, dead+x.calmDead
	})
	if calm*20 < looks || dead*400 < looks {
		t.Errorf("%d of %d looks were calm, %d of them with a dead resolver: this shows little", calm, looks, dead)
	}
}

// TestStagesKeepZonesTogether: what turns bad with a zone is to be found bad together.
func TestStagesKeepZonesTogether(t *testing.T) {
	var domains []*Domain
	for i := range 600 {
		for _, zone := range []string{"a.example", "b.example", "c.test"} {
			domains = append(domains, &Domain{Name: rrset.Name(fmt.Sprintf("d%d.%s", i, zone))})
		}
	}
	stages := stagesOf(domains)
	seen := map[rrset.Name]bool{}
	split := map[rrset.Name]int{}
	for _, stage := range stages {
		zones := map[rrset.Name]bool{}
		for _, name := range stage {
			if seen[name] {
				t.Fatalf("%s is in two stages", name)
			}
			seen[name], zones[name.Parent()] = true, true
		}
		if len(stage) > 2*stageDomains+stageDomains/2 {
			t.Errorf("a stage of %d domains", len(stage))
		}
		for zone := range zones {
			split[zone]++
		}
	}
	if len(seen) != len(domains) {
		t.Errorf("%d of %d domains are in stages", len(seen), len(domains))
	}
	for zone, n := range split {
		if n > 600/stageDomains+2 {
			t.Errorf("%s is spread over %d stages", zone, n)
		}
	}
	if got := stagesOf(nil); len(got) != 1 || len(got[0]) != 0 {
		t.Errorf("a group without domains has stages %v", got)
	}
}
