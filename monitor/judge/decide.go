package judge

import (
	"fmt"

	"maildrift/monitor/rrset"
)

// AuthorityWord is what the zone's own servers say together.
type AuthorityWord uint8

// The words.
const (
	// AuthorityUnasked is that the authority was not asked or cannot know.
	AuthorityUnasked AuthorityWord = iota
	// AuthoritySilent is that fewer than half of its servers answered.
	AuthoritySilent
	// AuthorityGood is that all that answered have the record.
	AuthorityGood
	// AuthorityWrong is that none that answered has it as it should be.
	AuthorityWrong
	// AuthoritySplit is that its servers differ: the zone is out of sync.
	AuthoritySplit
)

var authorityWords = [...]string{
	AuthorityUnasked: "unasked", AuthoritySilent: "silent", AuthorityGood: "good",
	AuthorityWrong: "wrong", AuthoritySplit: "split",
}

// String gives the name used in history and JSON.
func (a AuthorityWord) String() string { return authorityWords[a] }

// MarshalText writes the name.
func (a AuthorityWord) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name.
func (a *AuthorityWord) UnmarshalText(b []byte) error {
	return enumFromText(a, authorityWords[:], b, "authority word")
}

// Decision is what a tally comes to, and the numbers that it rests on.
type Decision struct {
	Verdict Verdict `json:"verdict"`
	Stage   Stage   `json:"stage"`
	// Meaning identifies what a Drifted record says now; zero otherwise.
	Meaning rrset.Hash `json:"-"`
	// Authority is the zone's own word.
	Authority AuthorityWord `json:"authority"`
	// Configured operators, those Heard (that gave evidence), and of these Wrong.
	Configured int `json:"configured"`
	Heard      int `json:"heard"`
	Wrong      int `json:"wrong"`
	// Bogus of those heard fail to validate the record; they count as hearing it wrong only where
	// the question is whether receivers see it.
	Bogus int `json:"bogus,omitempty"`
	// Echoes of those heard answer from caches that were filled before the record last changed its
	// verdict. Those that see it wrong are not in Wrong.
	Echoes int `json:"echoes,omitempty"`
	// Allowed is how many of those heard may dissent.
	Allowed int `json:"allowed"`
	// ServersHeard and ServersWrong count the zone's servers, of Servers.
	Servers      int `json:"servers"`
	ServersHeard int `json:"servers_heard"`
	ServersWrong int `json:"servers_wrong"`
}

// String gives the numbers as people say them.
func (d Decision) String() string {
	return fmt.Sprintf("%s: %d of %d operators see it wrong (%d may dissent, %d asked), authority %s (%d of %d servers heard)",
		d.Verdict, d.Wrong, d.Heard, d.Allowed, d.Configured, d.Authority, d.ServersHeard, d.Servers)
}

// Dissent gives how many of n voters may dissent from the rest before their
// dissent counts: 0 below 3, 1 for 3 to 5, 2 from 6 on (the table of the
// CA/Browser Forum Baseline Requirements, section 3.2.2.9, carried down to
// fewer than two remote perspectives).
func Dissent(n int) int {
	switch {
	case n < 3:
		return 0
	case n < 6:
		return 1
	}
	return 2
}

