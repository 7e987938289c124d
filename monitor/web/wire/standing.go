package wire

import (
	"fmt"
	"slices"

	"maildrift/monitor"
	"maildrift/monitor/judge"
)

// Standing says in one word how a record stands, or how the worst record of a
// domain does. The words are in order of what needs attention least.
type Standing uint8

// The standings.
const (
	// Holding is verified and as it should be.
	Holding Standing = iota
	// Pending waits to be published and to propagate.
	Pending
	// Blind held when it was last seen, but too little is heard about it now.
	Blind
	// Overdue was not seen in the time that propagation takes at most.
	Overdue
	// Disagreeing is seen wrong by a part of the receivers.
	Disagreeing
	// Drifted says something else than what was verified.
	Drifted
	// Missing is gone.
	Missing
)

var standingNames = [...]string{
	Holding: "holding", Pending: "pending", Blind: "blind", Overdue: "overdue",
	Disagreeing: "disagreeing", Drifted: "drifted", Missing: "missing",
}

// StandingOf gives the standing of a record.
func StandingOf(s *monitor.RecordState) Standing {
	return StandingAt(s.Phase, s.Verdict, !s.BlindSince.IsZero())
}

// StandingAt gives the standing of a record by where it stands, and whether too little is heard about it.
func StandingAt(phase judge.Phase, verdict judge.Verdict, blind bool) Standing {
	switch phase {
	case judge.Pending:
		return Pending
	case judge.Overdue:
		return Overdue
	case judge.Verified:
	}
	switch verdict {
	case judge.Missing:
		return Missing
	case judge.Drifted:
		return Drifted
	case judge.Disagreeing:
		return Disagreeing
	case judge.Holding, judge.Unjudged, judge.Blind:
	}
	if blind {
		return Blind
	}
	return Holding
}

// Standings lists all standings.
func Standings() []Standing {
	all := make([]Standing, len(standingNames))
	for i := range all {
		all[i] = Standing(i)
	}
	return all
}

// String gives the word that JSON, pages and commands use.
func (s Standing) String() string { return standingNames[s] }

// MarshalText writes the word.
func (s Standing) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the word.
func (s *Standing) UnmarshalText(b []byte) error {
	i := slices.Index(standingNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown standing %q: use holding, pending, blind, overdue, disagreeing, drifted or missing", b)
	}
	*s = Standing(i)
	return nil
}
