package mailrec

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/rrset"
)

// statement is what one record of a kind says, in a form that can be compared.
// Statements of different kinds never meet.
type statement interface {
	// canonical is the one spelling of this meaning.
	canonical() string
	// defect says why receivers cannot use the record although it parses, nil if they can.
	defect() *fault
	// remarks are worth knowing although nothing is wrong.
	remarks() []string
	// turnInto says in what now differs and what that does to mail. The fault is nil if
	// canonical is the same.
	turnInto(now statement) ([]Change, *fault)
}

// dialect is one kind of record of which a name may have exactly one.
type dialect interface {
	kind() Kind
	// is tells by the version tag whether a TXT record is of the kind. Receivers
	// ignore all others, so almost does not count.
	is(text []byte) bool
	// nearly says why a text that is not of the kind was probably meant to be; empty
	// if it was not.
	nearly(text []byte) string
	parse(text string) (statement, *fault)
	// several is what receivers do when there are two or more.
	several(n int) *fault
	// gone is what receivers do without the record; was is what it said, nil if
	// that is not known.
	gone(was statement) *fault
	// lacks says what of the wanted terms is not in s; empty if nothing.
	lacks(s statement, want []string) string
	// widened says whether a record that still contains what was wanted lost its sense.
	widened(was, now statement) *fault
	// validTerms checks wanted terms.
	validTerms(want []string) error
}

// errNoTerms is for kinds that cannot be matched by Contains.
var errNoTerms = errors.New("match contains is for spf, dmarc, mx, ns, a, aaaa, txt and ownership: use equal")

// single judges kinds of which there must be exactly one record.
type single struct{ dialect }

// reading is what an answer's records of the kind come to.
type reading struct {
	meaning rrset.Hash
	// said is nil if there is no single record that parses.
	said statement
	// fault says why receivers cannot use what is there.
	fault *fault
	// exact is the records' text.
	exact []string
}

// selects takes the records with the kind's version. Where invalid ones may be captured
// and there are no others, it takes what was meant to be of the kind.
func (d single) selects(e Expectation, set rrset.Set) rrset.Set {
	if set.Type != rrset.TXT {
		return rrset.Set{Type: rrset.TXT}
	}
	texts := set.Texts()
	if len(texts) == 1 && d.is(texts[0]) {
		return set
	}
	out := pick(set, texts, d.is)
	if out.Empty() && e.AllowInvalid {
		out = pick(set, texts, func(text []byte) bool {
			return d.nearly(text) != "" || d.kind() == DKIM && !isMailRecord(text)
		})
	}
	return out
}

// pick gives the records of a TXT set whose text fits.
func pick(set rrset.Set, texts [][]byte, fits func([]byte) bool) rrset.Set {
	out := rrset.Set{Type: rrset.TXT}
	for i, text := range texts {
		if fits(text) {
			out.Data = append(out.Data, set.Data[i])
		}
	}
	return out
}

// read takes records that selects gave.
func (d single) read(set rrset.Set) reading {
	var r reading
	for _, text := range set.Texts() {
		r.exact = append(r.exact, string(text))
	}
	// Records that differ only in how their strings are split are still two records.
	switch len(r.exact) {
	case 0:
		return r
	case 1:
		said, err := d.parse(r.exact[0])
		if err == nil {
			r.said, r.fault = said, said.defect()
			r.meaning = meaningOf(d.kind(), false, said.canonical())
			return r
		}
		r.fault = err
	default:
		r.fault = d.several(len(r.exact))
	}
	r.meaning = meaningOf(d.kind(), true, rawText(r.exact))
	return r
}

// rawText is what identifies records that do not parse: their text in any order,
// without the white space around it.
func rawText(exact []string) string {
	trimmed := make([]string, 0, len(exact))
	for _, text := range exact {
		trimmed = append(trimmed, strings.TrimSpace(text))
	}
	slices.Sort(trimmed)
	return strings.Join(trimmed, "\x00")
}

// unusable says whether records are there and receivers can do nothing with them, though somebody
// meant them to.
func (r reading) unusable() bool { return r.fault != nil && !r.fault.deliberate }

func (d single) check(e Expectation, set rrset.Set) Finding {
	seen := d.selects(e, set)
	r := d.read(seen)
	f := Finding{Seen: seen, Meaning: r.meaning, Notes: r.remarks()}
	switch {
	case seen.Empty():
		return f.absent(d.explainAbsence(set, nil))
	case r.fault == nil:
	case e.Match == Captured && (e.AllowInvalid || r.fault.deliberate && !e.Usable):
		f.Notes = append(f.Notes, r.fault.reason)
		return f
	case d.isWanted(e, r):
		return f
	default:
		return f.differs(r.fault, nil)
	}
	switch e.Match {
	case Equal:
		if !d.isWanted(e, r) {
			return f.differs(d.differenceFromWanted(e, r))
		}
	case Contains:
		if lacking := d.lacksAll(e, r.said); lacking != "" {
			return f.differs(&fault{reason: lacking, rule: d.gone(nil).rule, impact: Degraded}, nil)
		}
	case Captured, Present, Maintained:
	}
	return f
}

