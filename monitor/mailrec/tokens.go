package mailrec

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
)

// tokenKind is a kind of TXT records that stand, each for itself, among others.
type tokenKind interface {
	kind() Kind
	// mine says whether a text can be of this kind at all.
	mine(text []byte) bool
	// replaces says whether a text that came may stand for one that was lost.
	replaces(came, lost string) bool
	// narrow says whether values that are not related to the wanted ones are somebody
	// else's.
	narrow() bool
	// lostImpact is what the loss of a value does.
	lostImpact() Impact
}

// tokens judges values in TXT RRsets that hold values of many services. Values that
// come are never drift; each one that was verified must stay.
type tokens struct{ tokenKind }

func (t tokens) selects(e Expectation, set rrset.Set) rrset.Set {
	if set.Type != rrset.TXT {
		return rrset.Set{Type: rrset.TXT}
	}
	return pick(set, set.Texts(), func(text []byte) bool {
		return t.mine(text) && t.related(e, trimBlank(string(text)))
	})
}

// related says whether a value may be one of those that the expectation names. Without
// names all are.
func (t tokens) related(e Expectation, value string) bool {
	wanted := slices.Concat(e.wanted()...)
	if len(wanted) == 0 || !t.narrow() {
		return true
	}
	byPrefix := e.Match == Captured || e.Match == Present
	for _, want := range wanted {
		want = trimBlank(want)
		if byPrefix && strings.HasPrefix(strings.ToLower(value), strings.ToLower(want)) {
			return true
		}
		if !byPrefix && (value == want || t.replaces(value, want)) {
			return true
		}
	}
	return false
}

// values gives the texts of a set, trimmed and sorted.
func values(set rrset.Set) []string {
	var out []string
	for _, text := range set.Texts() {
		out = append(out, trimBlank(string(text)))
	}
	return sortedSet(out)
}

func (t tokens) check(e Expectation, set rrset.Set) Finding {
	seen := t.selects(e, set)
	now := values(seen)
	f := Finding{Seen: seen, Meaning: t.meaning(now)}
	switch {
	case e.Match == Captured || e.Match == Present:
		if len(now) == 0 {
			return f.absent(t.gone())
		}
		return f
	case t.isWanted(e, now):
		f.Meaning = t.meaning(t.ofWanted(e, now))
		return f
	}
	var required []string
	for _, want := range e.Want {
		required = append(required, trimBlank(want))
	}
	return t.judge(f, required, now)
}

func (t tokens) compare(e Expectation, baseline, set rrset.Set) Finding {
	seen := t.selects(e, set)
	now, required := values(seen), t.required(e, values(baseline))
	f := Finding{Seen: seen, Meaning: t.meaning(now)}
	if t.isWanted(e, now) {
		f.Meaning = t.meaning(t.ofWanted(e, now))
		return f
	}
	if e.Match == Present && len(now) > 0 {
		if !slices.Equal(now, values(baseline)) {
			f.Notes = append(f.Notes, "values changed and there still is one")
			f.Changes = t.changes(missing(values(baseline), now), missing(now, values(baseline)))
		}
		return f
	}
	return t.judge(f, required, now)
}

// required gives what of the baseline must stay: what the expectation names, or all.
func (t tokens) required(e Expectation, baseline []string) []string {
	if e.Match == Equal || e.Match == Contains {
		if named := t.ofWanted(e, baseline); len(named) > 0 {
			return named
		}
	}
	return baseline
}

// judge holds values against those that must be there. The meaning leaves out what
// merely came, so that it stays the same however many services add theirs.
func (t tokens) judge(f Finding, required, now []string) Finding {
	lost := missing(required, now)
	kept := missing(required, lost)
	var instead, added []string
	for _, v := range missing(now, required) {
		if slices.ContainsFunc(lost, func(l string) bool { return t.replaces(v, l) }) {
			instead = append(instead, v)
			continue
		}
		added = append(added, v)
	}
	if len(kept) == 0 && len(instead) == 0 && !t.narrow() {
		instead, added = added, nil
	}
	f.Meaning = t.meaning(sortedSet(slices.Concat(kept, instead)))
	switch {
	case len(lost) == 0 && len(kept) > 0:
		for _, v := range added {
			f.Notes = append(f.Notes, fmt.Sprintf("%s came and is not watched", quoted(v)))
		}
		return f
	case len(kept) == 0 && len(instead) == 0:
		return f.absent(t.gone())
	case len(instead) > 0:
		return f.differs(t.fault("%s is there instead of %s", listed(instead), listed(lost)), t.changes(lost, instead))
	}
	return f.differs(t.fault("%s is gone", listed(lost)), t.changes(lost, nil))
}

func (t tokens) fault(format string, args ...any) *fault {
	return &fault{reason: "a " + t.kind().String() + " value changed: " + fmt.Sprintf(format, args...), impact: t.lostImpact()}
}

func (t tokens) gone() *fault {
	return &fault{reason: "there is no such " + t.kind().String() + " value", impact: t.lostImpact()}
}

func (t tokens) changes(lost, came []string) []Change {
	return textChanges("value", lost, came)
}

func (t tokens) meaning(vs []string) rrset.Hash {
	return meaningOf(t.kind(), false, strings.Join(vs, "\x00"))
}

// isWanted says whether one of the wanted sets of values is there completely.
func (t tokens) isWanted(e Expectation, now []string) bool {
	if e.Match != Equal && e.Match != Contains {
		return false
	}
	return slices.ContainsFunc(e.wanted(), func(want []string) bool {
		return len(want) > 0 && !slices.ContainsFunc(want, func(w string) bool { return !slices.Contains(now, trimBlank(w)) })
	})
}

// ofWanted gives those values that the expectation names.
func (t tokens) ofWanted(e Expectation, now []string) []string {
	var out []string
	for _, want := range slices.Concat(e.wanted()...) {
		if slices.Contains(now, trimBlank(want)) {
			out = append(out, trimBlank(want))
		}
	}
	return sortedSet(out)
}

func (t tokens) validate(_ Expectation, want []string) error {
	if len(want) == 0 {
		return errors.New("no value given")
	}
	for _, w := range want {
		switch {
		case trimBlank(w) == "":
			return errors.New("the value is empty")
		case !t.mine([]byte(trimBlank(w))):
			return fmt.Errorf("%s is a record of another kind: use that kind", quoted(w))
		}
	}
	return nil
}
