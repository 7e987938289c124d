package judge

import (
	"testing"
	"time"

	"maildrift/monitor/rrset"
)

var (
	start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	quick = Rules{MinOperators: 2, Confirmations: 2, ConfirmWait: 30 * time.Second, DisagreementAfter: 10 * time.Minute, OverdueAfter: 48 * time.Hour}
)

// decide makes the decision that a line of votes comes to.
func decide(operators, authority string) Decision {
	return Decide(Tally{Operators: votes(operators), Authority: votes(authority), AuthorityWanted: authority != ""}, quick)
}

// walk takes a state through moments and gives all transitions.
type moment struct {
	after     time.Duration // since the moment before
	operators string
	authority string
}

func walk(t *testing.T, s State, moments ...moment) (State, []Transition) {
	t.Helper()
	now := start
	var all []Transition
	for _, m := range moments {
		now = now.Add(m.after)
		var moved []Transition
		s, moved, _ = Step(s, decide(m.operators, m.authority), now, quick)
		all = append(all, moved...)
	}
	return s, all
}

func pending() State { return State{Registered: start, Since: start} }

func verified() State {
	return State{Phase: Verified, Verdict: Holding, Registered: start, VerifiedAt: start, Since: start}
}

// thrice is a change that is seen, seen again at once, and once more after the wait.
func thrice(operators, authority string) []moment {
	return []moment{{time.Hour, operators, authority}, {0, operators, authority}, {30 * time.Second, operators, authority}}
}

