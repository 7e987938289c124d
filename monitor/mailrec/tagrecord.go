package mailrec

import (
	"fmt"
	"strings"
)

// tagRecord is a parsed record of a kind that is a plain tag list: MTA-STS,
// TLS-RPT, BIMI.
type tagRecord struct {
	version string
	tags    []tagValue
	wrong   *fault
	notes   []string
	// effect says what a changed value of a tag does.
	effect func(name, was, now string) *fault
}

func (r tagRecord) canonical() string { return canonicalTags(r.version, r.tags) }
func (r tagRecord) defect() *fault    { return r.wrong }
func (r tagRecord) remarks() []string { return r.notes }

func (r tagRecord) turnInto(other statement) ([]Change, *fault) {
	now := other.(tagRecord)
	changes := tagChanges(r.tags, now.tags)
	if now.wrong != nil {
		return changes, now.wrong
	}
	why := &fault{}
	for _, c := range changes {
		if f := r.effect(c.Term, valueOf(r.tags, c.Term), valueOf(now.tags, c.Term)); why.reason == "" || f.impact > why.impact {
			why = f
		}
	}
	return changes, why
}

// tagGrammar is what the three kinds share.
type tagGrammar struct {
	name, version, rule string
	impact              Impact
}

func (g tagGrammar) is(text []byte) bool       { return versionIs(text, g.version) }
func (g tagGrammar) nearly(text []byte) string { return versionNearly(text, g.version) }
func (g tagGrammar) lacks() string             { return errNoTerms.Error() }

func (g tagGrammar) bad(format string, args ...any) *fault {
	return &fault{reason: fmt.Sprintf("the %s record is invalid: ", g.name) + fmt.Sprintf(format, args...), rule: g.rule, impact: g.impact}
}

func (g tagGrammar) several(n int, then string) *fault {
	return &fault{reason: fmt.Sprintf("there are %d %s records and only one is allowed: %s", n, g.name, then), rule: g.rule, impact: g.impact}
}

func (g tagGrammar) gone(then string) *fault {
	return &fault{reason: fmt.Sprintf("there is no %s record: %s", g.name, then), rule: g.rule, impact: g.impact}
}

// list reads the tags; the version has to come first.
func (g tagGrammar) list(text string) (tagList, *fault) {
	if !g.is([]byte(text)) {
		return tagList{}, g.bad(`it does not begin with "v=%s;"`, g.version)
	}
	list := parseTags(text)
	if twice := list.twice(); twice != "" {
		return list, g.bad("the tag %s appears twice", twice)
	}
	if len(list.stray) > 0 {
		return list, g.bad("%s is not a tag", quoted(list.stray[0]))
	}
	return list, nil
}

// mtaSTS is the dialect of MTA-STS records (RFC 8461 section 3.1). The policy itself is
// a web page and not judged here.
type mtaSTS struct{}

func (mtaSTS) grammar() tagGrammar {
	return tagGrammar{"MTA-STS", "STSv1", "RFC 8461 section 3.1", Weakened}
}
func (mtaSTS) kind() Kind                         { return MTASTS }
func (k mtaSTS) is(text []byte) bool              { return k.grammar().is(text) }
func (k mtaSTS) nearly(text []byte) string        { return k.grammar().nearly(text) }
func (k mtaSTS) lacks(statement, []string) string { return k.grammar().lacks() }
func (mtaSTS) validTerms([]string) error          { return errNoTerms }
func (mtaSTS) widened(_, _ statement) *fault      { return nil }

func (k mtaSTS) several(n int) *fault {
	return k.grammar().several(n, "senders find no new policy")
}

func (k mtaSTS) gone(statement) *fault {
	return k.grammar().gone("mail to the domain is not protected once cached policies end")
}

func (k mtaSTS) parse(text string) (statement, *fault) {
	g := k.grammar()
	list, err := g.list(text)
	if err != nil {
		return nil, err
	}
	id, _ := list.get("id")
	if !isPolicyID(id) {
		return nil, g.bad("id must be 1 to 32 letters and digits, not %s", quoted(id))
	}
	return tagRecord{
		version: g.version, tags: []tagValue{{"id", id, true}}, notes: list.unknown("v", "id"),
		effect: func(_, _, _ string) *fault {
			return &fault{reason: "the id of the MTA-STS policy changed: senders fetch the policy again", rule: g.rule}
		},
	}, nil
}

func isPolicyID(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(strings.ToLower(s), "abcdefghijklmnopqrstuvwxyz0123456789") == ""
}

