package judge

import (
	"encoding/json"
	"slices"
	"testing"
	"time"

	"maildrift/monitor/rrset"
)

var lively = Rules{
	MinOperators: 2, Confirmations: 2, ConfirmWait: 30 * time.Second, DisagreementAfter: 30 * time.Minute, OverdueAfter: 48 * time.Hour,
	FlapChanges: 4, FlapWithin: time.Hour, FlapCalm: 30 * time.Minute,
}

// life takes a state over confirmed changes: each look is seen three times over half a minute.
type life struct {
	state State
	now   time.Time
	moves []Transition
}

func newLife() *life { return &life{state: verified(), now: start} }

func (l *life) once(after time.Duration, operators, authority string) {
	l.now = l.now.Add(after)
	var moves []Transition
	l.state, moves, _ = Step(l.state, decide(operators, authority), l.now, lively)
	l.moves = append(l.moves, moves...)
}

func (l *life) sees(after time.Duration, operators, authority string) {
	l.once(after, operators, authority)
	l.once(0, operators, authority)
	l.once(30*time.Second, operators, authority)
}

// flapping is a life that has changed four times: gone, good, gone, good.
func flapping() *life {
	l := newLife()
	for range 2 {
		l.sees(5*time.Minute, "gggggg", "aa")
		l.sees(5*time.Minute, "gggggg", "gg")
	}
	return l
}

func TestFourChangesWithinAnHourAreOneEpisode(t *testing.T) {
	l := flapping()
	if !l.state.Flapping.On() || l.state.Flapping.Flips != 4 || l.state.Verdict != Missing || l.state.Standing() != Holding {
		t.Fatalf("after four changes %+v", l.state)
	}
	if last := l.moves[len(l.moves)-1]; len(l.moves) != 4 || !last.Flap || last.To.Verdict != Missing || last.To.Stage != Recovering {
		t.Errorf("moves %+v: want the fourth in history, marked, with the verdict as it was", l.moves)
	}
	for range 5 {
		l.sees(10*time.Minute, "gggggg", "aa")
		l.sees(10*time.Minute, "gggggg", "gg")
	}
	if l.state.Verdict != Missing || l.state.Flapping.Flips != 14 || len(l.moves) != 14 {
		t.Errorf("flaps on: %s after %d flips and %d moves, want missing, 14 and 14", l.state.Verdict, l.state.Flapping.Flips, len(l.moves))
	}
	if i := slices.IndexFunc(l.moves[3:], func(m Transition) bool { return !m.Flap || m.To.Verdict != Missing }); i >= 0 {
		t.Errorf("move %+v is told as news", l.moves[3+i])
	}
}

func TestAnEpisodeEndsOnceTheRecordHasHeld(t *testing.T) {
	l := flapping()
	l.once(29*time.Minute, "gggggg", "gg")
	if l.state.Verdict != Missing {
		t.Error("it ended before half an hour was over")
	}
	l.once(time.Minute, "gggggg", "gg")
	if l.state.Verdict != Holding || l.state.Flapping.On() || l.state.Turns != (Turns{}) || l.moves[len(l.moves)-1].Flap {
		t.Errorf("after half an hour %+v, last move %+v", l.state, l.moves[len(l.moves)-1])
	}
	l.sees(time.Minute, "gggggg", "aa")
	if l.state.Verdict != Missing || l.state.Flapping.On() {
		t.Error("what is lost after the episode is no part of it")
	}
}

func TestOneBadLookBeginsTheCalmAnew(t *testing.T) {
	l := flapping()
	l.once(20*time.Minute, "gggggg", "aa")
	l.once(20*time.Minute, "gggggg", "gg")
	if l.state.Verdict != Missing || len(l.moves) != 4 {
		t.Errorf("%s after %v: an unconfirmed bad look is no flip, but no calm either", l.state.Verdict, l.moves)
	}
	l.once(10*time.Minute, "uuuuuu", "uu")
	l.once(0, "gggggg", "gg")
	if l.state.Verdict != Holding {
		t.Error("blindness changed something")
	}
}

