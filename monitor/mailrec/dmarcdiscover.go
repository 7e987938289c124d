package mailrec

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// maxTreeWalk is how many questions a tree walk asks (RFC 9989 section 4.10).
const maxTreeWalk = 8

// EffectivePolicy is the DMARC policy that receivers apply to mail from a domain, and how they
// find it.
type EffectivePolicy struct {
	// Author is the domain that the mail is from.
	Author rrset.Name
	// At is the domain whose record it is, of which Text is the record; empty if there is none. Own
	// says that it is the author's, not inherited.
	At   rrset.Name
	Text string
	Own  bool
	// Organisation is the organisational domain, which relaxed alignment compares.
	Organisation rrset.Name
	// Asked is what the record asks for: none, quarantine or reject; empty without a record. Tag is
	// the tag that says so: p, sp or np. Applied is what receivers do, which is one less in test
	// mode; Percent the share of mail to which older receivers apply it.
	Asked, Tag, Applied string
	Percent             int
	StrictDKIM          bool
	StrictSPF           bool
	// Reports are the addresses of rua and ruf.
	Reports []string
	// Problem says why receivers find none, or may find none for the moment (Temporary).
	Problem   string
	Temporary bool
	// Final is false if answers were missing: then nothing else means anything.
	Final bool
}

// Found says whether there is a policy.
func (p EffectivePolicy) Found() bool { return p.Asked != "" }

// String says it in a sentence.
func (p EffectivePolicy) String() string {
	if !p.Found() {
		return fmt.Sprintf("no DMARC policy applies to %s: %s", p.Author, p.Problem)
	}
	out := fmt.Sprintf("%s applies to mail from %s, by %s of _dmarc.%s", p.Applied, p.Author, p.Tag, p.At)
	if p.Applied != p.Asked {
		out += fmt.Sprintf(" (%s, marked as a test)", p.Asked)
	}
	if p.Percent < 100 {
		out += fmt.Sprintf(", to %d %% of it at receivers that still read pct", p.Percent)
	}
	return out
}

// discovery is one search under way.
type discovery struct {
	view    view.View
	unasked bool
	failed  string
}

// found is what one name of a walk has.
type found struct {
	name   rrset.Name
	text   string
	policy dmarcPolicy
	ok     bool
	// several says that there are two or more records.
	several bool
}

func (d *discovery) look(name rrset.Name, t rrset.Type) view.Answer {
	q := view.Question{Name: name, Type: t}
	a := d.view.Look(q)
	d.unasked = d.unasked || a.Status == view.Unasked
	if a.Status == view.Failed && d.failed == "" {
		d.failed = fmt.Sprintf("the question %s was not answered: %s", q, cmp.Or(a.Detail, "a failure"))
	}
	return a
}

// at reads the record of one domain. What is not a DMARC record is discarded, and so are all
// if there are several.
func (d *discovery) at(name rrset.Name) found {
	out := found{name: name}
	var texts []string
	for _, text := range d.look(name.Child("_dmarc"), rrset.TXT).Set.Texts() {
		if (dmarc{}).is(text) {
			texts = append(texts, string(text))
		}
	}
	out.several = len(texts) > 1
	if len(texts) != 1 {
		return out
	}
	if said, err := (dmarc{}).parse(texts[0]); err == nil {
		out.policy, out.ok = said.(dmarcPolicy)
		out.text = texts[0]
	}
	return out
}

// targets are the names that a walk from a domain asks about, without the domain itself: its
// parents, of long names only those of at most seven labels.
func targets(domain rrset.Name) []rrset.Name {
	var out []rrset.Name
	n := domain.Parent()
	for n.Labels() > maxTreeWalk-1 {
		n = n.Parent()
	}
	for ; n != rrset.Root; n = n.Parent() {
		out = append(out, n)
	}
	return out
}

// walk finds the records from a domain up to where the tree says that it ends (RFC 9989 section
// 4.10). It stops where an answer is missing or failed.
func (d *discovery) walk(domain rrset.Name) []found {
	var out []found
	for _, n := range append([]rrset.Name{domain}, targets(domain)...) {
		f := d.at(n)
		if d.unasked || d.failed != "" {
			return out
		}
		if f.ok {
			out = append(out, f)
			if psd := f.policy.get("psd"); psd == "n" || psd == "y" && n != domain {
				return out
			}
		}
	}
	return out
}

