package judge

import (
	"time"

	"maildrift/monitor/rrset"
)

// State is all that judging remembers of one record. It is a value.
type State struct {
	Phase   Phase   `json:"phase"`
	Verdict Verdict `json:"verdict"`
	Stage   Stage   `json:"stage"`
	// Since is when the verdict (or, before verification, the phase) began.
	Since time.Time `json:"since"`
	// Registered is when waiting for the record began; VerifiedAt when it ended.
	Registered time.Time `json:"registered"`
	VerifiedAt time.Time `json:"verified_at,omitzero"`
	// Meaning identifies what was seen instead of the good record when the
	// verdict began; zero when nothing was.
	Meaning rrset.Hash `json:"meaning"`
	// FromAuthority says that the authority itself had the lost record wrong, so
	// that its getting better is the start of recovery.
	FromAuthority bool `json:"from_authority,omitempty"`
	// Suspicion is a change that was seen and waits to be confirmed.
	Suspicion Suspicion `json:"suspicion,omitzero"`
	// Turns are when the verdict changed lately; Flapping is the episode that too many of them
	// make.
	Turns    Turns    `json:"turns,omitzero"`
	Flapping Flapping `json:"flapping,omitzero"`
	// BlindSince is when evidence last became too thin; zero when it is not.
	BlindSince time.Time `json:"blind_since,omitzero"`
}

// Suspicion is a change that has been seen but not often or long enough.
type Suspicion struct {
	Verdict   Verdict    `json:"verdict"`
	Meaning   rrset.Hash `json:"meaning"`
	Sightings int        `json:"sightings"`
	First     time.Time  `json:"first"`
}

func (s Suspicion) of(d Decision) bool {
	return s.Sightings > 0 && s.Verdict == d.Verdict && s.Meaning == d.Meaning
}

// Position is where a record stands; a Transition goes from one to another.
type Position struct {
	Phase   Phase   `json:"phase"`
	Verdict Verdict `json:"verdict"`
	Stage   Stage   `json:"stage"`
}

// Position gives where the record stands.
func (s State) Position() Position { return Position{s.Phase, s.Verdict, s.Stage} }

// Transition is a change of phase, verdict, stage, or of the value that a
// drifted record has.
type Transition struct {
	From Position  `json:"from"`
	To   Position  `json:"to"`
	At   time.Time `json:"at"`
	// Value is set when the record was drifted already and says a third thing now.
	Value bool `json:"value,omitempty"`
	// Flap is set for a change within an episode of flapping, which is kept in history but is no
	// news: From and To are often the same.
	Flap bool `json:"flap,omitempty"`
}

// Again says when a record must be asked again before the next sweep: zero for
// not at all, a time not after now for at once.
type Again struct {
	Wanted bool
	At     time.Time
}

// Step takes a record's state over one decision. It gives the next state, the
// transitions that happened (none, or one), and whether the record is to be asked again
// to confirm what was seen. The same decision given again changes nothing once
// it has been confirmed; Blind changes nothing but BlindSince.
func Step(s State, d Decision, now time.Time, rules Rules) (State, []Transition, Again) {
	if s.Phase != Verified {
		return stepWaiting(s, d, now, rules)
	}
	if d.Verdict == Blind {
		if s.BlindSince.IsZero() {
			s.BlindSince = now
		}
		// What was seen before does not confirm what is seen after; a disagreement only has to last.
		if s.Suspicion.Verdict != Disagreeing {
			s.Suspicion = Suspicion{}
		}
		return s, nil, Again{}
	}
	s.BlindSince = time.Time{}
	d = inRecovery(s, d)
	switch {
	case s.Flapping.On():
		return stepFlapping(s, d, now, rules)
	case lookOf(d) == Look{s.Verdict, s.Meaning}:
		return stay(s, d, now)
	}
	return suspect(s, d, now, rules, func(s State) State { return turn(s, d, now, rules) })
}

