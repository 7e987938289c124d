package mailrec

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// maxSPFLookups is how many terms may need DNS lookups (RFC 7208 section 4.6.4).
const maxSPFLookups = 10

// spfRecord is a parsed SPF record (RFC 7208 section 12).
type spfRecord struct {
	// mechanisms are in order, up to and with the first all: what follows it is never
	// tested (section 5.1).
	mechanisms []spfTerm
	// modifiers are sorted, since their order means nothing (section 6). Redirect is
	// left out when there is an all, which makes receivers ignore it (section 6.1).
	modifiers []spfTerm
	notes     []string
}

func (r spfRecord) canonical() string {
	var out strings.Builder
	out.WriteString("v=spf1")
	for _, t := range r.mechanisms {
		out.WriteByte(' ')
		out.WriteString(t.String())
	}
	for _, t := range r.modifiers {
		out.WriteByte(' ')
		out.WriteString(t.String())
	}
	return out.String()
}

func (r spfRecord) remarks() []string { return r.notes }

// defect counts only this record's own terms; what its includes add is not known
// here.
func (r spfRecord) defect() *fault {
	lookups := 0
	for _, t := range slices.Concat(r.mechanisms, r.modifiers) {
		switch t.name {
		case "include", "a", "mx", "ptr", "exists", "redirect":
			lookups++
		}
	}
	if lookups <= maxSPFLookups {
		return nil
	}
	return &fault{
		reason: fmt.Sprintf("%d terms of the SPF record need DNS lookups and at most %d are allowed: receivers give up with permerror", lookups, maxSPFLookups),
		rule:   "RFC 7208 section 4.6.4", impact: Degraded,
	}
}

// all gives the qualifier of the all mechanism. Without one the default is neutral
// (RFC 7208 section 4.7), unless another domain's record decides.
func (r spfRecord) all() byte {
	if n := len(r.mechanisms); n > 0 && r.mechanisms[n-1].name == "all" {
		return r.mechanisms[n-1].qualifier
	}
	return '?'
}

// passing gives the terms by which somebody may send, all excepted.
func (r spfRecord) passing() []string {
	var out []string
	for _, t := range r.mechanisms {
		if t.qualifier == '+' && t.name != "all" {
			out = append(out, t.key())
		}
	}
	for _, t := range r.modifiers {
		if t.name == "redirect" {
			out = append(out, t.key())
		}
	}
	return out
}

func (r spfRecord) turnInto(other statement) ([]Change, *fault) {
	now := other.(spfRecord)
	changes := r.changesTo(now)
	lost, came := missing(r.passing(), now.passing()), missing(now.passing(), r.passing())
	var e effects
	if len(lost) > 0 {
		impact := Degraded
		if now.all() == '-' {
			impact = Rejected
		}
		e.add(impact, "RFC 7208 section 4.6.2", "senders of %s no longer pass SPF: the result for them is %s", quoted(strings.Join(lost, " ")), spfResult(now.all()))
	}
	if was, is := strictness(r.all()), strictness(now.all()); is < was {
		e.add(Weakened, "RFC 7208 section 5.1", "senders that are not listed got %s and now get %s", spfResult(r.all()), spfResult(now.all()))
	} else if is > was {
		e.add(Degraded, "RFC 7208 section 5.1", "senders that are not listed got %s and now get %s", spfResult(r.all()), spfResult(now.all()))
	}
	if len(came) > 0 {
		e.add(Weakened, "RFC 7208 section 4.6.2", "more senders pass SPF: %s", quoted(strings.Join(came, " ")))
	}
	if slices.Equal(slices.Sorted(slices.Values(r.keys())), slices.Sorted(slices.Values(now.keys()))) {
		return changes, e.sum(fault{reason: "the order or the qualifiers of the SPF record's terms changed", rule: "RFC 7208 section 4.6.2"})
	}
	return changes, e.sum(fault{reason: "terms of the SPF record changed by which nobody may send", rule: "RFC 7208 section 4.6.2"})
}

// keys gives all terms without qualifiers.
func (r spfRecord) keys() []string {
	var out []string
	for _, t := range slices.Concat(r.mechanisms, r.modifiers) {
		out = append(out, t.key())
	}
	return out
}