func TestAnEpisodeTellsWhatItHasNotToldYet(t *testing.T) {
	l := flapping()
	l.sees(time.Minute, "gggggg", "dd")
	if l.state.Verdict != Drifted || l.state.Meaning != (rrset.Hash{2}) {
		t.Fatalf("another value is %s", l.state.Verdict)
	}
	l.sees(time.Minute, "gggggg", "aa")
	if l.state.Verdict != Drifted {
		t.Error("that it is gone was told already")
	}
	l.sees(time.Minute, "gggggg", "DD")
	if last := l.moves[len(l.moves)-1]; l.state.Meaning != (rrset.Hash{3}) || !last.Value || !last.Flap {
		t.Errorf("a third value: %+v", last)
	}
}

func TestChangesThatAreFarApartAreNoEpisode(t *testing.T) {
	l := newLife()
	for range 5 {
		l.sees(25*time.Minute, "gggggg", "aa")
		l.sees(25*time.Minute, "gggggg", "gg")
	}
	if l.state.Flapping.On() || len(l.moves) != 10 {
		t.Errorf("%d moves, flapping %v", len(l.moves), l.state.Flapping)
	}
}

func TestAClockThatWasAheadDoesNotProlongAnEpisode(t *testing.T) {
	l := flapping()
	l.state.Flapping.Calm = l.now.Add(365 * 24 * time.Hour)
	l.once(time.Minute, "gggggg", "gg")
	l.once(30*time.Minute, "gggggg", "gg")
	if l.state.Verdict != Holding {
		t.Error("it waits for a time that was never")
	}
	l = newLife()
	l.state.Turns = Turns{}.with(l.now.Add(time.Hour)).with(l.now.Add(time.Hour)).with(l.now.Add(time.Hour))
	l.sees(0, "gggggg", "aa")
	if l.state.Flapping.On() {
		t.Error("changes in the future count")
	}
}

func TestAnEpisodeSurvivesARestart(t *testing.T) {
	l := flapping()
	l.sees(time.Minute, "gggggg", "dd")
	text, err := json.Marshal(l.state)
	if err != nil {
		t.Fatal(err)
	}
	var back State
	if err := json.Unmarshal(text, &back); err != nil || back != l.state {
		t.Errorf("%v\n%+v came back as\n%+v", err, l.state, back)
	}
	if text, err = json.Marshal(verified()); err != nil || len(text) > 400 {
		t.Errorf("a calm record costs %d bytes: %s", len(text), text)
	}
}

// Echoes are answers of caches from before the last change: e sees it good, E gone.
func TestEchoesNeitherEndNorRepeat(t *testing.T) {
	tests := []struct {
		name      string
		operators string
		authority string
		want      Verdict
	}{
		{"echoes of the good record do not end the loss", "eeeeeg", "", Disagreeing},
		{"nor where the authority is silent", "eeeegg", "uu", Blind},
		{"within the dissent that is allowed they do not matter", "eegggg", "", Holding},
		{"the authority has it again: they are right", "eeeeee", "gg", Holding},
		{"the authority has it wrong: caches hold on", "eeeeee", "aa", Missing},
		{"echoes of absence do not repeat the loss", "EEEEEg", "gg", Holding},
		{"nor without an authority", "EEEEgg", "", Holding},
		{"fresh absence does", "EEaaaa", "gg", Missing},
		{"half of it is disagreement", "EEEaaa", "gg", Disagreeing},
		{"an echo is heard", "eeeuuu", "gg", Holding},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Decide(Tally{Operators: votes(tt.operators), Authority: votes(tt.authority), AuthorityWanted: tt.authority != ""}, lively)
			if d.Verdict != tt.want {
				t.Errorf("got %s, want %s: %s", d.Verdict, tt.want, d)
			}
		})
	}
}

func TestWhatIsHeardAnewOutweighsAnEcho(t *testing.T) {
	echo, fresh := Vote{Stand: Absent, Echo: true}, Vote{Stand: Good}
	for _, got := range []Vote{echo.Merge(fresh), fresh.Merge(echo)} {
		if got.Stand != Good || got.Echo {
			t.Errorf("got %+v", got)
		}
	}
	if got := echo.Merge(Vote{Stand: Unheard}); got != echo {
		t.Errorf("a failure took the echo's place: %+v", got)
	}
	if got := (Vote{Stand: Good, Echo: true}).Merge(echo); got != echo {
		t.Errorf("among echoes the worst stands, got %+v", got)
	}
}
