// Package rootcause finds the one thing behind many records that go wrong together: a zone whose delegation is
// gone, a chain of trust that is broken, a provider's name to which many domains' CNAMEs lead. It is pure and
// may be called concurrently.
//
//	causes := rootcause.Find(records) // one an entry, the zero Cause for a record that is wrong by itself
//	why := rootcause.Explain(causes[i], records)
package rootcause

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
)

const (
	// together is how many records of a zone or domain must be lost, all of them, before they have one cause as long as
	// nothing else says so: a few are edited or removed in one go for reasons of their own, each says something else about
	// the mail, and each has something to publish.
	together = 6
	// movedTogether is how many must be lost with a zone that is no longer delegated, or served by others.
	movedTogether = 2
	// targetTogether is how many domains' records must lead to a provider's name where nothing is.
	targetTogether = 3
	// bogusTogether is how many records of a zone must fail to validate. Validation fails by zone, not by record.
	bogusTogether = 2
)

// State is how a record is.
type State uint8

// The states.
const (
	// Well is as it should be, or wrong in a way that has no common cause.
	Well State = iota
	// Lost is gone or replaced.
	Lost
	// Bogus is there, but validation fails.
	Bogus
	// Unreachable has been answered by nobody for long, although others are.
	Unreachable
)

// Record is one verified record, as far as its fate may be shared.
type Record struct {
	// Domain is the registered domain; Name where the record lives.
	Domain, Name rrset.Name
	State        State
	// Zone and Servers are the zone that the record lived in when it was well, and the names of its servers;
	// Now and ServersNow the zone that its name lives in now. Empty if unknown.
	Zone, Now           rrset.Name
	Servers, ServersNow []rrset.Name
	// TargetZone is, for a lost record whose CNAMEs lead away to where nothing is, the provider's name there.
	TargetZone rrset.Name
}

// Kind is what the cause is.
type Kind string

// The kinds. They are part of a label.
const (
	// Zone is that all records of a zone are lost.
	Zone Kind = "zone"
	// Domain is that all records of a registered domain are lost, while others in its zone are not.
	Domain Kind = "domain"
	// DNSSEC is that a zone's chain of trust is broken.
	DNSSEC Kind = "dnssec"
	// Target is that what several domains' CNAMEs lead to is gone.
	Target Kind = "target"
	// Paused is that nobody was to be told of a domain's records for a time. Find does not find it: whoever ends
	// the pause knows.
	Paused Kind = "pause"
	// Dead is that nobody answers for a zone.
	Dead Kind = "unreachable"
)

// Cause is one cause; it is comparable. The zero Cause is none.
type Cause struct {
	Kind Kind       `json:"kind"`
	Name rrset.Name `json:"name"`
}

// String gives it as "zone/example.com".
func (c Cause) String() string {
	if c == (Cause{}) {
		return ""
	}
	return string(c.Kind) + "/" + string(c.Name)
}

// Find gives the cause of each record, the zero Cause where it has none in common with others. It must be given
// all verified records of the zones and domains that it is to speak of, well ones too.
func Find(records []Record) []Cause {
	zones, domains, bogus, targets := tallies{}, tallies{}, tallies{}, map[rrset.Name]map[rrset.Name]bool{}
	moved := map[rrset.Name]bool{}
	for _, r := range records {
		moved[r.Zone] = moved[r.Zone] || r.moved() != ""
		zones.count(r.Zone, r.State)
		domains.count(r.Domain, r.State)
		bogus.count(r.Zone, r.State)
		if r.State == Lost && r.TargetZone != "" {
			if targets[r.TargetZone] == nil {
				targets[r.TargetZone] = map[rrset.Name]bool{}
			}
			targets[r.TargetZone][r.Domain] = true
		}
	}
	out := make([]Cause, len(records))
	for i, r := range records {
		switch {
		case r.State == Bogus && r.Zone != "" && bogus[r.Zone][Bogus] >= bogusTogether:
			out[i] = Cause{DNSSEC, r.Zone}
		case r.State == Unreachable && r.Zone != "" && zones[r.Zone].all(Unreachable, 1):
			out[i] = Cause{Dead, r.Zone}
		case r.State != Lost:
		case len(targets[r.TargetZone]) >= targetTogether:
			out[i] = Cause{Target, r.TargetZone}
		case r.Zone != "" && (zones[r.Zone].all(Lost, together) || moved[r.Zone] && zones[r.Zone].all(Lost, movedTogether)):
			out[i] = Cause{Zone, r.Zone}
		case domains[r.Domain].all(Lost, together):
			out[i] = Cause{Domain, r.Domain}
		}
	}
	return shared(out)
}