// changesTo lists terms that went, came, or have another qualifier or value.
func (r spfRecord) changesTo(now spfRecord) []Change {
	var out []Change
	was, is := slices.Concat(r.mechanisms, r.modifiers), slices.Concat(now.mechanisms, now.modifiers)
	for _, t := range was {
		i := slices.IndexFunc(is, func(o spfTerm) bool { return o.sameSlot(t) })
		switch {
		case i < 0:
			out = append(out, Change{Op: "-", Term: shown(t.key()), Was: shown(t.String())})
		case is[i] != t:
			out = append(out, Change{Op: "~", Term: shown(t.slot()), Was: shown(t.String()), Now: shown(is[i].String())})
		}
	}
	for _, t := range is {
		if !slices.ContainsFunc(was, func(o spfTerm) bool { return o.sameSlot(t) }) {
			out = append(out, Change{Op: "+", Term: shown(t.key()), Now: shown(t.String())})
		}
	}
	if len(out) == 0 {
		out = append(out, Change{Op: "~", Term: "order of terms", Was: shown(r.canonical()), Now: shown(now.canonical())})
	}
	return out
}

// strictness orders the qualifiers of all by what happens to other senders.
func strictness(qualifier byte) int { return strings.IndexByte("+?~-", qualifier) }

// spfResult names the result that a qualifier gives (RFC 7208 section 2.6).
func spfResult(qualifier byte) string {
	return map[byte]string{'+': "pass", '?': "neutral", '~': "softfail", '-': "fail"}[qualifier]
}

// spf is the dialect of SPF records.
type spf struct{}

func (spf) kind() Kind { return SPF }

// is follows RFC 7208 section 4.5: the version is followed by a space or the end.
func (spf) is(text []byte) bool {
	const version = "v=spf1"
	return len(text) >= len(version) && bytes.EqualFold(text[:len(version)], []byte(version)) &&
		(len(text) == len(version) || text[len(version)] == ' ')
}

func (spf) nearly(text []byte) string {
	lower := bytes.ToLower(bytes.TrimSpace(text))
	switch {
	case len(lower) < len(text) && (spf{}).is(lower):
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

func (spf) several(n int) *fault {
	return &fault{
		reason: fmt.Sprintf("there are %d SPF records and only one is allowed: receivers give up with permerror", n),
		rule:   "RFC 7208 section 4.5", impact: Degraded,
	}
}

func (spf) gone(said statement) *fault {
	was, known := said.(spfRecord)
	f := &fault{reason: "there is no SPF record", rule: "RFC 7208 section 4.5", impact: Degraded}
	if known && len(was.passing()) == 0 && was.all() == '-' {
		f.reason, f.impact = "there is no SPF record, which said that the domain sends no mail", Weakened
	}
	return f
}

func (spf) widened(was, now statement) *fault {
	if now.(spfRecord).all() != '+' || was.(spfRecord).all() == '+' {
		return nil
	}
	return &fault{reason: "+all lets anybody send in the domain's name", rule: "RFC 7208 section 5.1", impact: Weakened}
}

func (spf) lacks(s statement, want []string) string {
	r := s.(spfRecord)
	terms, err := wantedSPFTerms(want)
	if err != nil {
		return err.reason
	}
	for _, t := range terms {
		if slices.Contains(r.mechanisms, t) || slices.Contains(r.modifiers, t) {
			continue
		}
		i := slices.IndexFunc(r.mechanisms, t.sameSlot)
		if i >= 0 && t.name != "all" {
			return fmt.Sprintf("the SPF record has %s where %s is needed", quoted(r.mechanisms[i].String()), quoted(t.String()))
		}
		return fmt.Sprintf("the SPF record does not have %s before all: its senders get %s", quoted(t.String()), spfResult(r.all()))
	}
	return ""
}

func (spf) validTerms(want []string) error {
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
func wantedSPFTerms(want []string) ([]spfTerm, *fault) {
	var out []spfTerm
	for _, text := range want {
		text = strings.TrimSpace(text)
		whole := spf{}.is([]byte(text))
		if !whole {
			text = "v=spf1 " + text
		}
		r, err := parseSPF(text)
		if err != nil {
			return nil, err
		}
		for _, t := range slices.Concat(r.mechanisms, r.modifiers) {
			if !whole || t.name != "all" {
				out = append(out, t)
			}
		}
	}
	return out, nil
}
