package judge

import (
	"slices"
	"time"

	"maildrift/monitor/rrset"
)

// maxTurns is how many of its last changes a record remembers, and so the most that Rules.FlapChanges
// can ask for.
const maxTurns = 8

// Turns are when a record's verdict changed lately, in Unix seconds, the latest first; 0 where
// there was none. It is an array so that a State stays a value.
type Turns [maxTurns]int64

// with gives the turns after one more.
func (t Turns) with(now time.Time) Turns {
	copy(t[1:], t[:maxTurns-1])
	t[0] = now.Unix()
	return t
}

// within counts the turns of the time before now. What seems to lie ahead is from a clock that
// was wrong and counts for nothing.
func (t Turns) within(now time.Time, d time.Duration) int {
	n := 0
	for _, at := range t {
		if age := now.Unix() - at; at != 0 && age >= 0 && time.Duration(age)*time.Second < d {
			n++
		}
	}
	return n
}

// maxTold bounds how many different bad things one episode of flapping tells.
const maxTold = 4

// Flapping is one episode of a record that keeps changing between good and bad, or between several
// bad things. While it lasts the record stays in its bad verdict. The zero value is no episode.
type Flapping struct {
	// Since is when the episode began; Flips counts the changes in it, those that made it one
	// included.
	Since time.Time `json:"since,omitzero"`
	Flips int       `json:"flips,omitempty"`
	// Calm is since when the record has been good again, zero while it is bad.
	Calm time.Time `json:"calm,omitzero"`
	// Now is what was confirmed last.
	Now Look `json:"now,omitzero"`
	// Told are the bad things that the episode has told.
	Told [maxTold]Look `json:"told,omitzero"`
}

// Look is what a record looks like: a verdict and, if it is Drifted, what it says.
type Look struct {
	Verdict Verdict    `json:"verdict"`
	Meaning rrset.Hash `json:"meaning,omitzero"`
}

func lookOf(d Decision) Look { return Look{d.Verdict, d.Meaning} }

// On says whether there is an episode.
func (f Flapping) On() bool { return !f.Since.IsZero() }

// knows says whether a look is good, was told, or would be one too many: somebody who changes a
// record at every look has been told often enough that it does not stand.
func (f Flapping) knows(l Look) bool {
	return l.Verdict == Holding || slices.Contains(f.Told[:], l) || f.Told[maxTold-1] != Look{}
}

func (f Flapping) telling(l Look) Flapping {
	if !f.knows(l) {
		f.Told[slices.Index(f.Told[:], Look{})] = l
	}
	return f
}

// Standing is the verdict that was confirmed last: that of the State but within an episode of flapping, where
// the State stays bad.
func (s State) Standing() Verdict {
	if s.Flapping.On() {
		return s.Flapping.Now.Verdict
	}
	return s.Verdict
}

// Settled gives the state of a record that is taken to be good from now on, whatever was seen
// before: a person says so.
func (s State) Settled(now time.Time) State {
	s.Verdict, s.Stage, s.Since, s.Meaning, s.FromAuthority = Holding, NoStage, now, rrset.Hash{}, false
	s.Suspicion, s.Turns, s.Flapping = Suspicion{}, Turns{}, Flapping{}
	return s
}

// turn applies a confirmed change. One too many in too short a time begins an episode.
func turn(s State, d Decision, now time.Time, rules Rules) State {
	s.Turns = s.Turns.with(now)
	flips := s.Turns.within(now, rules.FlapWithin)
	if rules.FlapChanges == 0 || flips < min(rules.FlapChanges, maxTurns) {
		return move(s, d, now)
	}
	// The change that begins it is counted when it is applied.
	s.Flapping = Flapping{Since: now, Flips: flips - 1}.telling(Look{s.Verdict, s.Meaning})
	return flip(s, d, now)
}

// flip applies a confirmed change within an episode: the verdict stays bad, and stays the same bad
// unless what is seen now was not told yet.
func flip(s State, d Decision, now time.Time) State {
	look := lookOf(d)
	known := s.Flapping.knows(look)
	s.Flapping = s.Flapping.telling(look)
	s.Flapping.Now, s.Flapping.Calm = look, time.Time{}
	s.Flapping.Flips++
	switch {
	case d.Verdict == Holding:
		s.Flapping.Calm = now
		if s.Verdict.Lost() {
			s.Stage = Recovering
		}
	case known:
		s.Stage = d.Stage
		s.FromAuthority = s.FromAuthority || d.Authority == AuthorityWrong
	default:
		s = move(s, d, now)
	}
	return s
}

// stepFlapping is Step within an episode. It ends when the record has held for long enough without
// a single bad look.
func stepFlapping(s State, d Decision, now time.Time, rules Rules) (State, []Transition, Again) {
	calm := !s.Flapping.Calm.IsZero()
	if calm && (d.Verdict != Holding || s.Flapping.Calm.After(now)) { // the latter if the clock was ahead
		s.Flapping.Calm = now
	}
	switch {
	case lookOf(d) != s.Flapping.Now:
		return suspect(s, d, now, rules, func(s State) State { return flip(s, d, now) })
	case !calm:
		return stay(s, d, now)
	case now.Sub(s.Flapping.Calm) < rules.FlapCalm:
		s.Suspicion = Suspicion{}
		return s, nil, Again{}
	}
	from := s.Position()
	s = move(s.Settled(now), d, now)
	return s, []Transition{{From: from, To: s.Position(), At: now}}, Again{}
}