// shared leaves out causes that one record alone has, because its neighbours have a better one.
func shared(causes []Cause) []Cause {
	size := map[Cause]int{}
	for _, c := range causes {
		size[c]++
	}
	for i, c := range causes {
		if size[c] < bogusTogether && c.Kind != Dead {
			causes[i] = Cause{}
		}
	}
	return causes
}

// tally counts the records of a zone or domain by state.
type tally [Unreachable + 1]int

type tallies map[rrset.Name]tally

func (t tallies) count(name rrset.Name, s State) {
	had := t[name]
	had[s]++
	t[name] = had
}

// all says whether at least so many are in a state, and none is in another.
func (t tally) all(s State, least int) bool {
	sum := 0
	for _, n := range t {
		sum += n
	}
	return t[s] >= least && t[s] == sum
}

// Reason is why, for words to be found.
type Reason string

// The reasons of a lost zone; other kinds have none.
const (
	// Undelegated is that the parent no longer delegates the zone.
	Undelegated Reason = "undelegated"
	// Moved is that other servers serve it.
	Moved Reason = "moved"
	// Emptied is that the same servers no longer have the records.
	Emptied Reason = "emptied"
)

// Explanation is what is known of a cause.
type Explanation struct {
	Reason Reason `json:"reason,omitempty"`
	// Detail says it in words.
	Detail string `json:"detail"`
}

// Explain says what is known of a cause from the records that have it.
func Explain(c Cause, records []Record) Explanation {
	switch c.Kind {
	case Zone:
		return explainZone(c.Name, records)
	case Domain:
		return Explanation{Detail: fmt.Sprintf("all records watched of %s are gone or replaced at once, while others in its zone are not", c.Name)}
	case DNSSEC:
		return Explanation{Detail: fmt.Sprintf("the chain of trust of %s is broken: resolvers that validate answer SERVFAIL for all of it (RFC 4035 section 5.5)", c.Name)}
	case Target:
		return Explanation{Detail: fmt.Sprintf("what CNAME records of several domains lead to below %s is not there any more", c.Name)}
	case Paused:
		return Explanation{Detail: fmt.Sprintf("nothing new was told about %s while it was paused; this is what is still wrong", c.Name)}
	case Dead:
		return Explanation{Detail: fmt.Sprintf("neither the servers of %s nor resolvers on their behalf answer, while other zones are answered", c.Name)}
	}
	return Explanation{}
}

// moved says whether the zone of a lost record is no longer delegated, or served by others; empty if neither.
func (r Record) moved() Reason {
	elsewhere := func(n rrset.Name) bool { return slices.Contains(r.Servers, n) }
	switch {
	case r.State != Lost || r.Now == "":
	case r.Now != r.Zone && r.Zone.IsAtOrBelow(r.Now):
		return Undelegated
	case len(r.ServersNow) > 0 && len(r.Servers) > 0 && !slices.ContainsFunc(r.ServersNow, elsewhere):
		return Moved
	}
	return ""
}

func explainZone(zone rrset.Name, records []Record) Explanation {
	for _, r := range records {
		if r.Zone != zone {
			continue
		}
		switch r.moved() {
		case Undelegated:
			return Explanation{Undelegated, fmt.Sprintf("%s no longer delegates %s: nobody is asked for its names any more", r.Now.FQDN(), zone)}
		case Moved:
			return Explanation{Moved, fmt.Sprintf("%s is served by %s now, and was by %s", zone, names(r.ServersNow), names(r.Servers))}
		case Emptied:
		}
	}
	return Explanation{Emptied, fmt.Sprintf("all records watched in %s are gone or replaced at once", zone)}
}

func names(list []rrset.Name) string {
	var out []string
	for _, n := range list {
		out = append(out, string(n))
	}
	return strings.Join(out, ", ")
}
