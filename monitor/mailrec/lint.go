package mailrec

import (
	"fmt"
	"slices"
	"strings"
)

// State is what a record is worth to receivers, as Lint sees it.
type State uint8

// The states.
const (
	// Valid can be used.
	Valid State = iota
	// Invalid was meant to be a record of the kind, and receivers cannot use it.
	Invalid
	// Revoked says deliberately that nothing is there: a key with empty p=, a null MX, a
	// declined logo.
	Revoked
	// NotOne is no record of the kind: receivers do not see one.
	NotOne
)

var stateNames = [...]string{Valid: "valid", Invalid: "invalid", Revoked: "revoked", NotOne: "absent"}

// String gives the name that output uses.
func (s State) String() string { return stateNames[s] }

// MarshalText writes the name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *State) UnmarshalText(b []byte) error {
	i := slices.Index(stateNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown state %q", b)
	}
	*s = State(i)
	return nil
}

// Severity is how much a remark matters.
type Severity uint8

// The severities.
const (
	// Note is worth knowing.
	Note Severity = iota
	// Warning works but should be changed.
	Warning
	// Error keeps receivers from using the record.
	Error
)

var severityNames = [...]string{Note: "note", Warning: "warning", Error: "error"}

// String gives the name that output uses.
func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severityNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown severity %q", b)
	}
	*s = Severity(i)
	return nil
}

// Remark is one thing that Lint has to say.
type Remark struct {
	Severity Severity `json:"severity"`
	// Text says it in a sentence, safe to show.
	Text string `json:"text"`
	// Rule is where the rule comes from; Instead what to write, if that can be known.
	Rule    string `json:"rule,omitempty"`
	Instead string `json:"instead,omitempty"`
}

// LintReport is what Lint says about a record.
type LintReport struct {
	Valid    bool     `json:"valid"`
	State    State    `json:"state"`
	Findings []Remark `json:"findings"`
}

// LintKinds are the kinds that Lint knows, by their names: the record kinds of which a name has
// exactly one, "mx", and "mta-sts-policy", the file that RFC 8461 section 3.2 describes.
func LintKinds() []string {
	return []string{"spf", "dkim", "dmarc", "mta-sts", mtaSTSPolicy, "tls-rpt", "bimi", "mx"}
}

const mtaSTSPolicy = "mta-sts-policy"

// maxRecords is how much text can be published at one name, in octets.
const maxRecords = 65535

// Lint judges what is to be published at one name: the text of one record, or of all of
// them. A text of one or more quoted strings is taken as zone files have it: the strings are
// joined. For mx a text may also hold one record a line, "PREFERENCE HOST". An unknown
// kind is an error.
func Lint(kind string, records ...string) (LintReport, error) {
	if !slices.Contains(LintKinds(), kind) {
		return LintReport{}, fmt.Errorf("unknown kind %q: use %s", kind, strings.Join(LintKinds(), ", "))
	}
	var l linter
	switch size := len(strings.Join(records, "")); {
	case size > maxRecords:
		l.fail(&fault{reason: fmt.Sprintf("it has %d octets and at most %d fit into an answer", size, maxRecords), rule: "RFC 1035 section 4.2.2"})
	case kind == mtaSTSPolicy:
		l.policy(strings.Join(records, "\n"))
	case kind == MX.String():
		l.exchanges(strings.Join(records, "\n"))
	default:
		var k Kind
		if err := k.UnmarshalText([]byte(kind)); err != nil {
			return LintReport{}, err
		}
		d, _ := k.family().(single)
		l.records(d, records)
	}
	return l.report(), nil
}

// records judges all TXT records of a name: those of other kinds do not matter.
func (l *linter) records(d single, records []string) {
	var ours []string
	for _, text := range records {
		text, quotedForm := l.join(d, text)
		if quotedForm {
			l.say(Note, "RFC 7208 section 3.3", "the strings between the quotation marks were joined, as in a zone file")
		} else if seamless := seam.ReplaceAllString(text, ""); seamless != text {
			text = seamless
			l.say(Warning, "RFC 1035 section 5.1", "quotation marks in the middle were taken for a seam between two strings; published as they stand they break the record")
		}
		if len(records) == 1 || d.is([]byte(text)) {
			ours = append(ours, text)
		}
	}
	switch len(ours) {
	case 0:
		l.state = NotOne
		why := d.gone(nil)
		l.say(Error, why.rule, "%s", why.reason)
	case 1:
		l.single(d, ours[0])
	default:
		l.fail(d.several(len(ours)))
	}
}

type linter struct {
	state   State
	remarks []Remark
}

func (l *linter) report() LintReport {
	slices.SortStableFunc(l.remarks, func(a, b Remark) int { return int(b.Severity) - int(a.Severity) })
	return LintReport{Valid: l.state == Valid, State: l.state, Findings: append([]Remark{}, l.remarks...)}
}

func (l *linter) say(s Severity, rule, format string, args ...any) {
	l.remarks = append(l.remarks, Remark{Severity: s, Text: fmt.Sprintf(format, args...), Rule: rule})
}

// fail takes a fault as an error and as the state.
func (l *linter) fail(why *fault) {
	l.state = Invalid
	if why.deliberate {
		l.state = Revoked
		l.say(Warning, why.rule, "%s", why.reason)
		return
	}
	l.say(Error, why.rule, "%s", why.reason)
}

// single judges a record of a kind of which there is exactly one.
func (l *linter) single(d single, text string) {
	if !d.is([]byte(text)) {
		l.state = NotOne
		rule := d.gone(nil).rule
		why := d.nearly([]byte(text))
		if why == "" {
			l.say(Error, rule, "%s is no %s record: receivers do not see one", quoted(text), d.kind())
		} else {
			l.say(Error, rule, "%s is no %s record, since %s", quoted(text), d.kind(), why)
		}
		l.suggest(repaired(d, text))
		return
	}
	said, err := d.parse(text)
	if err != nil {
		l.fail(err)
		l.suggest(repaired(d, text))
		return
	}
	if why := said.defect(); why != nil {
		l.fail(why)
	}
	for _, note := range said.remarks() {
		l.say(Warning, syntaxRules[d.kind()], "%s", note)
	}
	switch s := said.(type) {
	case spfRecord:
		l.spf(s)
	case dkimKey:
		l.dkim(s, parseTags(text))
	case dmarcPolicy:
		l.dmarc(s)
	case tagRecord:
		if d.kind() == BIMI {
			l.bimi(s)
		}
	}
	if l.state == Valid && len(text) > 255 {
		l.say(Note, "RFC 1035 section 3.3.14", "it has %d octets: publish it as several strings of at most 255, or let the DNS host do so", len(text))
	}
}

// suggest adds to the last remark what to write, if that is known.
func (l *linter) suggest(text string) { l.remarks[len(l.remarks)-1].Instead = text }

// syntaxRules are where the kinds' records are defined.
var syntaxRules = map[Kind]string{
	SPF: "RFC 7208 section 4.6", DKIM: "RFC 6376 section 3.6.1", DMARC: dmarcRule,
	MTASTS: mtaSTS{}.grammar().rule, TLSRPT: tlsRPT{}.grammar().rule, BIMI: bimi{}.grammar().rule,
}