// organisation is the organisational domain that a walk shows (RFC 9989 section 4.10.2).
func organisation(domain rrset.Name, walk []found) rrset.Name {
	for _, f := range walk {
		switch f.policy.get("psd") {
		case "n":
			return f.name
		case "y":
			if f.name != domain {
				return below(f.name, domain)
			}
		}
	}
	if len(walk) == 0 {
		return domain
	}
	return walk[len(walk)-1].name // the fewest labels
}

// below is the name one label below zone on the way to domain.
func below(zone, domain rrset.Name) rrset.Name {
	n := domain
	for n.Labels() > zone.Labels()+1 {
		n = n.Parent()
	}
	return n
}

// DiscoverDMARC finds the policy that applies to mail from a domain as RFC 9989 section 4.10 says:
// the domain's own record, else that of its organisational domain, else that of the public
// suffix above. It asks at most nine questions.
func DiscoverDMARC(v view.View, author rrset.Name) EffectivePolicy {
	d := &discovery{view: v}
	walk := d.walk(author)
	p := EffectivePolicy{Author: author, Percent: 100, Organisation: organisation(author, walk)}
	for _, wanted := range []rrset.Name{author, p.Organisation} {
		if i := slices.IndexFunc(walk, func(f found) bool { return f.name == wanted }); i >= 0 && !p.Found() {
			p.take(d, walk[i])
		}
	}
	if n := len(walk); !p.Found() && n > 0 && walk[n-1].policy.get("psd") == "y" {
		p.take(d, walk[n-1])
	}
	if p.Found() && p.testing(walk) {
		p.Applied = policies[max(0, strength(p.Asked)-1)]
	}
	p.conclude(d, "no record at or above it")
	return p
}

// testing says whether the record that applies is in test mode (t=y).
func (p EffectivePolicy) testing(walk []found) bool {
	return slices.ContainsFunc(walk, func(f found) bool { return f.name == p.At && f.policy.get("t") == "y" })
}

// DiscoverDMARC7489 finds the policy as RFC 7489 section 6.6.3 says, by which many receivers still go:
// the domain's own record, else that of its organisational domain by the Public Suffix List. Several
// records end the search.
func DiscoverDMARC7489(v view.View, author rrset.Name) EffectivePolicy {
	d := &discovery{view: v}
	p := EffectivePolicy{Author: author, Percent: 100, Organisation: Registrable(author)}
	for _, n := range slices.Compact([]rrset.Name{author, p.Organisation}) {
		f := d.at(n)
		if d.unasked || d.failed != "" {
			break
		}
		if f.several {
			p.conclude(d, fmt.Sprintf("there are several records at _dmarc.%s", n))
			return p
		}
		if f.ok {
			p.take(d, f)
			p.Percent = f.policy.percent()
			break
		}
	}
	p.conclude(d, "no record at it or at its organisational domain "+string(p.Organisation))
	return p
}

// Registrable is the name below the public suffix of a name (publicsuffix.org), which is what
// people register and what RFC 7489 takes for the organisational domain.
func Registrable(n rrset.Name) rrset.Name {
	org, err := publicsuffix.EffectiveTLDPlusOne(string(n))
	if err != nil {
		return n
	}
	return rrset.Name(org)
}

// take applies a record: p to the domain that has it, else sp, or np to a domain that does not
// exist (RFC 8020), each falling back to the one before.
func (p *EffectivePolicy) take(d *discovery, f found) {
	p.At, p.Text, p.Own = f.name, f.text, f.name == p.Author
	p.StrictDKIM, p.StrictSPF = f.policy.get("adkim") == "s", f.policy.get("aspf") == "s"
	p.Reports = slices.Concat(splitURIs(f.policy.get("rua")), splitURIs(f.policy.get("ruf")))
	tags := []string{"p"}
	if !p.Own {
		tags = []string{"sp", "p"}
		if f.policy.get("np") != "" && d.look(p.Author, rrset.A).Status == view.NXDomain {
			tags = []string{"np", "sp", "p"}
		}
	}
	for _, tag := range tags {
		if value := f.policy.get(tag); value != "" {
			p.Asked, p.Applied, p.Tag = value, value, tag
			return
		}
	}
}

