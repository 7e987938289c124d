package mailrec

import (
	"errors"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
)

// collection is a kind whose records make a set.
type collection interface {
	kind() Kind
	// items gives what is compared, sorted: hosts, addresses, "10 mx.example.com" where
	// preferences matter.
	items(e Expectation, set rrset.Set) []string
	// fault says why receivers cannot use the set, nil if they can.
	fault(set rrset.Set) *fault
	// gone is what receivers do without any record.
	gone(was rrset.Set) *fault
	// turned is what they do when some records went and others came.
	turned(was rrset.Set, lost, came []string) *fault
	// changes lists the differences.
	changes(lost, came []string) []Change
	// remarks tells differences that are not part of the meaning.
	remarks(e Expectation, was, now rrset.Set) []string
}

// members judges sets.
type members struct{ collection }

func (m members) selects(_ Expectation, set rrset.Set) rrset.Set {
	if set.Type != m.kind().Type() {
		return rrset.Set{Type: m.kind().Type()}
	}
	return set
}

func (m members) find(e Expectation, seen rrset.Set) (Finding, []string) {
	items := m.items(e, seen)
	return Finding{Seen: seen, Meaning: meaningOf(m.kind(), false, strings.Join(items, "\x00"))}, items
}

func (m members) check(e Expectation, set rrset.Set) Finding {
	seen := m.selects(e, set)
	f, items := m.find(e, seen)
	if seen.Empty() {
		return f.absent(m.gone(seen))
	}
	why := m.fault(seen)
	if m.isWanted(e, items) && (why == nil || why.deliberate) {
		return f
	}
	if why != nil {
		if e.Match == Captured && (e.AllowInvalid || why.deliberate && !e.Usable) {
			f.Notes = append(f.Notes, why.reason)
			return f
		}
		return f.differs(why, nil)
	}
	if e.Match == Captured || e.Match == Present {
		return f
	}
	wanted, set := m.firstWanted(e)
	lost, came := missing(wanted, items), missing(items, wanted)
	if e.Match == Contains {
		came = nil
	}
	return f.differs(m.turned(set, lost, came), m.changes(lost, came))
}

func (m members) compare(e Expectation, baseline, set rrset.Set) Finding {
	seen := m.selects(e, set)
	f, items := m.find(e, seen)
	was := m.items(e, baseline)
	lost, came := missing(was, items), missing(items, was)
	switch {
	case seen.Empty():
		return f.absent(m.gone(baseline))
	case len(lost) == 0 && len(came) == 0 && len(items) > 0:
		f.Notes = m.remarks(e, baseline, seen)
		return f
	}
	changes, why := m.changes(lost, came), m.fault(seen)
	if m.isWanted(e, items) && (why == nil || why.deliberate) {
		f.Changes = changes
		f.Notes = append(f.Notes, "the set changed and is still as wanted")
		return f
	}
	if why != nil {
		return f.differs(why, changes)
	}
	if e.Match == Present {
		f.Changes = changes
		f.Notes = append(f.Notes, "the set changed and is still usable")
		return f
	}
	return f.differs(m.turned(baseline, lost, came), changes)
}

// isWanted says whether the items are those that the expectation names.
func (m members) isWanted(e Expectation, items []string) bool {
	if e.Match != Equal && e.Match != Contains {
		return false
	}
	for _, want := range e.wanted() {
		set, err := rrset.Parse(m.kind().Type(), want...)
		if err != nil || set.Empty() {
			continue
		}
		wanted := m.items(e, set)
		if len(missing(wanted, items)) == 0 && (e.Match == Contains || len(missing(items, wanted)) == 0) {
			return true
		}
	}
	return false
}

// firstWanted gives what Want names; Validate has made sure that it parses.
func (m members) firstWanted(e Expectation) ([]string, rrset.Set) {
	set, err := rrset.Parse(m.kind().Type(), e.Want...)
	if err != nil {
		return nil, rrset.Set{Type: m.kind().Type()}
	}
	return m.items(e, set), set
}

func (m members) validate(_ Expectation, want []string) error {
	set, err := rrset.Parse(m.kind().Type(), want...)
	if err != nil {
		return err
	}
	if set.Empty() {
		return errors.New("no value given")
	}
	if why := m.fault(set); why != nil && !why.deliberate {
		return why
	}
	return nil
}

// plainChanges lists items that went and came.
func plainChanges(lost, came []string) []Change {
	var out []Change
	for _, s := range lost {
		out = append(out, Change{Op: "-", Term: shown(s), Was: shown(s)})
	}
	for _, s := range came {
		out = append(out, Change{Op: "+", Term: shown(s), Now: shown(s)})
	}
	return out
}

// listed names items in a sentence.
func listed(items []string) string { return quoted(strings.Join(items, " ")) }

// sortedSet sorts and removes duplicates.
func sortedSet(items []string) []string {
	slices.Sort(items)
	return slices.Compact(items)
}
