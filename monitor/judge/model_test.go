package judge

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"maildrift/monitor/rrset"
)

// The reference model: the rules of docs/alerts.md and of the tables in this package's comments, written down a
// second time and another way. It keeps no counters: it remembers what was seen and looks back over it.

// sight is one look at the record, as the table of verdicts has it.
type sight struct {
	at      time.Time
	verdict Verdict
	value   rrset.Hash
	stage   Stage
	mended  bool // the authority has it good
	broken  bool // the authority has it wrong
}

func (s sight) look() Look { return Look{s.verdict, s.value} }

// refDecide is the table of verdicts.
func refDecide(t Tally, rules Rules) sight {
	tell := map[Stand]int{}
	var good, echoedGood, wrong, bogus int
	values := map[rrset.Hash]int{}
	for _, v := range t.Operators {
		switch {
		case v.Stand == Good && v.Echo:
			echoedGood++
		case v.Stand == Good, v.Echo && (v.Stand == Differs || v.Stand == Absent):
			good++
		case v.Stand == Differs || v.Stand == Absent:
			wrong++
			tell[v.Stand]++
			values[v.Meaning]++
		case v.Stand == Bogus:
			bogus++
		}
	}
	heard, configured := good+echoedGood+wrong+bogus, len(t.Operators)
	word := refAuthority(t)
	s := sight{mended: word == AuthorityGood, broken: word == AuthorityWrong}
	doubt := wrong + bogus
	if !s.mended {
		doubt += echoedGood
	}
	most := heard-wrong <= refDissent(heard)
	switch {
	case 2*heard < configured || heard < max(1, rules.MinOperators):
		s.verdict = Blind
	case s.broken:
		s.verdict, s.value = refLost(t.Authority)
		s.stage = map[bool]Stage{false: AtAuthority, true: AtReceivers}[most]
	case word == AuthoritySplit:
		s.verdict = Disagreeing
	case doubt <= refDissent(heard):
		s.verdict = Holding
	case doubt <= refDissent(configured):
		s.verdict = Blind
	case most:
		s.verdict, s.value = refLost(t.Operators)
		s.stage = AtReceivers
	case word == AuthoritySilent:
		s.verdict = Blind
	default:
		s.verdict = Disagreeing
	}
	return s
}

func refDissent(n int) int { return []int{0, 0, 0, 1, 1, 1, 2}[min(n, 6)] }

func refAuthority(t Tally) AuthorityWord {
	n := map[Stand]int{}
	for _, v := range t.Authority {
		n[v.Stand]++
	}
	right, wrong := n[Good]+n[Bogus], n[Differs]+n[Absent]
	switch silent := n[Unheard]; {
	case len(t.Authority) == 0 && !t.AuthorityWanted:
		return AuthorityUnasked
	case len(t.Authority) == 0 || silent > len(t.Authority)/2:
		return AuthoritySilent
	case right+wrong == 0:
		return AuthorityUnasked
	case wrong == 0:
		return AuthorityGood
	case right == 0:
		return AuthorityWrong
	}
	return AuthoritySplit
}

// refLost says what most of those who see it wrong see: the value that most see, the least among equals.
func refLost(votes []Vote) (Verdict, rrset.Hash) {
	votes = slices.DeleteFunc(slices.Clone(votes), func(v Vote) bool { return v.Echo })
	differ := slices.DeleteFunc(slices.Clone(votes), func(v Vote) bool { return v.Stand != Differs })
	absent := slices.DeleteFunc(votes, func(v Vote) bool { return v.Stand != Absent })
	if len(absent) > len(differ) {
		return Missing, rrset.Hash{}
	}
	seen := func(m rrset.Hash) (n int) {
		for _, v := range differ {
			if v.Meaning == m {
				n++
			}
		}
		return n
	}
	slices.SortFunc(differ, func(a, b Vote) int {
		if d := seen(b.Meaning) - seen(a.Meaning); d != 0 {
			return d
		}
		return slices.Compare(a.Meaning[:], b.Meaning[:])
	})
	return Drifted, differ[0].Meaning
}

