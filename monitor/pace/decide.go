package pace

import (
	"fmt"
	"time"
)

// Sweep is when a sweep asks.
type Sweep struct {
	// Policy is Every or TTL. Auto, which nobody has made up their mind about yet, counts as Every.
	Policy Policy
	// Now is when the record is asked about, Next when it will be in the next sweep, as far as that is known.
	Now, Next time.Time
}

// Record is what is known of a record in a sweep, after its zone's servers were asked.
type Record struct {
	// Settled says that it is verified, holds, nobody who votes sees it otherwise, no change is announced and
	// nothing is being confirmed.
	Settled bool
	// Authority is with what this sweep heard.
	Authority Authority
}

// Reason is why a resolver is asked, or is not.
type Reason uint8

// The reasons.
const (
	// EverySweep is that everybody is asked in every sweep.
	EverySweep Reason = iota
	// Unsettled is that the record is not as it should be, or something is going on.
	Unsettled
	// Unknown is that it is not known what the zone's servers say.
	Unknown
	// Changed is that they said something else a while ago, or after the resolver's answer: caches may still have it.
	Changed
	// NoAnswer is that the resolver has given no answer that could stand.
	NoAnswer
	// Ended is that its answer has run out.
	Ended
	// LongAgo is that by the next sweep it would not have been asked for longer than [Longest].
	LongAgo
	// Stands is that its answer stands and it is not asked.
	Stands
)

var reasonNames = [...]string{
	EverySweep: "every sweep", Unsettled: "unsettled", Unknown: "authority unknown", Changed: "authority changed",
	NoAnswer: "no answer", Ended: "ended", LongAgo: "long ago", Stands: "stands",
}

// String gives the name used in metrics and JSON.
func (r Reason) String() string { return reasonNames[r] }

// MarshalText writes the name.
func (r Reason) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the name.
func (r *Reason) UnmarshalText(b []byte) error {
	for i, name := range reasonNames {
		if name == string(b) {
			*r = Reason(i)
			return nil
		}
	}
	return fmt.Errorf("unknown reason %q", b)
}

// Decision says whether a resolver must be asked about a record in a sweep.
type Decision struct {
	Ask bool
	Why Reason
	// Until is when the answer that stands ends; zero if the resolver is asked.
	Until time.Time
}

// String says it for people.
func (d Decision) String() string {
	switch d.Why {
	case EverySweep:
		return "asked: everybody is in every sweep"
	case Unsettled:
		return "asked: the record is not settled"
	case Unknown:
		return "asked: it is not known what the zone's servers say"
	case Changed:
		return "asked: the zone's servers said something else before, which caches may still have"
	case NoAnswer:
		return "asked: its last answer cannot stand"
	case Ended:
		return "asked: its last answer has run out"
	case LongAgo:
		return fmt.Sprintf("asked: it is at least every %s", Span(Longest))
	case Stands:
	}
	return "not asked: its last answer stands until " + d.Until.UTC().Format("15:04:05 UTC") + ", and the zone's servers say the same since before it"
}

// Decide says whether one resolver must be asked. The rules in order, the first that applies counts:
//
//	policy every                                          ask
//	record not settled                                    ask
//	authority silent, split, not asked                    ask
//	no good answer to remember, or with a TTL of ≤ 30 s   ask
//	answer from the future: the clock was set back        ask
//	answer from before the authority's last change, or
//	  from less than its longest TTL after                ask
//	answer has run out                                    ask
//	next sweep later than Longest after the answer        ask
//	else                                                  the answer stands
//
// For the same memory and authority a later Now or Next never turns "ask" into "stands", but for an answer from the future.
func (s Sweep) Decide(r Record, m Memory) Decision {
	now, heard := s.Now.Unix(), int64(m.heard)
	longest := heard + int64(Longest/time.Second)
	switch {
	case s.Policy != TTL:
		return ask(EverySweep)
	case !r.Settled:
		return ask(Unsettled)
	case !r.Authority.Same():
		return ask(Unknown)
	case m == Memory{} || now < heard:
		return ask(NoAnswer)
	case heard < r.Authority.settled():
		return ask(Changed)
	case now >= m.ends():
		return ask(Ended)
	case max(roundedUp(s.Next), roundedUp(s.Now)) > longest:
		return ask(LongAgo)
	}
	return Decision{Why: Stands, Until: time.Unix(min(m.ends(), longest), 0)}
}

func ask(why Reason) Decision { return Decision{Ask: true, Why: why} }
