package mailrec

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/mailrec/spf"
)

// spfRecord is what an SPF record says (RFC 7208 section 12).
type spfRecord struct{ spf.Record }

func (r spfRecord) canonical() string { return r.String() }

func (r spfRecord) remarks() []string { return r.Notes }

// defect counts only this record's own terms; what its includes add is not known
// here.
func (r spfRecord) defect() *fault {
	lookups := r.Lookups()
	if lookups <= spf.MaxLookups {
		return nil
	}
	return &fault{
		reason: fmt.Sprintf("%d terms of the SPF record need DNS lookups and at most %d are allowed: receivers give up with permerror", lookups, spf.MaxLookups),
		rule:   "RFC 7208 section 4.6.4", impact: Degraded,
	}
}

// passing gives the terms by which somebody may send, all excepted.
func (r spfRecord) passing() []string {
	var out []string
	for _, t := range r.Mechanisms {
		if t.Qualifier == '+' && t.Name != "all" {
			out = append(out, t.Key())
		}
	}
	for _, t := range r.Modifiers {
		if t.Name == "redirect" {
			out = append(out, t.Key())
		}
	}
	return out
}

func (r spfRecord) turnInto(other statement) ([]Change, *fault) {
	now := other.(spfRecord)
	changes := r.changesTo(now)
	var e effects
	r.losses(now, &e)
	r.strangers(now, &e)
	r.denied(now, &e)
	var came []string
	for _, gain := range now.Lost(r.Record) {
		came = append(came, gain.Term)
	}
	if len(came) > 0 {
		e.add(Weakened, "RFC 7208 section 4.6.2", "more senders pass SPF: %s", quoted(strings.Join(came, " ")))
	}
	if slices.Equal(slices.Sorted(slices.Values(r.keys())), slices.Sorted(slices.Values(now.keys()))) {
		return changes, e.sum(fault{reason: "the order or the qualifiers of the SPF record's terms changed", rule: "RFC 7208 section 4.6.2"})
	}
	return changes, e.sum(fault{reason: "terms of the SPF record changed by which nobody may send", rule: "RFC 7208 section 4.6.2"})
}

// losses adds whose mail passes no more.
func (r spfRecord) losses(now spfRecord, e *effects) {
	var lost []string
	for _, l := range r.Lost(now.Record) {
		if l.Taken == "" {
			lost = append(lost, l.Term)
			continue
		}
		e.add(Degraded, "RFC 7208 section 4.6.2", "senders of %s may no longer pass SPF, since %s now stands before it", quoted(l.Term), quoted(l.Taken))
	}
	if len(lost) == 0 {
		return
	}
	impact := Degraded
	if now.All() == '-' {
		impact = Rejected
	}
	e.add(impact, "RFC 7208 section 4.6.2", "senders of %s no longer pass SPF: the result for them is %s", quoted(strings.Join(lost, " ")), now.otherwise())
}

// otherwise says what senders get that no term matches.
func (r spfRecord) otherwise() string {
	if target, ok := r.Modifier("redirect"); ok {
		return "left to " + quoted(target)
	}
	return string(spf.ResultOf(r.All()))
}

// strangers adds what changed for senders that no term matches. What a redirect says about them
// is not known here: only fail is certainly no weaker.
func (r spfRecord) strangers(now spfRecord, e *effects) {
	const rule = "RFC 7208 section 5.1"
	_, wasLeft := r.Modifier("redirect")
	_, isLeft := now.Modifier("redirect")
	was, is := spf.Strictness(r.All()), spf.Strictness(now.All())
	switch {
	case wasLeft && isLeft, !wasLeft && !isLeft && was == is:
	case wasLeft && now.All() == '-', isLeft && was <= spf.Strictness('?'), !wasLeft && !isLeft && is > was:
		e.tighten(rule, "senders that are not listed got %s and now get %s", r.otherwise(), now.otherwise())
	default:
		e.add(Weakened, rule, "senders that are not listed got %s and now get %s", r.otherwise(), now.otherwise())
	}
}

