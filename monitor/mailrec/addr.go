package mailrec

import (
	"fmt"

	"maildrift/monitor/rrset"
)

// addresses is the collection of A or AAAA records.
type addresses struct{ of Kind }

func (a addresses) kind() Kind { return a.of }

func (addresses) items(_ Expectation, set rrset.Set) []string {
	var out []string
	for _, addr := range set.Addrs() {
		out = append(out, addr.String())
	}
	return sortedSet(out)
}

func (a addresses) fault(set rrset.Set) *fault {
	if len(set.Addrs()) > 0 {
		return nil
	}
	return &fault{reason: "the record does not hold an address", rule: a.rule(), impact: Degraded}
}

func (a addresses) rule() string {
	if a.of == AAAA {
		return "RFC 3596 section 2.2"
	}
	return "RFC 1035 section 3.4.1"
}

func (a addresses) gone(rrset.Set) *fault {
	return &fault{reason: fmt.Sprintf("there is no %s record: the host is not found", kindLabel(a.of)), rule: a.rule(), impact: Degraded}
}

func (a addresses) turned(_ rrset.Set, lost, came []string) *fault {
	f := &fault{rule: a.rule(), impact: Degraded}
	switch {
	case len(came) == 0:
		f.reason = "the host no longer has the address " + listed(lost)
	case len(lost) == 0:
		f.reason, f.relation = "the host also has the address "+listed(came), Loosened
	default:
		f.reason = fmt.Sprintf("the host has the address %s, was %s", listed(came), listed(lost))
	}
	return f
}

func (addresses) changes(lost, came []string) []Change { return plainChanges(lost, came) }

func (addresses) remarks(Expectation, rrset.Set, rrset.Set) []string { return nil }