// refRecord is the model's record.
type refRecord struct {
	verified, overdue bool
	registered        time.Time
	told              Look // what people were told last
	now               Look // what was confirmed last; another thing only while it flaps
	stage             Stage
	fromAuthority     bool
	flaps             bool
	shown             []Look      // bad things told in the episode
	turned            []time.Time // all confirmed changes since it was last calm
	lastBad           time.Time   // while it flaps, the last look that was not good, or when it became good
	seen              []sight     // all looks since the last confirmed one
}

// confirmed says whether the last looks are the same change, often and long enough.
func (r *refRecord) confirmed(rules Rules) bool {
	last := r.seen[len(r.seen)-1]
	first, n := last, 0
	for i := len(r.seen) - 1; i >= 0; i-- {
		s := r.seen[i]
		if s.verdict == Blind && last.verdict == Disagreeing {
			continue // it only has to last
		}
		both := s.verdict.Lost() && last.verdict.Lost() && !r.now.Verdict.Lost() // gone is gone
		if s.verdict == Blind || s.look() != last.look() && !both {
			break
		}
		first = s
		n++
	}
	wait := rules.ConfirmWait
	if rules.Confirmations == 0 {
		wait = 0
	}
	if last.verdict == Disagreeing {
		wait = max(rules.ConfirmWait, rules.DisagreementAfter)
	}
	return n > rules.Confirmations && last.at.Sub(first.at) >= wait
}

// step takes the model over one look and says whether history gets an entry.
func (r *refRecord) step(s sight, rules Rules) bool {
	if !r.verified {
		return r.wait(s, rules)
	}
	if s.verdict == Blind {
		r.seen = append(r.seen, s)
		return false
	}
	if lost := r.told.Verdict.Lost(); lost && (s.verdict == Disagreeing || s.verdict.Lost() && s.mended && r.fromAuthority) {
		s.verdict, s.value, s.stage = r.told.Verdict, r.told.Meaning, Recovering
	}
	if r.flaps && s.verdict != Holding && r.now.Verdict == Holding {
		r.lastBad = s.at
	}
	r.seen = append(r.seen, s)
	switch {
	case s.look() == r.now && r.flaps && s.verdict == Holding:
		r.seen = nil
		if s.at.Sub(r.lastBad) < rules.FlapCalm {
			return false
		}
		*r = refRecord{verified: true, registered: r.registered, told: r.now, now: r.now}
		return true
	case s.look() == r.now:
		moved := r.stage != s.stage
		r.stage, r.seen = s.stage, nil
		r.fromAuthority = r.fromAuthority || r.told.Verdict.Lost() && s.broken
		return moved
	case !r.confirmed(rules):
		return false
	}
	r.seen = nil
	r.change(s, rules)
	return true
}

func (r *refRecord) wait(s sight, rules Rules) bool {
	if s.verdict == Holding {
		r.seen = append(r.seen, s)
		if !r.confirmed(rules) {
			return false
		}
		*r = refRecord{verified: true, registered: r.registered, told: s.look(), now: s.look()}
		return true
	}
	r.seen = nil
	if r.overdue || s.at.Sub(r.registered) < rules.OverdueAfter {
		return false
	}
	r.overdue = true
	return true
}

