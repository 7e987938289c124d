package mailrec

import (
	"fmt"

	"maildrift/monitor/rrset"
)

// Match is how a published record is held against what was asked for.
type Match uint8

// The ways to match.
const (
	// Equal wants the same meaning as the wanted value.
	Equal Match = iota
	// Contains wants all wanted terms, in a record that is otherwise valid and may hold
	// more: an SPF record with the service's include before all, an MX set with the service's host.
	Contains
	// Captured takes whatever valid value is published when the record is verified;
	// from then on it must keep that meaning.
	Captured
	// Present wants any valid, usable record, now and later.
	Present
)

var matchNames = [...]string{Equal: "equal", Contains: "contains", Captured: "captured", Present: "present"}

// String gives the configuration's name.
func (m Match) String() string { return matchNames[m] }

// MarshalText writes the configuration's name.
func (m Match) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads the configuration's name.
func (m *Match) UnmarshalText(b []byte) error {
	for i, name := range matchNames {
		if name == string(b) {
			*m = Match(i)
			return nil
		}
	}
	return fmt.Errorf("unknown match %q: use equal, contains, captured or present", b)
}

// Expectation is what one record must say. It says nothing about where the
// record lives; that is the registry's business.
type Expectation struct {
	Kind  Kind  `json:"kind"`
	Match Match `json:"match"`
	// Want are the wanted values, one a record, as people write them (see
	// rrset.Parse): for Equal the full text, for Contains the terms
	// ("include:spf.example.com", an MX host). Empty for Captured and Present.
	Want []string `json:"want,omitempty"`
	// Alternatives are further sets of wanted values that are as good as Want: the
	// old and the new form of a service's record.
	Alternatives [][]string `json:"alternatives,omitempty"`
	// MatchPreference makes MX preferences part of the meaning; without it only
	// the set of hosts is.
	MatchPreference bool `json:"match_preference,omitempty"`
}

// Class is what a source's answer means against what was asked for.
type Class uint8

// The classes, from good to bad.
const (
	// Same is as wanted in meaning.
	Same Class = iota
	// Differs is a record of the kind that says something else, or cannot be used.
	Differs
	// Absent is no record of the kind.
	Absent
)

// Impact is what receivers would do about a finding.
type Impact uint8

// The impacts, from harmless to worst.
const (
	// None is cosmetic: receivers see no difference.
	None Impact = iota
	// Weakened is a loss of protection; mail is still delivered.
	Weakened
	// Degraded is that some mail suffers at some receivers.
	Degraded
	// Rejected is that receivers refuse mail.
	Rejected
)

// Change is one difference between two records' meanings.
type Change struct {
	// Op is '+' for a term that came, '-' for one that went, '~' for one that
	// says something else.
	Op string `json:"op"`
	// Term names what changed: an SPF term, a tag, an MX host.
	Term string `json:"term"`
	// Was and Now are its values; empty where there was or is none.
	Was string `json:"was,omitempty"`
	Now string `json:"now,omitempty"`
}

// Finding is what one answer means.
type Finding struct {
	Class Class `json:"class"`
	// Meaning identifies what was seen: answers with equal Meaning say the same
	// thing, however they are written. It is the zero Hash for Absent.
	Meaning rrset.Hash `json:"-"`
	// Seen are the records of this kind in the answer, as exact data.
	Seen rrset.Set `json:"-"`
	// Changes say in what the answer differs, in order of the record.
	Changes []Change `json:"changes,omitempty"`
	// Reason says in one sentence what is wrong, empty for Same. Notes say what is
	// worth knowing although nothing is wrong.
	Reason string   `json:"reason,omitempty"`
	Notes  []string `json:"notes,omitempty"`
	// Rule is the RFC section that the finding rests on.
	Rule string `json:"rule,omitempty"`
	// Impact is what receivers would do, judged from this record alone.
	Impact Impact `json:"impact"`
}

// Select gives the records in set that are of the expectation's kind: of a TXT
// RRset only those with v=spf1 for SPF, only the service's tokens for Ownership, and so on.
// Check and Compare call it by themselves.
func (e Expectation) Select(set rrset.Set) rrset.Set { return selectKind(e, set) }

// Check holds an answer against what was asked for, before anything is verified.
// An empty set means that the record does not exist.
func (e Expectation) Check(set rrset.Set) Finding { return check(e, set) }

// Compare holds an answer against the baseline that was captured when the record
// was verified (a set that Select gave then). An empty set means that the record is gone.
func (e Expectation) Compare(baseline, set rrset.Set) Finding { return compare(e, baseline, set) }

// Validate says what is wrong with the expectation itself: a wanted value that
// does not parse as its kind, a kind that cannot be matched that way.
func (e Expectation) Validate() error { return validate(e) }