// Decide comes to a verdict. With n operators heard and d = Dissent(n):
//
//	authority   operators wrong   verdict
//	good        at most d         holding
//	good        more than d       disagreeing
//	good        n-d or more       drifted or missing, stage receivers: the cause lies between
//	wrong       any               drifted or missing, stage authority, or receivers from n-d on
//	split       any               disagreeing: the zone is out of sync
//	unasked     at most d         holding
//	unasked     more than d       disagreeing
//	unasked     n-d or more       drifted or missing, stage receivers
//	silent      at most d         holding
//	silent      more than d       blind: without the authority a half-changed world says nothing
//	silent      n-d or more       drifted or missing, stage receivers
//
// Operators for whom DNSSEC validation fails count as wrong in the second and fifth lines
// only: what they hide is not gone, but part of the receivers does not see it.
//
// An echo counts as hearing the operator, but not as seeing the record wrong. One that sees it good does not
// count towards holding unless the authority has it good: where the others' dissent and the echoes are more
// than d, an unasked authority makes it disagreeing and a silent one blind.
//
// Where more dissent than d, but no more than would be allowed if all configured operators were heard, it is
// blind, unless the authority has it wrong or is split: a failure makes nobody who was in the right a liar, so
// that failures lead from holding to nothing but blind.
//
// And blind, whatever the authority says, when fewer than half of the configured
// operators or fewer than rules.MinOperators were heard: whoever cannot hear
// resolvers is not sure to hear the authority either.
func Decide(t Tally, rules Rules) Decision {
	d := count(t)
	if !enough(d, rules) {
		d.Verdict = Blind
		return d
	}
	quorum, against := d.Heard-d.Allowed, d.Wrong+d.Bogus+unproven(t, d)
	switch {
	case d.Authority == AuthorityWrong:
		d.Verdict, d.Meaning = lost(t.Authority)
		d.Stage = AtAuthority
		if d.Wrong >= quorum {
			d.Stage = AtReceivers
		}
	case d.Authority == AuthoritySplit:
		d.Verdict = Disagreeing
	case against <= d.Allowed:
		d.Verdict = Holding
	case against <= Dissent(d.Configured):
		d.Verdict = Blind
	case d.Wrong >= quorum:
		d.Verdict, d.Meaning = lost(t.Operators)
		d.Stage = AtReceivers
	case d.Authority == AuthoritySilent:
		d.Verdict = Blind
	default:
		d.Verdict = Disagreeing
	}
	return d
}

// unproven counts the operators whose good answer is an echo that nobody vouches for.
func unproven(t Tally, d Decision) int {
	if d.Authority == AuthorityGood {
		return 0
	}
	n := 0
	for _, v := range t.Operators {
		if v.Echo && v.Stand == Good {
			n++
		}
	}
	return n
}

// count adds up the votes.
func count(t Tally) Decision {
	d := Decision{Configured: max(t.Configured, len(t.Operators)), Servers: len(t.Authority)}
	for _, v := range t.Operators {
		if v.Stand == Good || v.Stand == Bogus || v.Stand.wrong() {
			d.Heard++
		}
		if v.Stand == Bogus {
			d.Bogus++
		}
		if v.Echo {
			d.Echoes++
		} else if v.Stand.wrong() {
			d.Wrong++
		}
	}
	d.Allowed = Dissent(d.Heard)
	abstained := 0
	for _, v := range t.Authority {
		switch {
		case v.Stand == Abstains:
			abstained++
		case v.Stand != Unheard:
			d.ServersHeard++
		}
		if v.Stand.wrong() {
			d.ServersWrong++
		}
	}
	d.Authority = authority(d, abstained, t.AuthorityWanted)
	return d
}

// authority says what the zone's servers say together. They count when at least
// half of them answer. A server that abstains has answered, so it does not make the rest
// silent; if all that answered abstain, the authority cannot know.
func authority(d Decision, abstained int, wanted bool) AuthorityWord {
	answered := d.ServersHeard + abstained
	switch {
	case d.Servers == 0 && !wanted:
		return AuthorityUnasked
	case d.Servers == 0 || answered*2 < d.Servers:
		return AuthoritySilent
	case d.ServersHeard == 0:
		return AuthorityUnasked
	case d.ServersWrong == 0:
		return AuthorityGood
	case d.ServersWrong == d.ServersHeard:
		return AuthorityWrong
	}
	return AuthoritySplit
}

// AuthorityWord gives what the zone's own servers say together.
func (t Tally) AuthorityWord() AuthorityWord { return count(t).Authority }

func enough(d Decision, rules Rules) bool {
	return d.Heard*2 >= d.Configured && d.Heard >= rules.minOperators()
}

// lost tells drifted from missing by what most of the contradicting voters see,
// and gives the meaning of what is seen instead. Among equals a record that says
// something else outweighs none: it is there to be read.
func lost(votes []Vote) (Verdict, rrset.Hash) {
	var absent, differs int
	for _, v := range votes {
		if v.Echo {
			continue
		}
		switch v.Stand {
		case Absent:
			absent++
		case Differs:
			differs++
		case Unheard, Good, Abstains, Bogus:
		}
	}
	if absent > differs {
		return Missing, rrset.Hash{}
	}
	m, _ := plurality(votes, Differs)
	return Drifted, m
}