// tlsRPT is the dialect of TLS reporting records (RFC 8460 section 3).
type tlsRPT struct{}

func (tlsRPT) grammar() tagGrammar {
	return tagGrammar{"TLS-RPT", "TLSRPTv1", "RFC 8460 section 3", Weakened}
}
func (tlsRPT) kind() Kind                         { return TLSRPT }
func (k tlsRPT) is(text []byte) bool              { return k.grammar().is(text) }
func (k tlsRPT) nearly(text []byte) string        { return k.grammar().nearly(text) }
func (k tlsRPT) lacks(statement, []string) string { return k.grammar().lacks() }
func (tlsRPT) validTerms([]string) error          { return errNoTerms }
func (tlsRPT) widened(_, _ statement) *fault      { return nil }
func (k tlsRPT) several(n int) *fault             { return k.grammar().several(n, "nobody reports") }
func (k tlsRPT) gone(statement) *fault            { return k.grammar().gone("nobody reports failures of TLS") }

func (k tlsRPT) parse(text string) (statement, *fault) {
	g := k.grammar()
	list, err := g.list(text)
	if err != nil {
		return nil, err
	}
	written, _ := list.get("rua")
	rua, ok := readURIs(written)
	for _, uri := range splitURIs(rua) {
		ok = ok && (strings.HasPrefix(uri, "mailto:") || strings.HasPrefix(uri, "https:"))
	}
	if !ok {
		return nil, g.bad("rua must be a list of mailto: and https: addresses, not %s", quoted(written))
	}
	return tagRecord{
		version: g.version, tags: []tagValue{{"rua", rua, true}}, notes: list.unknown("v", "rua"),
		effect: func(_, was, now string) *fault {
			if lost := missing(splitURIs(was), splitURIs(now)); len(lost) > 0 {
				return &fault{reason: "reports about TLS no longer go to " + listed(lost), rule: g.rule, impact: Weakened}
			}
			return &fault{reason: "reports about TLS also go to " + listed(missing(splitURIs(now), splitURIs(was))), rule: g.rule}
		},
	}, nil
}

// bimi is the dialect of brand indicator records (an Internet-Draft).
type bimi struct{}

func (bimi) grammar() tagGrammar {
	return tagGrammar{"BIMI", "BIMI1", "draft-brand-indicators-for-message-identification section 4.2", Weakened}
}
func (bimi) kind() Kind                         { return BIMI }
func (k bimi) is(text []byte) bool              { return k.grammar().is(text) }
func (k bimi) nearly(text []byte) string        { return k.grammar().nearly(text) }
func (k bimi) lacks(statement, []string) string { return k.grammar().lacks() }
func (bimi) validTerms([]string) error          { return errNoTerms }
func (bimi) widened(_, _ statement) *fault      { return nil }
func (k bimi) several(n int) *fault             { return k.grammar().several(n, "no logo is shown") }
func (k bimi) gone(statement) *fault            { return k.grammar().gone("no logo is shown") }

// lowerURL spells an address without the case that means nothing.
func lowerURL(s string) string {
	if good, ok := readURI(s); ok {
		return good
	}
	return s
}

func (k bimi) parse(text string) (statement, *fault) {
	g := k.grammar()
	list, err := g.list(text)
	if err != nil {
		return nil, err
	}
	l, hasLocation := list.get("l")
	a, hasAuthority := list.get("a")
	for _, uri := range []string{l, a} {
		if uri != "" && !strings.HasPrefix(strings.ToLower(uri), "https://") {
			return nil, g.bad("%s is not an https address", quoted(uri))
		}
	}
	if !hasLocation {
		return nil, g.bad("it has no tag l with the logo's address")
	}
	r := tagRecord{
		version: g.version, notes: list.unknown("v", "l", "a", "avp", "lps"),
		tags: []tagValue{{"a", lowerURL(a), hasAuthority && a != ""}, {"l", lowerURL(l), true}},
		effect: func(name, _, now string) *fault {
			if name == "a" && now == "" {
				return &fault{reason: "the logo's certificate is gone (a): receivers that want one no longer show the logo", rule: g.rule, impact: Weakened}
			}
			return &fault{reason: "the logo or its certificate is another one", rule: g.rule}
		},
	}
	if l == "" && a == "" {
		r.wrong = &fault{reason: "the domain declines to show a logo: l= and a= are empty", rule: g.rule, impact: Weakened, deliberate: true}
	}
	return r, nil
}
