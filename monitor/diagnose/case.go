package diagnose

import (
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Case is a record that is missing or wrong, and what is known about it.
type Case struct {
	// Domain is the sending domain, Name where its record belongs.
	Domain, Name rrset.Name
	// Expectation is what the record must say; Baseline what was verified, empty if nothing was yet.
	Expectation mailrec.Expectation
	Baseline    rrset.Set
	// Publish is what to put into the zone; empty when nobody knows. It may be a CNAME behind which the
	// mail service publishes the record.
	Publish []Record
	// Zone is the zone that the name lives in and Servers the hosts that the parent delegates it
	// to; empty when the delegation was not looked at.
	Zone    rrset.Name
	Servers []rrset.Name
	// NoServers says why the delegation has no servers that can be asked; empty if it has.
	NoServers string
	// Answer is what the record's own question came to at whoever decides: the whole RRset.
	Answer view.Answer
	// Reason says what is wrong with the answer, in a sentence.
	Reason string
	// Sources are what each source said to the record's question.
	Sources []Source
	// Outside are servers that the zone itself names but its parent does not, and what
	// they said to the same question.
	Outside []Source
	// Variants are the same record for other regions or selectors of the mail service.
	Variants []Variant
}

// Source is what one source said to the record's question.
type Source struct {
	// ID is the source's name; for a server of the zone "host/address".
	ID string
	// Authority is true for the zone's own servers.
	Authority bool
	Answer    view.Answer
	// Good says that the record is there as it should be; Bogus that DNSSEC validation fails.
	Good, Bogus bool
	// Refuses says that the server answers but does not serve the zone.
	Refuses bool
	// At is when the answer came.
	At time.Time
}

// host is the server's name.
func (s Source) host() string {
	name, _, _ := strings.Cut(s.ID, "/")
	return rrset.Printable([]byte(name))
}

// Variant is a record that the mail service asks for under other settings.
type Variant struct {
	// Title names the setting: "region ap-southeast-1".
	Title       string
	Name        rrset.Name
	Expectation mailrec.Expectation
}

// fits says whether a set would be the record, if it were at the right name.
func (c Case) fits(set rrset.Set) bool {
	if set.Empty() {
		return false
	}
	if !c.Baseline.Empty() {
		return c.Expectation.Compare(c.Baseline, set).Class == mailrec.Same
	}
	return c.Expectation.Check(set).Class == mailrec.Same
}

// published says whether the zone has the record, as far as its own servers say; without
// them, whether anybody sees it.
func (c Case) published() bool {
	authority := slices.ContainsFunc(c.Sources, func(s Source) bool { return s.Authority })
	return slices.ContainsFunc(c.Sources, func(s Source) bool { return s.Good && s.Authority == authority })
}

// specific says whether the expectation tells the wanted record from any other of its kind. What
// only has to be valid is no evidence at a name where another domain's record lives.
func (c Case) specific() bool {
	switch c.Expectation.Match {
	case mailrec.Equal, mailrec.Contains:
		return true
	case mailrec.Captured, mailrec.Present, mailrec.Maintained:
	}
	return !c.Baseline.Empty() || c.Expectation.Kind == mailrec.DKIM ||
		c.Expectation.Kind == mailrec.Ownership && len(c.Expectation.Want) > 0
}

// wanted gives the texts that may be compared letter by letter.
func (c Case) wanted() []string {
	var out []string
	for _, r := range c.Publish {
		if !r.Placeholder && r.Type == c.Expectation.Kind.Type() {
			out = append(out, r.Value)
		}
	}
	if c.Expectation.Match == mailrec.Equal {
		for _, want := range append([][]string{c.Expectation.Want}, c.Expectation.Alternatives...) {
			out = append(out, want...)
		}
	}
	for _, t := range c.Baseline.Texts() {
		out = append(out, string(t))
	}
	return out
}

// wantsAlias gives the target of the CNAME that must be published at the record's own name; false if
// the record itself must be.
func (c Case) wantsAlias() (rrset.Name, bool) {
	for _, r := range c.Publish {
		if r.Type == rrset.CNAME && r.Name == c.Name && c.Expectation.Kind != mailrec.CNAME {
			target, err := rrset.ParseName(r.Value)
			return target, err == nil
		}
	}
	return "", false
}

// organisation gives the name that the domain's owner has registered, or the domain itself.
func organisation(domain rrset.Name) rrset.Name {
	org, err := publicsuffix.EffectiveTLDPlusOne(string(domain))
	if err != nil {
		return domain
	}
	return rrset.Name(org)
}