func TestStep(t *testing.T) {
	tests := []struct {
		name    string
		from    State
		moments []moment
		want    Position
		moves   int
	}{
		{"a record that everybody sees is verified", pending(), thrice("gggggg", "gg"), Position{Verified, Holding, NoStage}, 1},
		{"a first sight verifies nothing", pending(), []moment{{0, "gggggg", "gg"}}, Position{Pending, Unjudged, NoStage}, 0},
		{"a second sight at once verifies nothing", pending(), thrice("gggggg", "gg")[:2], Position{Pending, Unjudged, NoStage}, 0},
		{
			"seen, lost, seen: counting starts anew", pending(),
			[]moment{{0, "gggggg", "gg"}, {0, "gggggg", "gg"}, {time.Second, "gggggg", "aa"}, {30 * time.Second, "gggggg", "gg"}},
			Position{Pending, Unjudged, NoStage}, 0,
		},
		{"the authority alone verifies nothing", pending(), thrice("uuuuuu", "gg"), Position{Pending, Unjudged, NoStage}, 0},
		{"operators against the authority verify nothing", pending(), thrice("gggggg", "ga"), Position{Pending, Unjudged, NoStage}, 0},
		{"nothing after 47 hours is still pending", pending(), []moment{{47 * time.Hour, "uuuuuu", "aa"}}, Position{Pending, Unjudged, NoStage}, 0},
		{"nothing after 48 hours is overdue, once", pending(), []moment{{48 * time.Hour, "uuuuuu", "aa"}, {time.Hour, "uuuuuu", "aa"}}, Position{Overdue, Unjudged, NoStage}, 1},
		{"an overdue record can still be verified", State{Phase: Overdue, Registered: start}, thrice("gggggg", "gg"), Position{Verified, Holding, NoStage}, 1},

		{"nothing wrong", verified(), thrice("gggggg", "gg"), Position{Verified, Holding, NoStage}, 0},
		{"gone at the authority", verified(), thrice("gggggg", "aa"), Position{Verified, Missing, AtAuthority}, 1},
		{"a first sight pages nobody", verified(), thrice("gggggg", "aa")[:1], Position{Verified, Holding, NoStage}, 0},
		{"a second sight pages nobody", verified(), thrice("gggggg", "aa")[:2], Position{Verified, Holding, NoStage}, 0},
		{"changed at the authority", verified(), thrice("gggggg", "dd"), Position{Verified, Drifted, AtAuthority}, 1},
		{
			"a slip that is mended before the wait is over", verified(),
			[]moment{{0, "gggggg", "aa"}, {0, "gggggg", "aa"}, {10 * time.Second, "gggggg", "gg"}, {20 * time.Second, "gggggg", "aa"}},
			Position{Verified, Holding, NoStage}, 0,
		},
		{"caches follow: the stage moves on, the verdict stays", verified(), append(thrice("gggggg", "aa"), moment{time.Minute, "gaaaaa", "aa"}), Position{Verified, Missing, AtReceivers}, 2},
		{
			"mended at the authority, caches still wrong: recovering, no other alert", verified(),
			append(thrice("aaaaaa", "aa"), thrice("aaaaaa", "gg")...), Position{Verified, Missing, Recovering}, 2,
		},
		{
			"half recovered is still the same incident", verified(),
			append(append(thrice("aaaaaa", "aa"), thrice("aaaaaa", "gg")...), thrice("gggaaa", "gg")...), Position{Verified, Missing, Recovering}, 2,
		},
		{
			"recovered", verified(),
			append(append(thrice("aaaaaa", "aa"), thrice("gggaaa", "gg")...), thrice("gggggg", "gg")...), Position{Verified, Holding, NoStage}, 3,
		},
		{"leaving a bad verdict needs confirmation too", verified(), append(thrice("aaaaaa", "aa"), moment{time.Hour, "gggggg", "gg"}), Position{Verified, Missing, AtReceivers}, 1},
		{"a third value is told", verified(), append(thrice("gggggg", "dd"), thrice("gggggg", "DD")...), Position{Verified, Drifted, AtAuthority}, 2},
		{"drifted, then gone", verified(), append(thrice("gggggg", "dd"), thrice("gggggg", "aa")...), Position{Verified, Missing, AtAuthority}, 2},
		{"servers that lag for a while are not told", verified(), thrice("gggggg", "ga"), Position{Verified, Holding, NoStage}, 0},
		{"servers that lag for long are", verified(), append(thrice("gggggg", "ga"), moment{10 * time.Minute, "gggggg", "ga"}), Position{Verified, Disagreeing, NoStage}, 1},
		{"disagreeing, then drifted everywhere", verified(), append(append(thrice("gggggg", "gd"), moment{10 * time.Minute, "gggggg", "gd"}), thrice("dddddd", "dd")...), Position{Verified, Drifted, AtReceivers}, 2},
		{"seeing nothing changes nothing", verified(), thrice("uuuuuu", "uu"), Position{Verified, Holding, NoStage}, 0},
		{
			"the cause lies between: gone at all operators while the authority has it", verified(),
			append(thrice("aaaaaa", "gg"), moment{time.Hour, "aaaaaa", "gg"}), Position{Verified, Missing, AtReceivers}, 1,
		},
		{
			"first the caches, then the authority itself: stage and blame follow", verified(),
			append(append(thrice("aaaaaa", "gg"), moment{time.Hour, "ggaaaa", "aa"}, moment{time.Hour, "gggaaa", "aa"}), moment{time.Hour, "aaaaaa", "gg"}),
			Position{Verified, Missing, Recovering}, 3,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, moves := walk(t, tt.from, tt.moments...)
			if s.Position() != tt.want || len(moves) != tt.moves {
				t.Errorf("ended at %v after %d moves %v, want %v after %d", s.Position(), len(moves), moves, tt.want, tt.moves)
			}
		})
	}
}

func TestAThirdValueIsMarked(t *testing.T) {
	s, moves := walk(t, verified(), append(thrice("gggggg", "dd"), thrice("gggggg", "DD")...)...)
	if len(moves) != 2 || moves[0].Value || !moves[1].Value {
		t.Errorf("moves %v: want the second one marked as another value", moves)
	}
	if s.Meaning != (rrset.Hash{3}) {
		t.Errorf("meaning %s is not that of the new value", s.Meaning)
	}
}