// conclude says how the search ended.
func (p *EffectivePolicy) conclude(d *discovery, otherwise string) {
	p.Final = !d.unasked
	switch {
	case d.failed != "":
		*p = EffectivePolicy{Author: p.Author, Percent: 100, Problem: d.failed, Temporary: true, Final: p.Final}
	case !p.Found():
		p.Problem = otherwise
	}
}

// OrganisationalDomain gives the domain that relaxed alignment compares (RFC 9989 section 4.10.2);
// false if answers were missing or failed.
func OrganisationalDomain(v view.View, domain rrset.Name) (rrset.Name, bool) {
	d := &discovery{view: v}
	walk := d.walk(domain)
	return organisation(domain, walk), !d.unasked && d.failed == ""
}

// Aligned says whether an authenticated domain counts for mail from author (RFC 9989 section 4.4):
// it is the same, or, unless strict, has the same organisational domain. The second result is
// false if answers were missing or failed.
func Aligned(v view.View, author, authenticated rrset.Name, strict bool) (aligned, known bool) {
	if strict || author == authenticated {
		return author == authenticated, true
	}
	a, okA := OrganisationalDomain(v, author)
	b, okB := OrganisationalDomain(v, authenticated)
	return a == b, okA && okB
}

// Turn is what the change from one policy to another does.
func (p EffectivePolicy) Turn(now EffectivePolicy) (Relation, string) {
	switch {
	case p.Found() && !now.Found():
		return Broken, "no policy applies any more: " + now.Problem
	case !p.Found() && now.Found():
		return Tightened, now.String()
	case !p.Found():
		return Identical, ""
	}
	was, is := strength(p.Applied), strength(now.Applied)
	switch {
	case is < was || is == was && now.Percent < p.Percent:
		return Loosened, fmt.Sprintf("%s; it was %s", now, p.Applied)
	case is > was || is == was && now.Percent > p.Percent:
		return Tightened, fmt.Sprintf("%s; it was %s", now, p.Applied)
	case p.At != now.At || p.StrictDKIM != now.StrictDKIM || p.StrictSPF != now.StrictSPF:
		return Cosmetic, fmt.Sprintf("%s as before, by the record of %s", now.Applied, now.At)
	}
	return Identical, ""
}

// ReportAddress is where reports about a domain's mail go, and whether they may.
type ReportAddress struct {
	URI  string
	Host rrset.Name
	// Outside says that another organisation's host has to agree (RFC 9990 section 4, RFC 7489 section
	// 7.1): by a record at Consent. Allowed says that it does, or need not.
	Outside bool
	Consent rrset.Name
	Allowed bool
	// Problem says why reports do not arrive; Final is false if answers were missing.
	Problem string
	Final   bool
}

// ReportAddresses looks at the addresses of a policy.
func ReportAddresses(v view.View, p EffectivePolicy) []ReportAddress {
	var out []ReportAddress
	for _, uri := range p.Reports {
		out = append(out, reportAddress(v, p.At, uri))
	}
	return out
}

func reportAddress(v view.View, policy rrset.Name, uri string) ReportAddress {
	r := ReportAddress{URI: uri, Allowed: true, Final: true}
	address, _ := strings.CutPrefix(strings.ToLower(uri), "mailto:")
	address, _, _ = strings.Cut(address, "!")
	_, host, found := strings.Cut(address, "@")
	name, err := rrset.ParseName(host)
	if !found || err != nil {
		r.Allowed, r.Problem = false, fmt.Sprintf("%s is not a mail address", quoted(uri))
		return r
	}
	r.Host = name
	if Registrable(name) == Registrable(policy) {
		return r
	}
	r.Outside, r.Consent = true, rrset.Name(string(policy)+"._report._dmarc."+string(name))
	a := v.Look(view.Question{Name: r.Consent, Type: rrset.TXT})
	agrees := slices.ContainsFunc(a.Set.Texts(), (dmarc{}).is)
	r.Allowed, r.Final = agrees, a.Status != view.Unasked
	switch {
	case a.Status == view.Failed:
		r.Problem = fmt.Sprintf("whether %s agrees to get reports could not be asked: %s", name, a.Detail)
	case !agrees:
		r.Problem = fmt.Sprintf("%s has not agreed to get reports about %s: it lacks a TXT record %q at %s", name, policy, "v=DMARC1", r.Consent)
	}
	return r
}