// move takes the record to what was decided.
func move(s State, d Decision, now time.Time) State {
	s.Verdict, s.Stage, s.Since, s.Meaning = d.Verdict, d.Stage, now, d.Meaning
	s.FromAuthority = d.Authority == AuthorityWrong
	return s
}

// stepWaiting is Step before verification: only a good record changes
// something, or time running out.
func stepWaiting(s State, d Decision, now time.Time, rules Rules) (State, []Transition, Again) {
	if d.Verdict == Holding {
		return suspect(s, d, now, rules, func(s State) State {
			s.Phase, s.Verdict, s.Stage = Verified, Holding, NoStage
			s.Since, s.VerifiedAt, s.BlindSince = now, now, time.Time{}
			return s
		})
	}
	s.Suspicion = Suspicion{}
	if s.Phase == Overdue || now.Sub(s.Registered) < rules.OverdueAfter {
		return s, nil, Again{}
	}
	from := s.Position()
	s.Phase, s.Since = Overdue, now
	return s, []Transition{{From: from, To: s.Position(), At: now}}, Again{}
}

// inRecovery keeps one incident one incident: once a record is lost, sources
// that disagree, or caches that still serve the wrong record after the authority
// has the good one again, are the way back and not another fault.
func inRecovery(s State, d Decision) Decision {
	if !s.Verdict.Lost() {
		return d
	}
	mended := d.Authority == AuthorityGood && s.FromAuthority
	if d.Verdict == Disagreeing || d.Verdict.Lost() && mended {
		d.Verdict, d.Meaning, d.Stage = s.Verdict, s.Meaning, Recovering
	}
	return d
}

// stay is for a decision that confirms the standing verdict. Its stage may have
// moved on, which is worth history and an annotation but no confirmation.
func stay(s State, d Decision, now time.Time) (State, []Transition, Again) {
	s.Suspicion = Suspicion{}
	s.FromAuthority = s.FromAuthority || s.Verdict.Lost() && d.Authority == AuthorityWrong
	if s.Stage == d.Stage {
		return s, nil, Again{}
	}
	from := s.Position()
	s.Stage = d.Stage
	return s, []Transition{{From: from, To: s.Position(), At: now, Flap: s.Flapping.On()}}, Again{}
}

// suspect counts sightings of a change and applies it once it is settled.
func suspect(s State, d Decision, now time.Time, rules Rules, apply func(State) State) (State, []Transition, Again) {
	switch {
	case s.Suspicion.First.After(now): // the clock was ahead
		s.Suspicion = Suspicion{Verdict: d.Verdict, Meaning: d.Meaning, First: now}
	case s.Suspicion.of(d):
	case !s.Standing().Lost() && s.Suspicion.Verdict.Lost() && s.Suspicion.Sightings > 0 && d.Verdict.Lost():
		// Gone is gone, even if something else stands there at every look.
		s.Suspicion.Verdict, s.Suspicion.Meaning = d.Verdict, d.Meaning
	default:
		s.Suspicion = Suspicion{Verdict: d.Verdict, Meaning: d.Meaning, First: now}
	}
	s.Suspicion.Sightings++
	if !rules.settled(s.Suspicion, now) {
		return s, nil, again(s.Suspicion, now, rules)
	}
	from, meant := s.Position(), s.Meaning
	s = apply(s)
	s.Suspicion = Suspicion{}
	t := Transition{From: from, To: s.Position(), At: now, Flap: s.Flapping.On()}
	t.Value = t.From.Verdict == Drifted && t.To.Verdict == Drifted && s.Meaning != meant
	return s, []Transition{t}, Again{}
}

// again says when to ask again: at once after the first sight, then when the
// wait is over. A disagreement that only has to last is left to the next sweeps.
func again(s Suspicion, now time.Time, rules Rules) Again {
	due := s.First.Add(rules.ConfirmWait)
	switch {
	case s.Sightings == 1:
		return Again{Wanted: true, At: now}
	case now.Before(due):
		return Again{Wanted: true, At: due}
	case s.Sightings <= rules.Confirmations:
		return Again{Wanted: true, At: now}
	}
	return Again{}
}
