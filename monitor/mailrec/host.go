package mailrec

import (
	"fmt"

	"maildrift/monitor/rrset"
)

// hosts is the collection of CNAME, NS or PTR records.
type hosts struct{ of Kind }

func (h hosts) kind() Kind { return h.of }

func (hosts) items(_ Expectation, set rrset.Set) []string {
	var out []string
	for _, n := range set.Hosts() {
		out = append(out, string(n))
	}
	return sortedSet(out)
}

func (h hosts) fault(set rrset.Set) *fault {
	n := len(set.Hosts())
	switch {
	case n == 0:
		return &fault{reason: "the record does not name a host", rule: "RFC 1035 section 3.3", impact: h.loss()}
	case n > 1 && h.of == CNAME:
		return &fault{reason: fmt.Sprintf("there are %d CNAME records at one name and only one is allowed", n), rule: "RFC 2181 section 10.1", impact: Degraded}
	}
	return nil
}

// rule is where receivers' need for the record is written down.
func (h hosts) rule() string {
	return map[Kind]string{CNAME: "RFC 1034 section 3.6.2", NS: "RFC 1034 section 4.2.2", PTR: "RFC 1035 section 3.5"}[h.of]
}

// loss is what a lost record does: without a delegation all records are gone; large
// receivers refuse addresses without a name; what an alias led to is gone.
func (h hosts) loss() Impact {
	if h.of == CNAME {
		return Degraded
	}
	return Rejected
}

func (h hosts) gone(rrset.Set) *fault {
	reason := map[Kind]string{
		CNAME: "there is no CNAME record: what the mail service keeps behind it is not found",
		NS:    "there is no NS record: nothing below the name is found",
		PTR:   "there is no PTR record: large receivers refuse mail from addresses without a name",
	}[h.of]
	return &fault{reason: reason, rule: h.rule(), impact: h.loss()}
}

func (h hosts) turned(_ rrset.Set, lost, came []string) *fault {
	f := &fault{rule: h.rule(), impact: Degraded}
	switch {
	case len(came) == 0:
		f.reason = fmt.Sprintf("the %s record to %s is gone", kindLabel(h.of), listed(lost))
	case len(lost) == 0:
		f.reason = fmt.Sprintf("a %s record to %s came", kindLabel(h.of), listed(came))
		f.relation = Loosened
	default:
		f.reason = fmt.Sprintf("the %s record leads to %s, was %s", kindLabel(h.of), listed(came), listed(lost))
	}
	if h.of == PTR && len(lost) > 0 {
		f.impact = Rejected
	}
	return f
}

func (hosts) changes(lost, came []string) []Change {
	if len(lost) == 1 && len(came) == 1 {
		return []Change{{Op: "~", Term: "target", Was: shown(lost[0]), Now: shown(came[0])}}
	}
	return plainChanges(lost, came)
}

func (hosts) remarks(Expectation, rrset.Set, rrset.Set) []string { return nil }

// kindLabel is the kind's name in a sentence.
func kindLabel(k Kind) string { return k.Type().String() }
