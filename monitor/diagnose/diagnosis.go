package diagnose

import (
	"fmt"
	"slices"
	"time"

	"maildrift/monitor/rrset"
)

// Certainty says how sure a diagnosis is.
type Certainty uint8

// The certainties.
const (
	// Possible causes cannot be told from others by looking.
	Possible Certainty = iota
	// Likely causes explain what is seen, but so might something else.
	Likely
	// Certain causes are seen themselves.
	Certain
)

var certaintyNames = [...]string{Possible: "possible", Likely: "likely", Certain: "certain"}

// String gives the name used in JSON and texts.
func (c Certainty) String() string { return certaintyNames[c] }

// MarshalText writes the name.
func (c Certainty) MarshalText() ([]byte, error) { return []byte(c.String()), nil }

// UnmarshalText reads the name.
func (c *Certainty) UnmarshalText(b []byte) error {
	i := slices.Index(certaintyNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown certainty %q: use possible, likely or certain", b)
	}
	*c = Certainty(i)
	return nil
}

// Cause names a cause; it is stable, for programs.
type Cause string

// Causes in the whole domain or zone.
const (
	DomainGone        Cause = "domain-gone"
	DomainParked      Cause = "domain-parked"
	ServersSilent     Cause = "servers-silent"
	LameDelegation    Cause = "lame-delegation"
	DNSSECBogus       Cause = "dnssec-bogus"
	ServerWithoutIt   Cause = "server-without-it"
	NotTheAuthority   Cause = "not-the-authority"
	NameServersDiffer Cause = "name-servers-differ"
	SubdomainZone     Cause = "subdomain-zone"
)

// Causes in caches and in names above the record.
const (
	NegativeCache    Cause = "negative-cache"
	OldValueCached   Cause = "old-value-cached"
	BrokenParentName Cause = "broken-empty-non-terminal"
	WildcardAnswers  Cause = "wildcard"
)

// Causes in the place at which the record was published.
const (
	ZoneAppended      Cause = "zone-appended"
	PrefixForgotten   Cause = "prefix-forgotten"
	PrefixDoubled     Cause = "prefix-doubled"
	HostDoubled       Cause = "host-doubled"
	HostForgotten     Cause = "host-forgotten"
	UnderscoreDropped Cause = "underscore-dropped"
	DomainkeyDoubled  Cause = "domainkey-doubled"
	DomainkeyMissing  Cause = "domainkey-missing"
	SelectorMissing   Cause = "selector-missing"
	LiteralAt         Cause = "literal-at"
	KindAsHost        Cause = "kind-as-host"
)

// Causes in the type of the record.
const (
	WrongType   Cause = "wrong-type"
	CNAMEHides  Cause = "cname-hides"
	CNAMEBroken Cause = "cname-dangling"
	WrongAlias  Cause = "wrong-alias"
	TargetEmpty Cause = "target-empty"
)

// Causes in what the record says.
const (
	SplitRecords   Cause = "split-records"
	QuotesInside   Cause = "quotes-inside"
	SmartQuotes    Cause = "smart-quotes"
	Backslashes    Cause = "backslashes"
	HTMLEntities   Cause = "html-entities"
	Invisible      Cause = "invisible-characters"
	TextBefore     Cause = "text-before"
	CaseChanged    Cause = "case-changed"
	Truncated      Cause = "truncated"
	Placeholder    Cause = "placeholder"
	OtherVariant   Cause = "other-variant"
	TargetAppended Cause = "target-appended"
	SPFNotMerged   Cause = "spf-not-merged"
	SPFSeveral     Cause = "spf-several"
)

// Causes that remain when none of the others is found.
const (
	NotPublished Cause = "not-published"
	NotAnswered  Cause = "not-answered"
	WrongValue   Cause = "wrong-value"
)

// Diagnosis is one cause that explains why a record is not as it should be.
type Diagnosis struct {
	Cause     Cause     `json:"id"`
	Certainty Certainty `json:"certainty"`
	// Sentence says what is wrong, Fix what to do about it.
	Sentence string `json:"sentence"`
	Fix      string `json:"fix"`
	// Evidence is what was seen, one line each.
	Evidence []string `json:"evidence,omitempty"`
	// Rule is the RFC section that the diagnosis rests on; empty if it needs none.
	Rule string `json:"rule,omitempty"`
	// Publish are the records that mend it.
	Publish []Line `json:"publish,omitempty"`
	// Until is when it ends by itself; zero if it does not.
	Until time.Time `json:"until,omitzero"`
}

// Line is a record to publish, ready to copy.
type Line struct {
	Record
	// Panel is the zone's DNS host and Entry what to type into its panel, one field each; empty
	// when the host is not known.
	Panel string  `json:"panel,omitempty"`
	Entry []Field `json:"entry,omitempty"`
	// MasterFile is the record in the syntax of RFC 1035 section 5.1, which BIND reads.
	MasterFile string `json:"master_file"`
}

// Record is one record as people write it: TXT without quotes, MX as "10 host".
type Record struct {
	Name  rrset.Name `json:"name"`
	Type  rrset.Type `json:"type"`
	Value string     `json:"value"`
	// Placeholder says that Value holds a part in angle brackets that the mail service's
	// console shows.
	Placeholder bool `json:"placeholder,omitempty"`
}

// String gives the record in one line.
func (r Record) String() string { return fmt.Sprintf("%s %s %s", r.Name.FQDN(), r.Type, r.Value) }
