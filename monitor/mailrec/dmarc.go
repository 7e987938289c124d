package mailrec

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dmarcPolicy is a parsed policy record (RFC 9989 section 4.7, RFC 7489 section 6.3).
type dmarcPolicy struct {
	// tags are all known ones, sorted by name, defaults included.
	tags  []tagValue
	notes []string
}

func (p dmarcPolicy) canonical() string   { return canonicalTags("DMARC1", p.tags) }
func (p dmarcPolicy) defect() *fault      { return nil }
func (p dmarcPolicy) remarks() []string   { return p.notes }
func (p dmarcPolicy) get(n string) string { return valueOf(p.tags, n) }

// dmarcRule is where the tags and what they do are defined.
const dmarcRule = "RFC 9989 section 4.7"

// policies from weak to strong.
var policies = []string{"none", "quarantine", "reject"}

// strength orders policies.
func strength(policy string) int { return slices.Index(policies, policy) }

// policyOf gives the policy in effect: np falls back to sp, and sp to p.
func (p dmarcPolicy) policyOf(name string) string {
	if v := p.get(name); v != "" {
		return v
	}
	if name == "np" {
		return p.policyOf("sp")
	}
	return p.get("p")
}

// percent gives pct as a number; parse has made sure that it is one.
func (p dmarcPolicy) percent() int {
	n, _ := strconv.Atoi(p.get("pct"))
	return n
}

func (p dmarcPolicy) turnInto(other statement) ([]Change, *fault) {
	now := other.(dmarcPolicy)
	changes := tagChanges(p.tags, now.tags)
	var e effects
	p.comparePolicies(now, &e)
	for _, align := range []string{"adkim", "aspf"} {
		if was, is := p.get(align), now.get(align); was == "r" && is == "s" {
			e.tighten(dmarcRule, "alignment became strict (%s=s): mail from other names of the organisation no longer passes", align)
		} else if was != is {
			e.add(Weakened, dmarcRule, "alignment became relaxed (%s=r)", align)
		}
	}
	if p.get("psd") != now.get("psd") {
		e.add(Degraded, dmarcRule, "psd changed: receivers take another domain as the organisation's")
	}
	for _, uris := range []string{"rua", "ruf"} {
		if lost := missing(withoutSizes(p.get(uris)), withoutSizes(now.get(uris))); len(lost) > 0 {
			e.add(Weakened, dmarcRule, "reports no longer go to %s (%s)", quoted(strings.Join(lost, ",")), uris)
		}
	}
	return changes, e.sum(fault{reason: "tags of the DMARC record changed that do not change what receivers do with mail", rule: dmarcRule})
}

// comparePolicies judges what happens to mail that does not pass. A tag that changed without
// any receiver doing anything else is left out.
func (p dmarcPolicy) comparePolicies(now dmarcPolicy, e *effects) {
	weaker, stricter := p.treatment().comparedWith(now.treatment())
	for _, policy := range []string{"p", "sp", "np"} {
		was, is := p.policyOf(policy), now.policyOf(policy)
		name := map[string]string{"p": "policy", "sp": "policy for subdomains", "np": "policy for names that do not exist"}[policy]
		if strength(is) > strength(was) && stricter {
			e.tighten(dmarcRule, "the %s became stricter: %s, was %s", name, is, was)
		} else if strength(is) < strength(was) && weaker {
			e.add(Weakened, dmarcRule, "the %s was weakened: %s, was %s", name, is, was)
		}
	}
	if was, is := p.percent(), now.percent(); is < was && weaker {
		e.add(Weakened, dmarcRule, "the policy was weakened: it applies to %d %% of mail, was %d %%", is, was)
	} else if is > was && stricter {
		e.tighten(dmarcRule, "the policy applies to more mail: %d %%, was %d %%", is, was)
	}
	if was, is := p.get("t"), now.get("t"); was == "n" && is == "y" && weaker {
		e.add(Weakened, dmarcRule, "the policy was weakened: it is marked as a test (t=y)")
	} else if was == "y" && is == "n" && stricter {
		e.tighten(dmarcRule, "the policy is no longer marked as a test: it is applied in full")
	}
}

// treatment is how strictly mail that does not pass is treated, in percent of a step from none over
// quarantine to reject: by receivers that follow RFC 7489 and know p, sp and pct, and by those that
// follow RFC 9989 and know p, sp, np and t.
type treatment [5]int

