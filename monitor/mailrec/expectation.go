package mailrec

import (
	"errors"
	"fmt"

	"maildrift/monitor/rrset"
)

// Expectation is what one record must say. It says nothing about where the
// record lives; that is the registry's business.
type Expectation struct {
	Kind  Kind  `json:"kind"`
	Match Match `json:"match"`
	// Want are the wanted values, one a record, as people write them (see
	// rrset.Parse): for Equal the full text, for Contains the terms
	// ("include:spf.example.com", an MX host, a DMARC tag). Empty for Captured and
	// Present, except that Ownership takes prefixes there ("google-site-verification")
	// by which it tells the service's tokens from others.
	Want []string `json:"want,omitempty"`
	// Alternatives are further sets of wanted values that are as good as Want: the
	// old and the new form of a service's record.
	Alternatives [][]string `json:"alternatives,omitempty"`
	// MatchPreference makes MX preferences part of the meaning; without it only
	// the set of hosts is.
	MatchPreference bool `json:"match_preference,omitempty"`
	// AllowInvalid lets Captured take what is there even if receivers cannot use it:
	// a record with a syntax error, or two where there must be one. The exact text is
	// then the meaning.
	AllowInvalid bool `json:"allow_invalid,omitempty"`
	// Usable keeps Captured from taking what deliberately says that nothing is there: a
	// revoked key, a null MX. It is for records by which somebody sends.
	Usable bool `json:"usable,omitempty"`
}

// Select gives the records in set that are of the expectation's kind: of a TXT
// RRset only those with v=spf1 for SPF, only the service's tokens for Ownership, and so on.
// Check and Compare call it by themselves.
func (e Expectation) Select(set rrset.Set) rrset.Set { return e.Kind.family().selects(e, set) }

// Check holds an answer against what was asked for, before anything is verified.
// An empty set means that the record does not exist.
func (e Expectation) Check(set rrset.Set) Finding { return e.Kind.family().check(e, set) }

// Compare holds an answer against the baseline that was captured when the record
// was verified (a set that Select gave then). An empty set means that the record is gone.
//
// What the expectation itself wants is never drift, even when the baseline says
// something else: then an operator has accepted another value for the time being.
func (e Expectation) Compare(baseline, set rrset.Set) Finding {
	return e.Kind.family().compare(e, baseline, set)
}

// Revoked says whether a set deliberately says that nothing is there: a key with an empty p=, a null MX.
func (e Expectation) Revoked(set rrset.Set) bool {
	if e.Select(set).Empty() {
		return false
	}
	captured := Expectation{Kind: e.Kind, Match: Captured}
	usable := captured
	usable.Usable = true
	return captured.Check(set).Class == Same && usable.Check(set).Class != Same
}

// Validate says what is wrong with the expectation itself: a wanted value that
// does not parse as its kind, a kind that cannot be matched that way.
func (e Expectation) Validate() error {
	if err := e.validateMatch(); err != nil {
		return err
	}
	for _, want := range e.wanted() {
		if err := e.Kind.family().validate(e, want); err != nil {
			return fmt.Errorf("wanted %s value: %w", e.Kind, err)
		}
	}
	return nil
}

// validateMatch checks what goes with which way to match.
func (e Expectation) validateMatch() error {
	needsValue := e.Match == Equal || e.Match == Contains
	switch {
	case needsValue && len(e.Want) == 0:
		return fmt.Errorf("match %s needs a value to compare with", e.Match)
	case !needsValue && len(e.Alternatives) > 0,
		!needsValue && len(e.Want) > 0 && e.Kind != Ownership:
		return fmt.Errorf("match %s takes no value: use equal or contains", e.Match)
	case e.Match == Maintained && e.Kind != SPF:
		return fmt.Errorf("match maintained is for spf records that yours includes, not for %s", e.Kind)
	case e.MatchPreference && e.Kind != MX:
		return fmt.Errorf("match_preference is for mx records, not for %s", e.Kind)
	case e.AllowInvalid && e.Match != Captured:
		return fmt.Errorf("allow_invalid goes with match captured, not with %s", e.Match)
	case e.Usable && (e.Match != Captured || e.AllowInvalid):
		return errors.New("usable goes with match captured and without allow_invalid")
	}
	return nil
}

// wanted gives all sets of wanted values that are as good as each other.
func (e Expectation) wanted() [][]string {
	if len(e.Want) == 0 {
		return e.Alternatives
	}
	return append([][]string{e.Want}, e.Alternatives...)
}
