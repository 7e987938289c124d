package mailrec

import (
	"fmt"
	"slices"

	"maildrift/monitor/rrset"
)

// Relation is what a change of a record does, as receivers see it: the direction in which it
// moved. Impact says how much mail suffers from that.
type Relation uint8

// The relations, from harmless to worst.
const (
	// Identical says the same, however it is written.
	Identical Relation = iota
	// Cosmetic says something else on which no receiver acts.
	Cosmetic
	// Tightened lets pass whoever passed, and treats others more strictly; or what receivers could
	// not use works now.
	Tightened
	// Loosened lets pass whoever passed, and protects less: others can more easily send or get the
	// domain's mail, or nobody reports any more.
	Loosened
	// Broken keeps something from working that worked.
	Broken
)

var relationNames = [...]string{Identical: "same", Cosmetic: "cosmetic", Tightened: "tightened", Loosened: "weakened", Broken: "broken"}

// String gives the word that JSON and texts use.
func (r Relation) String() string { return relationNames[r] }

// MarshalText writes the word.
func (r Relation) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads the word.
func (r *Relation) UnmarshalText(b []byte) error {
	i := slices.Index(relationNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown relation %q", b)
	}
	*r = Relation(i)
	return nil
}

// Relate says what becoming b does to a record of some kind that was a, and gives the finding that
// says why. Both are whole RRsets as they are published.
func Relate(k Kind, a, b rrset.Set) (Relation, Finding) {
	e := Expectation{Kind: k, Match: Captured, AllowInvalid: true}
	was := e.Select(a)
	if was.Empty() && e.Select(b).Empty() {
		return Identical, Finding{Class: Same, Seen: was} // there was no such record, and there is none
	}
	f := e.Compare(was, b)
	if f.Class == Same && !slices.Equal(f.Notes, e.Compare(was, a).Notes) {
		f.Relation = Cosmetic // nothing that is watched changed, but something did
	}
	return f.Relation, f
}

// relates gives the relation of a fault that does not say it: by what it does to mail.
func (f *fault) relates() Relation {
	if f.relation != Identical {
		return f.relation
	}
	switch f.impact {
	case None:
		return Cosmetic
	case Weakened:
		return Loosened
	case Degraded, Rejected:
	}
	return Broken
}