// change applies what is confirmed.
func (r *refRecord) change(s sight, rules Rules) {
	r.turned = append(r.turned, s.at)
	recent := slices.DeleteFunc(slices.Clone(r.turned), func(at time.Time) bool { return s.at.Sub(at) >= rules.FlapWithin })
	if !r.flaps && rules.FlapChanges > 0 && len(recent) >= rules.FlapChanges {
		r.flaps = true
		if r.told.Verdict != Holding {
			r.shown = []Look{r.told}
		}
	}
	r.now = s.look()
	switch {
	case r.flaps && s.verdict == Holding:
		r.lastBad = s.at
		if r.told.Verdict.Lost() {
			r.stage = Recovering
		}
	case r.flaps && (slices.Contains(r.shown, r.now) || len(r.shown) == maxTold):
		r.stage, r.fromAuthority = s.stage, r.fromAuthority || s.broken
	default:
		if r.flaps {
			r.shown = append(r.shown, r.now)
		}
		r.told, r.stage, r.fromAuthority = r.now, s.stage, s.broken
	}
}

// sameAs compares the model with the machine.
func (r *refRecord) sameAs(s State) string {
	phase := Pending
	switch {
	case r.verified:
		phase = Verified
	case r.overdue:
		phase = Overdue
	}
	got := fmt.Sprint(s.Position(), s.Meaning, s.Standing(), s.Flapping.On())
	if want := fmt.Sprint(Position{phase, r.told.Verdict, r.stage}, r.told.Meaning, r.now.Verdict, r.flaps); got != want {
		return "the machine is at " + got + ", the model at " + want
	}
	return ""
}

// round is one look of a random life.
type round struct {
	after time.Duration
	tally Tally
}

var modelRules = []Rules{
	DefaultRules(),
	{MinOperators: 1, Confirmations: 0, ConfirmWait: time.Minute, DisagreementAfter: 0, OverdueAfter: time.Hour, FlapChanges: 3, FlapWithin: 2 * time.Hour, FlapCalm: time.Minute},
	{MinOperators: 3, Confirmations: 1, ConfirmWait: 10 * time.Second, DisagreementAfter: 5 * time.Minute, OverdueAfter: 24 * time.Hour, FlapChanges: 2, FlapWithin: 30 * time.Minute, FlapCalm: time.Hour},
}

// randomLife makes rounds in which things mostly stay as they are for a few looks.
func randomLife(rng *rand.Rand) []round {
	var out []round
	operators, servers := 1+rng.IntN(12), rng.IntN(4)
	wanted := servers > 0 || rng.IntN(3) == 0
	moods := []Stand{Good, Good, Good, Absent, Absent, Differs, Differs, Unheard, Bogus}
	for range 2 + rng.IntN(8) {
		resolvers, authority := moods[rng.IntN(len(moods))], moods[rng.IntN(len(moods))]
		noise := []int{0, 5, 30}[rng.IntN(3)]
		for range 1 + rng.IntN(5) {
			r := round{after: []time.Duration{0, 30 * time.Second, time.Minute, 10 * time.Minute, 40 * time.Minute, 25 * time.Hour}[min(rng.IntN(6), rng.IntN(6))]}
			r.tally = Tally{Configured: operators, AuthorityWanted: wanted}
			for i := range operators {
				r.tally.Operators = append(r.tally.Operators, randomVote(rng, resolvers, noise, i, true))
			}
			for i := range servers {
				r.tally.Authority = append(r.tally.Authority, randomVote(rng, authority, noise/3, i, false))
			}
			out = append(out, r)
		}
	}
	return out
}

func randomVote(rng *rand.Rand, mood Stand, noise, i int, echoes bool) Vote {
	v := Vote{Voter: fmt.Sprint(i), Stand: mood}
	if rng.IntN(100) < noise {
		v.Stand = Stand(rng.IntN(int(Bogus) + 1))
	}
	if v.Stand == Good {
		v.Meaning = rrset.Hash{9}
	}
	if v.Stand == Differs {
		v.Meaning = rrset.Hash{byte(1 + rng.IntN(10)/8)}
	}
	v.Echo = echoes && rng.IntN(100) < noise
	return v
}