func TestBlindIsRememberedAndForgotten(t *testing.T) {
	s, _ := walk(t, verified(), moment{time.Hour, "uuuuuu", "uu"}, moment{time.Hour, "uuuuuu", "uu"})
	if want := start.Add(time.Hour); !s.BlindSince.Equal(want) {
		t.Errorf("blind since %v, want since the first such round, %v", s.BlindSince, want)
	}
	s, _ = walk(t, s, moment{3 * time.Hour, "gggggg", "gg"})
	if !s.BlindSince.IsZero() {
		t.Errorf("still blind since %v after a good round", s.BlindSince)
	}
}

func TestWhenToAskAgain(t *testing.T) {
	gone := decide("gggggg", "aa")
	s, _, again := Step(verified(), gone, start, quick)
	if !again.Wanted || again.At.After(start) {
		t.Errorf("after the first sight: %+v, want at once", again)
	}
	s, _, again = Step(s, gone, start, quick)
	if due := start.Add(quick.ConfirmWait); !again.Wanted || !again.At.Equal(due) {
		t.Errorf("after the second sight: %+v, want at %v", again, due)
	}
	if _, moves, again := Step(s, gone, start.Add(quick.ConfirmWait), quick); again.Wanted || len(moves) != 1 {
		t.Errorf("after the last sight: %+v with moves %v, want none and one", again, moves)
	}
}

func TestAskingAgainWithOtherRules(t *testing.T) {
	gone := decide("gggggg", "aa")
	if _, moves, again := Step(verified(), gone, start, Rules{ConfirmWait: time.Hour}); len(moves) != 1 || again.Wanted {
		t.Errorf("without confirmations a change counts at once; moves %v, again %+v", moves, again)
	}
	many := quick
	many.Confirmations, many.ConfirmWait = 4, 0
	s := verified()
	for range 4 {
		var again Again
		var moves []Transition
		if s, moves, again = Step(s, gone, start, many); len(moves) != 0 || !again.Wanted {
			t.Fatalf("moves %v, again %+v before four confirmations", moves, again)
		}
	}
	if _, moves, _ := Step(s, gone, start, many); len(moves) != 1 {
		t.Errorf("the fourth confirmation did not count: %v", moves)
	}
	s, _, _ = Step(verified(), decide("gggaaa", "gg"), start, quick)
	s, _, _ = Step(s, decide("gggaaa", "gg"), start, quick)
	_, moves, again := Step(s, decide("gggaaa", "gg"), start.Add(time.Minute), quick)
	if again.Wanted || len(moves) != 0 {
		t.Errorf("a disagreement that only has to last is left to the next sweep: %+v, %v", again, moves)
	}
}

func TestAClockThatWasAheadDoesNotDelayConfirmation(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := State{Phase: Verified, Verdict: Holding, Suspicion: Suspicion{Verdict: Missing, Sightings: 2, First: now.Add(365 * 24 * time.Hour)}}
	s, moves, again := Step(s, Decision{Verdict: Missing, Stage: AtAuthority, Authority: AuthorityWrong}, now, DefaultRules())
	if len(moves) != 0 || s.Suspicion.Sightings != 1 || !s.Suspicion.First.Equal(now) || again.At.After(now) {
		t.Errorf("%+v, %v, %+v", s.Suspicion, moves, again)
	}
}

func TestWhatIsLostIsLostWhateverStandsThereInstead(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s := State{Phase: Verified, Verdict: Holding}
	var moves []Transition
	for i := range 4 {
		s, moves, _ = Step(s, Decision{Verdict: Drifted, Stage: AtAuthority, Authority: AuthorityWrong, Meaning: rrset.Hash{byte(i)}}, now, DefaultRules())
		if len(moves) > 0 {
			break
		}
		now = now.Add(time.Minute)
	}
	if s.Verdict != Drifted {
		t.Errorf("four looks, each at something else, left it %s", s.Verdict)
	}
}
