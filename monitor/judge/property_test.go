package judge

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"maildrift/monitor/rrset"
)

func drawVote(t *rapid.T) Vote {
	v := Vote{Stand: Stand(rapid.IntRange(0, int(Bogus)).Draw(t, "stand"))}
	if v.Stand == Good || v.Stand == Differs {
		v.Meaning = rrset.Hash{byte(v.Stand), byte(rapid.IntRange(0, 2).Draw(t, "meaning"))}
	}
	v.Echo = rapid.IntRange(0, 7).Draw(t, "echo") == 0
	return v
}

func drawTally(t *rapid.T) Tally {
	tally := Tally{
		Operators:       rapid.SliceOfN(rapid.Custom(drawVote), 0, 14).Draw(t, "operators"),
		AuthorityWanted: rapid.Bool().Draw(t, "wanted"),
	}
	if tally.AuthorityWanted {
		tally.Authority = rapid.SliceOfN(rapid.Custom(drawVote), 0, 6).Draw(t, "authority")
	}
	return tally
}

func drawRules(t *rapid.T) Rules {
	return Rules{
		MinOperators:      rapid.IntRange(0, 4).Draw(t, "min operators"),
		Confirmations:     rapid.IntRange(0, 4).Draw(t, "confirmations"),
		ConfirmWait:       time.Duration(rapid.IntRange(0, 60).Draw(t, "confirm wait")) * time.Second,
		DisagreementAfter: time.Duration(rapid.IntRange(0, 600).Draw(t, "disagreement after")) * time.Second,
		OverdueAfter:      48 * time.Hour,
		FlapChanges:       rapid.SampledFrom([]int{0, 2, 4}).Draw(t, "flap changes"),
		FlapWithin:        time.Hour,
		FlapCalm:          time.Duration(rapid.IntRange(0, 1800).Draw(t, "flap calm")) * time.Second,
	}
}

// settle gives a state after as many rounds of one decision as any rule can ask for.
func settle(s State, d Decision, now time.Time, rules Rules) (State, []Transition, time.Time) {
	var all []Transition
	for range rules.Confirmations + 3 {
		var moved []Transition
		s, moved, _ = Step(s, d, now, rules)
		all = append(all, moved...)
		now = now.Add(rules.ConfirmWait + rules.DisagreementAfter + rules.FlapCalm + time.Second)
	}
	return s, all, now
}

func TestPropertyOrderOfVotesDoesNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally, rules := drawTally(t), drawRules(t)
		shuffled := tally
		shuffled.Operators = rapid.Permutation(tally.Operators).Draw(t, "shuffled operators")
		shuffled.Authority = rapid.Permutation(tally.Authority).Draw(t, "shuffled authority")
		if a, b := Decide(tally, rules), Decide(shuffled, rules); a != b {
			t.Fatalf("%v\nbecomes\n%v", a, b)
		}
	})
}

func TestPropertyFailuresOnlyBlind(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tally, rules := drawTally(t), drawRules(t)
		tally.Operators = slices.Repeat([]Vote{{Stand: Unheard}}, len(tally.Operators))
		if d := Decide(tally, rules); d.Verdict != Blind {
			t.Fatalf("no operator was heard, and yet %v", d)
		}
	})
}

// The page needs a quorum of operators, or the authority's own word heard by somebody who can
// hear operators too.
func TestPropertyNeverLostWithoutEvidence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := Decide(drawTally(t), drawRules(t))
		if !d.Verdict.Lost() {
			return
		}
		if d.Heard*2 < d.Configured || d.Heard < 1 {
			t.Fatalf("too few were heard: %v", d)
		}
		byOperators := d.Wrong >= d.Heard-d.Allowed && d.Wrong > d.Allowed
		byAuthority := d.Authority == AuthorityWrong && d.ServersWrong > 0
		if !byOperators && !byAuthority {
			t.Fatalf("neither a quorum nor the authority says so: %v", d)
		}
	})
}

func TestPropertyMoreOfTheSameEvidenceDoesNotWeaken(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 14).Draw(t, "operators")
		wrong := slices.Repeat([]Vote{{Stand: Absent}}, n)
		if d := Decide(Tally{Operators: wrong}, Rules{MinOperators: 2}); d.Verdict != Missing {
			t.Fatalf("all of %d see it gone: %v", n, d)
		}
		if d := Decide(Tally{Operators: append(wrong, Vote{Stand: Absent})}, Rules{MinOperators: 2}); d.Verdict != Missing {
			t.Fatalf("one more sees it gone: %v", d)
		}
	})
}

func TestPropertyBlindChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		s, _, now := settle(verified(), Decide(drawTally(t), rules), start, rules)
		before := s
		s, moves, again := Step(s, Decision{Verdict: Blind}, now, rules)
		if len(moves) != 0 || again.Wanted {
			t.Fatalf("moves %v, again %v", moves, again)
		}
		s.BlindSince = before.BlindSince
		if s != before {
			t.Fatalf("%+v\nbecame\n%+v", before, s)
		}
	})
}

func TestPropertyTheSameAgainIsANoOp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules, d := drawRules(t), Decision{}
		s, now := verified(), start
		for range rapid.IntRange(1, 5).Draw(t, "changes") {
			d = Decide(drawTally(t), rules)
			s, _, now = settle(s, d, now, rules)
		}
		next, moves, _ := Step(s, d, now, rules)
		if len(moves) != 0 || next != s {
			t.Fatalf("%+v\nonce more became\n%+v, moves %v", s, next, moves)
		}
	})
}

func TestPropertyWhateverHappenedGoodEvidenceResolves(t *testing.T) {
	good := Decision{Verdict: Holding, Authority: AuthorityGood}
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		s, now := verified(), start
		for range rapid.IntRange(0, 20).Draw(t, "rounds") {
			s, _, _ = Step(s, Decide(drawTally(t), rules), now, rules)
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
		}
		s, _, _ = settle(s, good, now, rules)
		if s.Position() != (Position{Verified, Holding, NoStage}) || s.Suspicion.Sightings != 0 {
			t.Fatalf("good evidence left it at %+v", s)
		}
	})
}

// Whatever sequence of rounds is seen, no record leaves holding on fewer
// sightings than the rules ask for, and each transition starts where the last ended.
func TestPropertyNoTransitionWithoutConfirmation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rules := drawRules(t)
		s, now := verified(), start
		at := s.Position()
		var run int
		var last Decision
		for range rapid.IntRange(1, 30).Draw(t, "rounds") {
			d := Decide(drawTally(t), rules)
			// What is lost is lost, whatever stands there instead; blindness in between confirms nothing.
			same := d.Verdict == last.Verdict && d.Meaning == last.Meaning || d.Verdict.Lost() && last.Verdict.Lost()
			switch {
			case d.Verdict != Blind && same:
				run++
			case d.Verdict != Blind:
				run = 1
			case last.Verdict != Disagreeing:
				run = 0
			}
			if d.Verdict != Blind {
				last = d
			}
			next, moves, _ := Step(s, d, now, rules)
			for _, m := range moves {
				if m.From != at || m.To != next.Position() {
					t.Fatalf("a move from %v to %v, but the record stood at %v", m.From, m.To, at)
				}
				if m.From.Verdict == Holding && run <= rules.Confirmations {
					t.Fatalf("left holding after %d sightings with %d confirmations asked for", run, rules.Confirmations)
				}
			}
			s, at = next, next.Position()
			now = now.Add(time.Duration(rapid.IntRange(0, 900).Draw(t, "seconds")) * time.Second)
		}
	})
}

func FuzzStep(f *testing.F) {
	f.Fuzz(rapid.MakeFuzz(func(t *rapid.T) {
		rules := drawRules(t)
		s, now := State{Registered: start, Since: start}, start
		for range rapid.IntRange(0, 40).Draw(t, "rounds") {
			tally := drawTally(t)
			if s.Phase != Verified {
				tally, _ = tally.Against()
			}
			var moves []Transition
			before := s
			s, moves, _ = Step(s, Decide(tally, rules), now, rules)
			if len(moves) > 1 {
				t.Fatalf("one round made %d moves: %v", len(moves), moves)
			}
			if before.Phase == Verified && s.Phase != Verified {
				t.Fatal("a verified record became unverified")
			}
			now = now.Add(time.Duration(rapid.IntRange(0, 100000).Draw(t, "seconds")) * time.Second)
		}
	}))
}