// compare runs a life through machine and model and says where they part.
func compare(life []round, rules Rules) string {
	now := start
	s, ref := pending(), &refRecord{registered: start}
	for i, r := range life {
		now = now.Add(r.after)
		d, want := Decide(r.tally, rules), refDecide(r.tally, rules)
		if d.Verdict != want.verdict || d.Stage != want.stage || d.Meaning != want.value {
			return fmt.Sprintf("round %d: %v, the model says %s %s %s", i, d, want.verdict, want.stage, want.value)
		}
		want.at = now
		var moves []Transition
		s, moves, _ = Step(s, d, now, rules)
		if moved := ref.step(want, rules); moved != (len(moves) > 0) {
			return fmt.Sprintf("round %d: moves %v, the model's %v", i, moves, moved)
		}
		if differs := ref.sameAs(s); differs != "" {
			return fmt.Sprintf("round %d: %s", i, differs)
		}
	}
	return ""
}

// shrink drops rounds as long as machine and model still part.
func shrink(life []round, fails func([]round) bool) []round {
	for i := 0; i < len(life); {
		if shorter := slices.Delete(slices.Clone(life), i, i+1); fails(shorter) {
			life, i = shorter, 0
		} else {
			i++
		}
	}
	return life
}

// lives gives how many random lives a test runs: a million in a soak.
func lives(short int) int {
	if os.Getenv("MAILDRIFT_SOAK") != "" {
		return 1_000_000
	}
	return short
}

func TestModel(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	n, rounds := lives(6_000), 0
	for i := range n {
		life, rules := randomLife(rng), modelRules[i%len(modelRules)]
		rounds += len(life)
		if why := compare(life, rules); why != "" {
			least := shrink(life, func(l []round) bool { return compare(l, rules) != "" })
			text, _ := json.MarshalIndent(least, "", " ")
			for _, r := range least {
				t.Logf("+%s %v", r.after, r.tally)
			}
			t.Fatalf("seed %d, life %d: %s\n%d rounds are enough: %s\n%.2000s", seed, i, why, len(least), compare(least, rules), text)
		}
	}
	t.Logf("%d lives of %d rounds in all, seed %d: machine and model agree", n, rounds, seed)
}

// replay gives the last state and all moves of a life.
func replay(life []round, rules Rules, from time.Time) (State, []Transition) {
	now := from
	s := State{Registered: from, Since: from}
	var all []Transition
	for _, r := range life {
		now = now.Add(r.after)
		var moves []Transition
		s, moves, _ = Step(s, Decide(r.tally, rules), now, rules)
		all = append(all, moves...)
	}
	return s, all
}

// retold gives where a record stands by its history alone; nothing if an entry does not begin where the last
// ended.
func retold(moves []Transition) Position {
	at := pending().Position()
	for _, m := range moves {
		if m.From != at {
			return Position{}
		}
		at = m.To
	}
	return at
}

// laws are changes of a life that must change nothing.
var laws = map[string]func(rng *rand.Rand, life []round) []round{
	"votes in another order": func(rng *rand.Rand, life []round) []round {
		return mapped(life, func(t *Tally) {
			rng.Shuffle(len(t.Operators), func(i, j int) { t.Operators[i], t.Operators[j] = t.Operators[j], t.Operators[i] })
			rng.Shuffle(len(t.Authority), func(i, j int) { t.Authority[i], t.Authority[j] = t.Authority[j], t.Authority[i] })
		})
	},
	"voters by other names": func(_ *rand.Rand, life []round) []round {
		return mapped(life, func(t *Tally) {
			for i := range t.Operators {
				t.Operators[i].Voter = "renamed " + t.Operators[i].Voter
			}
		})
	},
	"an operator asked a second time in vain": func(rng *rand.Rand, life []round) []round {
		return mapped(life, func(t *Tally) {
			i, failed := rng.IntN(len(t.Operators)), Vote{Voter: "another of its addresses", Stand: Unheard}
			if rng.IntN(2) == 0 {
				t.Operators[i] = t.Operators[i].Merge(failed)
				return
			}
			t.Operators[i] = failed.Merge(t.Operators[i])
		})
	},
	"an operator asked a second time with the same answer": func(rng *rand.Rand, life []round) []round {
		return mapped(life, func(t *Tally) {
			i := rng.IntN(len(t.Operators))
			t.Operators[i] = t.Operators[i].Merge(t.Operators[i])
		})
	},
}