func (p dmarcPolicy) treatment() treatment {
	sampled := func(name string) int { // RFC 7489 section 6.6.4: the rest gets one step less
		level := strength(p.policyOf(name))
		return p.percent()*level + (100-p.percent())*max(level-1, 0)
	}
	tested := func(name string) int { // RFC 9989 section 4.7: all gets one step less
		level := strength(p.policyOf(name))
		if p.get("t") == "y" {
			level = max(level-1, 0)
		}
		return 100 * level
	}
	return treatment{sampled("p"), sampled("sp"), tested("p"), tested("sp"), tested("np")}
}

// comparedWith says whether some mail is treated less strictly now, and whether some is more.
func (t treatment) comparedWith(now treatment) (weaker, stricter bool) {
	for i := range t {
		weaker = weaker || now[i] < t[i]
		stricter = stricter || now[i] > t[i]
	}
	return weaker, stricter
}

// dmarc is the dialect of policy records.
type dmarc struct{}

func (dmarc) kind() Kind { return DMARC }

// is follows RFC 7489 section 6.6.3: what does not begin with this version is
// discarded. The value is case-sensitive.
func (dmarc) is(text []byte) bool { return versionIs(text, "DMARC1") }

func (dmarc) nearly(text []byte) string { return versionNearly(text, "DMARC1") }

func (dmarc) several(n int) *fault {
	return &fault{
		reason: fmt.Sprintf("there are %d DMARC records and only one is allowed: receivers discard all of them", n),
		rule:   "RFC 9989 section 4.10", impact: Degraded,
	}
}

func (dmarc) gone(said statement) *fault {
	was, known := said.(dmarcPolicy)
	f := &fault{
		reason: "there is no DMARC record: large receivers refuse bulk mail without one",
		rule:   "RFC 9989 section 4.10", impact: Degraded,
	}
	if known && was.get("p") != "none" {
		f.reason = fmt.Sprintf("there is no DMARC record, which told receivers to %s mail that does not pass; large receivers refuse bulk mail without one", was.get("p"))
	}
	return f
}

// widened: a policy that still has all wanted tags has kept its sense.
func (dmarc) widened(_, _ statement) *fault { return nil }

func (dmarc) lacks(s statement, want []string) string {
	p := s.(dmarcPolicy)
	for _, t := range wantedDMARCTags(want) {
		if t.name == "rua" || t.name == "ruf" {
			if lost := missing(splitURIs(t.value), splitURIs(p.get(t.name))); len(lost) > 0 {
				return fmt.Sprintf("the DMARC record does not send reports to %s (%s)", quoted(strings.Join(lost, ",")), t.name)
			}
			continue
		}
		if p.get(t.name) != t.value {
			return fmt.Sprintf("the DMARC record does not have %s", quoted(t.name+"="+t.value))
		}
	}
	return ""
}

func (dmarc) validTerms(want []string) error {
	terms := wantedDMARCTags(want)
	if len(terms) == 0 {
		return fmt.Errorf("%s names no tag to look for", quoted(strings.Join(want, "; ")))
	}
	for _, t := range terms {
		if t.value == "" {
			return fmt.Errorf("%s is not a valid tag of a DMARC record", quoted(t.name))
		}
	}
	return nil
}

// wantedDMARCTags reads tags, or whole records, as the values that they would have.
// A tag that is unknown or has an invalid value comes out empty.
func wantedDMARCTags(want []string) []tagValue {
	var out []tagValue
	for _, t := range parseTags(strings.Join(want, ";")).tags {
		if t.name == "v" {
			continue
		}
		value := ""
		if i := slices.IndexFunc(dmarcTags, func(d dmarcTag) bool { return d.name == t.name }); i >= 0 {
			value, _ = dmarcTags[i].read(t.value)
		}
		out = append(out, tagValue{name: t.name, value: value, given: true})
	}
	return out
}

// dmarcTag is one tag with its default and how its value is read: in canonical spelling, or
// not at all.
type dmarcTag struct {
	name, byDefault string
	read            func(string) (string, bool)
}

// dmarcTags are those of RFC 9989 section 4.7 and the ones that it removed from
// RFC 7489 section 6.3, which many receivers still obey.
var dmarcTags = []dmarcTag{
	{"adkim", "r", oneOf("r", "s")},
	{"aspf", "r", oneOf("r", "s")},
	{"fo", "0", readFailureOptions},
	{"np", "", oneOf(policies...)},
	{"p", "", oneOf(policies...)},
	{"pct", "100", readPercent},
	{"psd", "u", oneOf("y", "n", "u")},
	{"rf", "afrf", oneOf("afrf", "iodef")},
	{"ri", "86400", readNumber},
	{"rua", "", readReportURIs},
	{"ruf", "", readReportURIs},
	{"sp", "", oneOf(policies...)},
	{"t", "n", oneOf("y", "n")},
}