func (d single) compare(e Expectation, baseline, set rrset.Set) Finding {
	seen := d.selects(e, set)
	base := d.read(baseline)
	now := base
	if !seen.Equal(baseline) {
		now = d.read(seen)
	}
	f := Finding{Seen: seen, Meaning: now.meaning, Notes: now.remarks()}
	switch {
	case seen.Empty():
		f = f.absent(d.explainAbsence(set, base.said))
		if base.unusable() {
			f.Relation = Cosmetic
		}
		return f
	case now.meaning == base.meaning, d.isWanted(e, now):
		return f
	case now.fault != nil:
		f = f.differs(now.fault, d.changes(base, now))
		if base.fault != nil {
			f.Relation = Cosmetic // it did not work before either
		}
		return f
	}
	changes, why := d.difference(base, now)
	switch e.Match {
	case Contains:
		return d.compareContained(e, f, base, now)
	case Present:
		f.Changes = changes
		f.Notes = append(f.Notes, "the record changed and is still usable: "+why.reason)
		return f
	case Maintained:
		return f.maintained(base.said, now.said, why, changes)
	case Equal, Captured:
	}
	return f.differs(why, changes)
}

// compareContained judges a changed record of which only part is watched.
func (d single) compareContained(e Expectation, f Finding, base, now reading) Finding {
	changes, why := d.difference(base, now)
	if lacking := d.lacksAll(e, now.said); lacking != "" {
		return f.differs(&fault{reason: lacking, rule: why.rule, impact: max(why.impact, Degraded)}, changes)
	}
	if base.said != nil {
		if why := d.widened(base.said, now.said); why != nil {
			return f.differs(why, changes)
		}
	}
	f.Changes = changes
	f.Notes = append(f.Notes, "the rest of the record changed: "+why.reason)
	return f
}

func (d single) validate(e Expectation, want []string) error {
	if e.Match == Contains {
		return d.validTerms(want)
	}
	if len(want) != 1 {
		return fmt.Errorf("%d values given, but a name can have only one %s record", len(want), d.kind())
	}
	if !d.is([]byte(want[0])) {
		if why := d.nearly([]byte(want[0])); why != "" {
			return fmt.Errorf("%s: %s", quoted(want[0]), why)
		}
		return fmt.Errorf("%s is not a record of kind %s", quoted(want[0]), d.kind())
	}
	said, err := d.parse(want[0])
	if err != nil {
		return err
	}
	if why := said.defect(); why != nil && !why.deliberate {
		return why
	}
	return nil
}

// remarks gives the notes of a record that parses.
func (r reading) remarks() []string {
	if r.said == nil {
		return nil
	}
	return r.said.remarks()
}

// isWanted says whether a record means the same as one that Equal wants. A record that
// receivers cannot use is wanted only if that is deliberate.
func (d single) isWanted(e Expectation, r reading) bool {
	if e.Match != Equal || r.said == nil || r.fault != nil && !r.fault.deliberate {
		return false
	}
	for _, want := range e.wanted() {
		if len(want) != 1 {
			continue
		}
		if said, err := d.parse(strings.TrimSpace(want[0])); err == nil && said.canonical() == r.said.canonical() {
			return true
		}
	}
	return false
}

// differenceFromWanted says what is wrong with a record that is none of those wanted.
func (d single) differenceFromWanted(e Expectation, r reading) (*fault, []Change) {
	want, err := d.parse(strings.TrimSpace(strings.Join(e.Want, " ")))
	if err != nil {
		return err, nil
	}
	changes, why := want.turnInto(r.said)
	return why, changes
}

// lacksAll is empty if one of the wanted sets of terms is there completely.
func (d single) lacksAll(e Expectation, s statement) string {
	first := ""
	for _, want := range e.wanted() {
		lacking := d.lacks(s, want)
		if lacking == "" {
			return ""
		}
		if first == "" {
			first = lacking
		}
	}
	return first
}

// explainAbsence adds what a person most likely did wrong.
func (d single) explainAbsence(set rrset.Set, was statement) *fault {
	why := *d.gone(was)
	for _, text := range set.Texts() {
		if nearly := d.nearly(text); nearly != "" {
			why.reason += fmt.Sprintf("; %s is not one: %s", quoted(string(text)), nearly)
			break
		}
	}
	return &why
}

// difference compares two readings of which the second is usable.
func (d single) difference(base, now reading) ([]Change, *fault) {
	if base.said == nil || base.unusable() {
		return d.changes(base, now), &fault{
			reason: "what was verified could not be used by receivers; the record now is valid and says something else", relation: Tightened,
		}
	}
	return base.said.turnInto(now.said)
}

// changes gives the differences in meaning if both sides parse, else in text.
func (d single) changes(base, now reading) []Change {
	if base.said != nil && now.said != nil {
		changes, _ := base.said.turnInto(now.said)
		return changes
	}
	return textChanges(d.kind().String()+" record", base.exact, now.exact)
}

// textChanges compares records by their text; one record that became another
// is one change.
func textChanges(term string, was, now []string) []Change {
	lost, came := missing(was, now), missing(now, was)
	if len(lost) == 1 && len(came) == 1 {
		return []Change{{Op: "~", Term: term, Was: shownText(lost[0]), Now: shownText(came[0])}}
	}
	if len(lost)+len(came) == 0 && len(was) != len(now) {
		// The same text in several records that are split elsewhere.
		return []Change{{Op: "~", Term: "number of records", Was: strconv.Itoa(len(was)), Now: strconv.Itoa(len(now))}}
	}
	var out []Change
	for _, s := range lost {
		out = append(out, Change{Op: "-", Term: term, Was: shownText(s)})
	}
	for _, s := range came {
		out = append(out, Change{Op: "+", Term: term, Now: shownText(s)})
	}
	return out
}

// missing gives the elements of a that are not in b.
func missing(a, b []string) []string {
	var out []string
	for _, s := range a {
		if !slices.Contains(b, s) {
			out = append(out, s)
		}
	}
	return out
}