// denied adds what changed for senders that pass in neither record, and are listed in one of them.
func (r spfRecord) denied(now spfRecord, e *effects) {
	var weaker, stricter []string
	was, is := r.qualifiers(), now.qualifiers()
	for _, t := range slices.Concat(r.Mechanisms, now.Mechanisms) {
		key := t.Key()
		before, after := was(key), is(key)
		switch {
		case t.Name == "all", before == '+', after == '+', before == 0, after == 0:
		case spf.Strictness(after) < spf.Strictness(before):
			weaker = append(weaker, key)
		case spf.Strictness(after) > spf.Strictness(before):
			stricter = append(stricter, key)
		}
	}
	const rule = "RFC 7208 section 4.6.2"
	if len(weaker) > 0 {
		e.add(Weakened, rule, "senders that do not pass are treated less strictly: %s", listed(sortedSet(weaker)))
	}
	if len(stricter) > 0 {
		e.tighten(rule, "senders that do not pass are treated more strictly: %s", listed(sortedSet(stricter)))
	}
}

// qualifiers gives what senders of a term get: by the term itself, else by all; 0 if that is
// left to another record.
func (r spfRecord) qualifiers() func(key string) byte {
	of := map[string]byte{}
	for _, t := range slices.Backward(r.Mechanisms) {
		of[t.Key()] = t.Qualifier
	}
	others := r.All()
	if _, left := r.Modifier("redirect"); left {
		others = 0
	}
	return func(key string) byte {
		if q, ok := of[key]; ok {
			return q
		}
		return others
	}
}

// keys gives all terms without qualifiers.
func (r spfRecord) keys() []string {
	var out []string
	for _, t := range r.Terms() {
		out = append(out, t.Key())
	}
	return out
}

// changesTo lists terms that went, came, or have another qualifier or value.
func (r spfRecord) changesTo(now spfRecord) []Change {
	var out []Change
	was, is := r.Terms(), now.Terms()
	for _, t := range was {
		i := slices.IndexFunc(is, func(o spf.Term) bool { return o.SameSlot(t) })
		switch {
		case i < 0:
			out = append(out, Change{Op: "-", Term: shown(t.Key()), Was: shown(t.String())})
		case is[i] != t:
			out = append(out, Change{Op: "~", Term: shown(t.Slot()), Was: shown(t.String()), Now: shown(is[i].String())})
		}
	}
	for _, t := range is {
		if !slices.ContainsFunc(was, func(o spf.Term) bool { return o.SameSlot(t) }) {
			out = append(out, Change{Op: "+", Term: shown(t.Key()), Now: shown(t.String())})
		}
	}
	if len(out) == 0 {
		out = append(out, Change{Op: "~", Term: "order of terms", Was: shown(r.canonical()), Now: shown(now.canonical())})
	}
	return out
}

// spfDialect is the dialect of SPF records.
type spfDialect struct{}

func (spfDialect) kind() Kind { return SPF }

func (spfDialect) is(text []byte) bool { return spf.Is(text) }

func (spfDialect) parse(text string) (statement, *fault) { return parseSPF(text) }

// parseSPF reads a record and says what receivers do if they cannot.
func parseSPF(text string) (spfRecord, *fault) {
	r, err := spf.Parse(text)
	if err != nil {
		var syntax *spf.SyntaxError
		errors.As(err, &syntax)
		return spfRecord{}, &fault{
			reason: syntax.Error() + ": receivers give up with permerror", rule: "RFC 7208 section " + syntax.Section, impact: Degraded,
		}
	}
	return spfRecord{r}, nil
}

