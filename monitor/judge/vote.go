package judge

import (
	"fmt"

	"maildrift/monitor/rrset"
)

// Stand is where one voter stands on one record.
type Stand uint8

// The stands.
const (
	// Unheard gave no evidence: it failed, was filtered, or was disqualified.
	Unheard Stand = iota
	// Good sees the record as it should be.
	Good
	// Differs sees a record that says something else.
	Differs
	// Absent sees no record.
	Absent
	// Abstains has answered but cannot know: an authority whose zone ends at a CNAME
	// that leads elsewhere.
	Abstains
	// Bogus has the record but will not give it: DNSSEC validation fails there (RFC 4035
	// section 5.5). It is no word about what the zone says, but receivers behind it see nothing.
	Bogus
)

var standNames = [...]string{Unheard: "unheard", Good: "good", Differs: "differs", Absent: "absent", Abstains: "abstains", Bogus: "bogus"}

// String gives the name used in history and JSON.
func (s Stand) String() string { return standNames[s] }

// MarshalText writes the name.
func (s Stand) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Stand) UnmarshalText(b []byte) error { return enumFromText(s, standNames[:], b, "stand") }

// wrong says whether the voter contradicts the record.
func (s Stand) wrong() bool { return s == Differs || s == Absent }

// Vote is one voter's stand: an operator of resolvers or one authoritative
// server.
type Vote struct {
	Voter string `json:"voter"`
	Stand Stand  `json:"stand"`
	// Meaning identifies what a Good or Differs voter sees.
	Meaning rrset.Hash `json:"-"`
	// Echo says that the answer comes from a cache that was filled before the record last changed its
	// verdict: receivers are still given it, but it says nothing about what came after.
	Echo bool `json:"echo,omitempty"`
}

// Merge gives the vote of an operator that was asked in several ways: what was
// heard anew outweighs an echo, else the worst evidence stands, and any evidence outweighs none.
func (v Vote) Merge(o Vote) Vote {
	heard, other := rank(v.Stand) > rank(Abstains), rank(o.Stand) > rank(Abstains)
	newer, older := !o.Echo && v.Echo && other, o.Echo && !v.Echo && heard
	if newer || !older && rank(o.Stand) > rank(v.Stand) {
		v.Stand, v.Meaning, v.Echo = o.Stand, o.Meaning, o.Echo
	}
	return v
}

// rank orders stands from what says least to what says worst.
func rank(s Stand) int {
	return [...]int{Unheard: 0, Abstains: 1, Good: 2, Bogus: 3, Differs: 4, Absent: 5}[s]
}

// Tally is all that was heard about one record in one round of asking.
type Tally struct {
	// Configured is how many operators the record's resolver group has, asked or not.
	Configured int
	// Operators holds one vote an operator, Unheard ones included.
	Operators []Vote
	// Authority holds one vote a server of the zone. Empty means that the authority
	// was not asked, because the configuration says so or the zone's servers are unknown.
	Authority []Vote
	// AuthorityWanted says that the authority should have been asked: then no
	// servers means that they could not be found, not that they do not matter.
	AuthorityWanted bool
}

// Against holds the voters to one reference: those that see a good record of
// another meaning count as Differs. Before a record is verified there is no
// baseline, and "good" alone could be the old value in half of the caches and
// the new one in the rest. The reference is what the authority's good servers
// say, else what most operators say.
func (t Tally) Against() (Tally, rrset.Hash) {
	ref, ok := plurality(t.Authority, Good)
	if !ok {
		if ref, ok = plurality(t.Operators, Good); !ok {
			return t, rrset.Hash{}
		}
	}
	t.Operators = hold(t.Operators, ref)
	t.Authority = hold(t.Authority, ref)
	return t, ref
}

func hold(votes []Vote, ref rrset.Hash) []Vote {
	out := make([]Vote, len(votes))
	for i, v := range votes {
		if v.Stand == Good && v.Meaning != ref {
			v.Stand = Differs
		}
		out[i] = v
	}
	return out
}

// plurality gives the meaning that most voters of that stand see; among equals
// the least, so that the order of votes does not matter.
func plurality(votes []Vote, stand Stand) (rrset.Hash, bool) {
	counts := map[rrset.Hash]int{}
	var best rrset.Hash
	for _, v := range votes {
		if v.Stand != stand || v.Echo {
			continue
		}
		counts[v.Meaning]++
	}
	most := 0
	for m, n := range counts {
		if n > most || n == most && string(m[:]) < string(best[:]) {
			best, most = m, n
		}
	}
	return best, most > 0
}

func enumFromText[T ~uint8](dst *T, names []string, b []byte, what string) error {
	for i, name := range names {
		if name == string(b) {
			*dst = T(i)
			return nil
		}
	}
	return fmt.Errorf("unknown %s %q", what, b)
}