// parse is lenient as RFC 7489 section 6.3 wants: what cannot be read counts as
// its default.
func (dmarc) parse(text string) (statement, *fault) {
	bad := func(rule, format string, args ...any) (statement, *fault) {
		return nil, &fault{reason: fmt.Sprintf(format, args...), rule: rule, impact: Degraded}
	}
	if !(dmarc{}).is([]byte(text)) {
		return bad("RFC 9989 section 4.7", `%s does not begin with "v=DMARC1;"`, quoted(text))
	}
	list := parseTags(text)
	if twice := list.twice(); twice != "" {
		return bad("RFC 6376 section 3.2", "the DMARC record is invalid: the tag %s appears twice", twice)
	}
	p := dmarcPolicy{tags: make([]tagValue, 0, len(dmarcTags)), notes: list.unknown(append(dmarcTagNames(), "v")...)}
	for _, stray := range list.stray {
		p.notes = append(p.notes, fmt.Sprintf("%s is not a tag and ignored", quoted(stray)))
	}
	wrong := ""
	for _, known := range dmarcTags {
		written, found := list.get(known.name)
		t, note := known.parse(written, found)
		p.tags = append(p.tags, t)
		if note != "" {
			p.notes = append(p.notes, note)
		}
		if t.name == "p" && t.value == "" || note != "" && (t.name == "sp" || t.name == "np") {
			wrong = t.name
		}
	}
	if wrong != "" {
		return p.orNone(wrong, bad)
	}
	return p, nil
}

// parse reads a tag's value, or takes its default.
func (d dmarcTag) parse(written string, found bool) (tagValue, string) {
	t := tagValue{name: d.name, value: d.byDefault}
	if !found {
		return t, ""
	}
	value, ok := d.read(written)
	if !ok {
		return t, fmt.Sprintf("%s is not valid and ignored", quoted(d.name+"="+written))
	}
	t.value, t.given = value, true
	if bad := wrongURIs(written); (d.name == "rua" || d.name == "ruf") && len(bad) > 0 {
		return t, fmt.Sprintf("%s in %s is not an address for reports (mailto:…) and ignored", listed(bad), d.name)
	}
	return t, ""
}

// orNone applies RFC 9989 section 4.10.1: without a valid p, or with an sp or np that is not
// valid, a record that names where reports go means p=none; any other is no DMARC record.
func (p dmarcPolicy) orNone(wrong string, bad func(string, string, ...any) (statement, *fault)) (statement, *fault) {
	const rule = "RFC 9989 section 4.10.1"
	if p.get("rua") == "" {
		return bad(rule, "the DMARC record has no valid policy (%s): receivers ignore it", wrong)
	}
	for i := range p.tags {
		switch p.tags[i].name {
		case "p":
			p.tags[i].value = "none"
		case "sp", "np":
			p.tags[i] = tagValue{name: p.tags[i].name}
		}
	}
	p.notes = append(p.notes, fmt.Sprintf("without a valid %s the policy is none", wrong))
	return p, nil
}

func dmarcTagNames() []string {
	names := make([]string, 0, len(dmarcTags)+1)
	for _, t := range dmarcTags {
		names = append(names, t.name)
	}
	return names
}

// oneOf reads a word in any case.
func oneOf(words ...string) func(string) (string, bool) {
	return func(s string) (string, bool) {
		s = strings.ToLower(s)
		if !slices.Contains(words, s) {
			return "", false
		}
		return s, true
	}
}

// readFailureOptions reads fo: any of 0, 1, d and s, separated by colons.
func readFailureOptions(s string) (string, bool) {
	list := splitList(strings.ToLower(s))
	for _, option := range list {
		if !slices.Contains([]string{"0", "1", "d", "s"}, option) {
			return "", false
		}
	}
	return strings.Join(list, ":"), len(list) > 0
}

func readPercent(s string) (string, bool) {
	n, err := strconv.ParseUint(s, 10, 8)
	return strconv.FormatUint(n, 10), err == nil && n <= 100
}

func readNumber(s string) (string, bool) {
	n, err := strconv.ParseUint(s, 10, 32)
	return strconv.FormatUint(n, 10), err == nil
}