func mapped(life []round, change func(*Tally)) []round {
	out := slices.Clone(life)
	for i := range out {
		out[i].tally.Operators = slices.Clone(out[i].tally.Operators)
		out[i].tally.Authority = slices.Clone(out[i].tally.Authority)
		change(&out[i].tally)
	}
	return out
}

func TestLawsOfWhatChangesNothing(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range lives(2_000) / 4 {
		life, rules := randomLife(rng), modelRules[i%len(modelRules)]
		want, moves := replay(life, rules, start)
		for name, law := range laws {
			if got, also := replay(law(rng, life), rules, start); got != want || !slices.Equal(moves, also) {
				t.Fatalf("seed %d, life %d, %s:\n%+v\nbecame\n%+v", seed, i, name, want, got)
			}
		}
		if again, also := replay(life, rules, start); again != want || !slices.Equal(moves, also) {
			t.Fatalf("seed %d, life %d: replayed, it came out as another", seed, i)
		}
		if at := retold(moves); at != want.Position() {
			t.Fatalf("seed %d, life %d: history ends at %v, the record stands at %v", seed, i, at, want.Position())
		}
		const later = 12345 * time.Hour
		shiftedState, shiftedMoves := replay(life, rules, start.Add(later))
		if shiftedState.Position() != want.Position() || !shiftedState.Since.Equal(want.Since.Add(later)) || len(shiftedMoves) != len(moves) {
			t.Fatalf("seed %d, life %d: at another time it came out as another", seed, i)
		}
	}
}

// badness orders verdicts; Blind is none.
func badness(v Verdict) int {
	return map[Verdict]int{Holding: 1, Disagreeing: 2, Drifted: 3, Missing: 3}[v]
}

func TestLawsOfFailuresAndOfAgreement(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	rng := rand.New(rand.NewPCG(seed, 0))
	for i := range lives(6_000) { // of one look each
		rules := modelRules[i%len(modelRules)]
		tally := mapped(randomLife(rng)[:1], func(t *Tally) {
			for i := range t.Operators {
				t.Operators[i].Echo = false // a good echo needs a record that is lost, and so is no holding
			}
		})[0].tally
		d := Decide(tally, rules)

		failed := mapped([]round{{tally: tally}}, func(t *Tally) {
			for i := range t.Operators {
				if rng.IntN(3) == 0 {
					t.Operators[i] = Vote{Voter: t.Operators[i].Voter}
				}
			}
			for i := range t.Authority {
				if rng.IntN(3) == 0 {
					t.Authority[i] = Vote{Voter: t.Authority[i].Voter}
				}
			}
		})[0].tally
		if f := Decide(failed, rules); d.Verdict == Holding && f.Verdict != Holding && f.Verdict != Blind {
			t.Fatalf("seed %d: operators fail, and %v becomes %v", seed, d, f)
		}

		agreeing := mapped([]round{{tally: tally}}, func(t *Tally) {
			for i, v := range t.Operators {
				if v.Stand == Unheard && d.Verdict == Missing {
					t.Operators[i].Stand, t.Operators[i].Echo = Absent, false
				} else if v.Stand == Unheard && d.Verdict == Holding {
					t.Operators[i].Stand, t.Operators[i].Echo = Good, false
				}
			}
		})[0].tally
		if a := Decide(agreeing, rules); d.Verdict != Blind && badness(a.Verdict) != badness(d.Verdict) {
			t.Fatalf("seed %d: more operators agree, and %v becomes %v", seed, d, a)
		}
	}
}