func (spfDialect) nearly(text []byte) string {
	lower := bytes.ToLower(bytes.TrimSpace(text))
	switch {
	case len(lower) < len(text) && spf.Is(lower):
		return "it begins with white space"
	case bytes.HasPrefix(lower, []byte(`"v=spf1`)):
		return "quotation marks are part of it"
	case bytes.HasPrefix(lower, []byte("v=spf1")):
		return `"v=spf1" must be followed by a space`
	case bytes.HasPrefix(lower, []byte("spf1 ")), bytes.HasPrefix(lower, []byte("v=spf ")), bytes.HasPrefix(lower, []byte("v = spf1")):
		return `it must begin with "v=spf1 "`
	}
	return ""
}

func (spfDialect) several(n int) *fault {
	return &fault{
		reason: fmt.Sprintf("there are %d SPF records and only one is allowed: receivers give up with permerror", n),
		rule:   "RFC 7208 section 4.5", impact: Degraded,
	}
}

func (spfDialect) gone(said statement) *fault {
	was, known := said.(spfRecord)
	f := &fault{reason: "there is no SPF record", rule: "RFC 7208 section 4.5", impact: Degraded}
	if known && len(was.passing()) == 0 && was.All() == '-' {
		f.reason, f.impact = "there is no SPF record, which said that the domain sends no mail", Weakened
	}
	return f
}

func (spfDialect) widened(was, now statement) *fault {
	if !now.(spfRecord).Anybody() || was.(spfRecord).Anybody() {
		return nil
	}
	return &fault{reason: "the SPF record lets anybody send in the domain's name (+all, or networks that hold all addresses)", rule: "RFC 7208 section 5.1", impact: Weakened}
}

// maintained judges a change in a record that somebody else keeps: its networks are
// theirs to change, what it says about strangers is not expected to.
func (f Finding) maintained(base, now statement, why *fault, changes []Change) Finding {
	was, known := base.(spfRecord)
	is, _ := now.(spfRecord)
	if known && was.All() != is.All() {
		return f.differs(&fault{
			reason: fmt.Sprintf("senders that are not listed got %s from this record and now get %s", spf.ResultOf(was.All()), spf.ResultOf(is.All())),
			rule:   "RFC 7208 section 5.1", impact: why.impact,
		}, changes)
	}
	f.Changes = changes
	f.Notes = append(f.Notes, "whoever maintains the record changed it: "+why.reason)
	return f
}

func (spfDialect) lacks(s statement, want []string) string {
	r := s.(spfRecord)
	terms, err := wantedSPFTerms(want)
	if err != nil {
		return err.reason
	}
	for _, t := range terms {
		if slices.Contains(r.Mechanisms, t) || slices.Contains(r.Modifiers, t) {
			continue
		}
		i := slices.IndexFunc(r.Mechanisms, t.SameSlot)
		if i >= 0 && t.Name != "all" {
			return fmt.Sprintf("the SPF record has %s where %s is needed", quoted(r.Mechanisms[i].String()), quoted(t.String()))
		}
		return fmt.Sprintf("the SPF record does not have %s before all: its senders get %s", quoted(t.String()), spf.ResultOf(r.All()))
	}
	return ""
}

func (spfDialect) validTerms(want []string) error {
	terms, err := wantedSPFTerms(want)
	if err != nil {
		return err
	}
	if len(terms) == 0 {
		return fmt.Errorf("%s names no term to look for", quoted(strings.Join(want, " ")))
	}
	return nil
}

// wantedSPFTerms reads terms, or whole records of which all is left out: which
// senders remain is the rest of the record's business.
func wantedSPFTerms(want []string) ([]spf.Term, *fault) {
	var out []spf.Term
	for _, text := range want {
		text = strings.TrimSpace(text)
		whole := spf.Is([]byte(text))
		if !whole {
			text = "v=spf1 " + text
		}
		r, err := parseSPF(text)
		if err != nil {
			return nil, err
		}
		for _, t := range r.Terms() {
			if !whole || t.Name != "all" {
				out = append(out, t)
			}
		}
	}
	return out, nil
}
