package mailrec

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/rrset"
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

// Lint judges what is to be published at one name: the text of one record, or of all of
// them. A text of one or more quoted strings is taken as zone files have it: the strings are
// joined. For mx a text may also hold one record a line, "PREFERENCE HOST". An unknown
// kind is an error.
func Lint(kind string, records ...string) (LintReport, error) {
	if !slices.Contains(LintKinds(), kind) {
		return LintReport{}, fmt.Errorf("unknown kind %q: use %s", kind, strings.Join(LintKinds(), ", "))
	}
	var l linter
	switch kind {
	case mtaSTSPolicy:
		l.policy(strings.Join(records, "\n"))
	case MX.String():
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
		text, quotedForm := unquote(text)
		if quotedForm {
			l.say(Note, "", "the strings between the quotation marks were joined, as in a zone file")
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
			return
		}
		l.say(Error, rule, "%s is no %s record, since %s", quoted(text), d.kind(), why)
		l.suggest(d, text)
		return
	}
	said, err := d.parse(text)
	if err != nil {
		l.fail(err)
		return
	}
	if why := said.defect(); why != nil {
		l.fail(why)
	}
	for _, note := range said.remarks() {
		l.say(Warning, "", "%s", note)
	}
	switch s := said.(type) {
	case spfRecord:
		l.spf(s)
	case dkimKey:
		l.dkim(s)
	case dmarcPolicy:
		l.dmarc(s)
	}
	if l.state == Valid && len(text) > 255 {
		l.say(Note, "RFC 1035 section 3.3.14", "it has %d octets: publish it as several strings of at most 255, or let the DNS host do so", len(text))
	}
}

// suggest names the record that was probably meant, if taking quotation marks and blanks away
// makes one.
func (l *linter) suggest(d single, text string) {
	plain := strings.Trim(text, " \t\r\n\"'“”‘’")
	if plain == text || !d.is([]byte(plain)) {
		return
	}
	if _, err := d.parse(plain); err == nil {
		l.remarks[len(l.remarks)-1].Instead = plain
	}
}

func (l *linter) spf(r spfRecord) {
	for _, t := range r.Mechanisms {
		if t.Name == "ptr" {
			l.say(Warning, "RFC 7208 section 5.5", "ptr is slow and unreliable, should not be published, and is ignored by some receivers")
		}
	}
	_, redirects := r.Modifier("redirect")
	if n := len(r.Mechanisms); !redirects && (n == 0 || r.Mechanisms[n-1].Name != "all") {
		l.say(Warning, "RFC 7208 section 4.7", "it does not end in all: what receivers do with other senders is left to them")
	} else if r.All() == '?' && !redirects {
		l.say(Warning, "RFC 7208 section 8.2", "?all says nothing about other senders: ~all or -all protect the domain")
	}
	if n := r.Lookups(); n > 0 {
		l.say(Note, "RFC 7208 section 4.6.4", "%d of the ten DNS lookups go to its own terms; what they include adds to that", n)
	}
}

func (l *linter) dkim(k dkimKey) {
	const short = 2048
	if bits, ok := strings.CutSuffix(k.about, "-bit RSA"); ok {
		if n, err := strconv.Atoi(bits); err == nil && n >= minRSABits && n < short {
			l.say(Warning, "RFC 8301 section 3.2", "the key has %d bits; %d or more are recommended", n, short)
		}
	}
	if l.state == Valid {
		l.say(Note, "", "the key is %s", k.about)
	}
}

func (l *linter) dmarc(p dmarcPolicy) {
	if p.get("p") == "none" {
		l.say(Warning, dmarcRule, "p=none only asks for reports: others can send in the domain's name. Go on to quarantine and reject once the reports are clean")
	}
	if p.get("rua") == "" {
		l.say(Warning, dmarcRule, "without rua nobody reports: you do not see who sends in the domain's name")
	}
	if strength(p.policyOf("sp")) < strength(p.get("p")) {
		l.say(Warning, dmarcRule, "subdomains have a weaker policy (sp=%s) than the domain (p=%s)", p.policyOf("sp"), p.get("p"))
	}
	for _, t := range p.tags {
		if t.given && slices.Contains([]string{"pct", "rf", "ri"}, t.name) {
			l.say(Note, "RFC 9989 appendix C.5.2", "%s is no longer part of DMARC: receivers that follow RFC 9989 ignore it", t.name)
		}
	}
	if p.get("t") == "y" {
		l.say(Warning, dmarcRule, "t=y: receivers apply the policy one level weaker than it says")
	}
}

// exchanges judges MX records, one a line.
func (l *linter) exchanges(text string) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		l.state = NotOne
		l.say(Error, "RFC 5321 section 5.1", "there is no MX record")
		return
	}
	for _, line := range lines {
		if len(strings.Fields(line)) == 1 {
			l.say(Warning, "RFC 1035 section 3.3.9", "%s has no preference; 10 is taken", quoted(line))
		}
	}
	set, err := rrset.Parse(rrset.MX, lines...)
	if err != nil {
		l.state = Invalid
		l.say(Error, "RFC 1035 section 3.3.9", "%s", err)
		return
	}
	if why := (exchanges{}).fault(set); why != nil {
		l.fail(why)
		return
	}
	for _, x := range set.Exchanges() {
		if isAddressLike(x.Host) {
			l.fail(&fault{reason: fmt.Sprintf("%s is an address: an MX record names a host", quoted(string(x.Host))), rule: "RFC 5321 section 5.1"})
		}
	}
}

// seam is what stays of two strings of a zone file when only the outer quotation marks are
// taken away.
var seam = regexp.MustCompile(`\\?"[ \t]*\\?"`)

// unquote joins the strings of a text that is nothing but quoted strings; false if it is not.
func unquote(text string) (string, bool) {
	rest := strings.TrimSpace(text)
	if !strings.HasPrefix(rest, `"`) {
		return text, false
	}
	var out strings.Builder
	for rest != "" {
		if rest[0] != '"' {
			return text, false
		}
		n, ok := unquoteOne(&out, rest[1:])
		if !ok {
			return text, false
		}
		rest = strings.TrimLeft(rest[1+n:], " \t\r\n")
	}
	return out.String(), true
}

// unquoteOne reads up to the closing quotation mark (RFC 1035 section 5.1) and gives how much
// that was.
func unquoteOne(out *strings.Builder, s string) (int, bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1, true
		case s[i] != '\\':
			out.WriteByte(s[i])
		case i+3 < len(s) && strings.Trim(s[i+1:i+4], "0123456789") == "":
			n, _ := strconv.Atoi(s[i+1 : i+4])
			out.WriteByte(byte(n))
			i += 3
		case i+1 < len(s):
			out.WriteByte(s[i+1])
			i++
		}
	}
	return 0, false
}
