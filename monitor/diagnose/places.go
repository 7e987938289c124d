package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// place is a name at which a record is published by mistake.
type place struct {
	cause Cause
	name  rrset.Name
	// shared says that another record of the kind may rightly be there.
	shared bool
	why    string
}

// places lists the names at which the record may be by mistake. A name is tried once.
func (x *exam) places() []place {
	var out []place
	add := func(cause Cause, name string, shared bool, why string) {
		n := rrset.Name(name)
		known := slices.ContainsFunc(out, func(p place) bool { return p.name == n })
		if n != x.Name && !known && len(name) <= 253 {
			out = append(out, place{cause, n, shared, why})
		}
	}
	x.appended(add)
	x.prefixes(add)
	x.labels(add)
	return out
}

type adder func(cause Cause, name string, shared bool, why string)

// appended are the names that come about when a panel appends the zone to a whole name.
func (x *exam) appended(add adder) {
	why := "the panel appends the zone's name to what is typed as host"
	add(ZoneAppended, string(x.Name)+"."+string(x.zone), false, why)
	add(ZoneAppended, string(x.Name)+"."+string(x.Domain), false, why)
	if x.host() == "" {
		add(LiteralAt, string(rrset.FromText("@."+string(x.Domain))), false, "the panel takes @ for a label: leave the host empty there")
	} else {
		add(HostDoubled, x.host()+"."+string(x.Name), false, "the host is there twice")
	}
}

// prefixes are the names in which the part between zone and sending domain is missing or
// doubled.
func (x *exam) prefixes(add adder) {
	prefix := x.prefix()
	if prefix == "" {
		return
	}
	add(PrefixDoubled, string(rrset.Name(prefix+"."+string(x.Domain)).Child(x.host())), false,
		fmt.Sprintf("the prefix %q is there twice", prefix))
	for n := x.Domain.Parent(); n.IsAtOrBelow(x.zone); n = n.Parent() {
		add(PrefixForgotten, string(n.Child(x.host())), true, fmt.Sprintf("the prefix %q was left out of the host", prefix))
		if n == rrset.Root {
			return
		}
	}
}

// labels are the names that come about when a label of the host is left out, doubled or
// loses its underscore.
func (x *exam) labels(add adder) {
	host, domain := x.host(), "."+string(x.Domain)
	if host == "" {
		for _, word := range kindWords(x.kind()) {
			add(KindAsHost, word+domain, true, fmt.Sprintf("%q was typed as host: the record belongs at the domain itself", word))
		}
		return
	}
	add(UnderscoreDropped, strings.ReplaceAll(host, "_", "")+domain, false, "the underscore was left out")
	for i := range host {
		if host[i] == '_' {
			add(UnderscoreDropped, host[:i]+host[i+1:]+domain, false, "the underscore was left out")
		}
	}
	if selector, ok := strings.CutSuffix(host, "._domainkey"); ok {
		add(DomainkeyDoubled, host+"._domainkey"+domain, false, "._domainkey is there twice")
		add(DomainkeyMissing, selector+domain, true, "._domainkey is missing behind the selector")
		add(SelectorMissing, "_domainkey"+domain, false, "the selector is missing in front of _domainkey")
	}
	add(HostForgotten, string(x.Domain), true, fmt.Sprintf("the host %q was left out", host))
}

// kindWords are what people type as host for a record that belongs at the domain.
func kindWords(k mailrec.Kind) []string {
	switch k {
	case mailrec.SPF:
		return []string{"spf", "_spf"}
	case mailrec.MX:
		return []string{"mx", "mail"}
	case mailrec.Ownership, mailrec.DKIM, mailrec.DMARC, mailrec.CNAME, mailrec.NS, mailrec.TXT, mailrec.A, mailrec.AAAA,
		mailrec.PTR, mailrec.MTASTS, mailrec.TLSRPT, mailrec.BIMI:
	}
	return nil
}

// misplaced finds the record at another name.
func (x *exam) misplaced() []Diagnosis {
	if x.published() {
		return nil
	}
	var out []Diagnosis
	for _, p := range x.places() {
		if p.shared && !x.specific() {
			continue
		}
		if p.cause == KindAsHost && slices.ContainsFunc(x.texts(), func(t string) bool { return strings.Contains(t, string(p.name)) }) {
			continue // the record leads there on purpose
		}
		a := x.look(p.name, x.typ())
		if a.Status != view.Found || !x.fits(a.Set) || x.fromWildcard(p.name, a.Set) {
			continue
		}
		sure := Certain
		if p.shared {
			sure = Likely
		}
		lines := x.Expectation.Select(a.Set).Lines()
		d := x.diagnosis(p.cause, sure,
			fmt.Sprintf("The record was published at %s instead of %s: %s.", shown(p.name), x.Name, p.why),
			x.move(p), quoted(lines)...)
		if len(d.Publish) == 0 {
			for _, l := range lines {
				d.Publish = append(d.Publish, x.lines(Record{Name: x.Name, Type: x.typ(), Value: l})...)
			}
		}
		out = append(out, d)
	}
	return out
}

// move says how to put a record where it belongs.
func (x *exam) move(p place) string {
	host := strings.TrimSuffix(string(x.Name), "."+string(x.zone))
	if x.Name == x.zone {
		host = "@"
	}
	fix := fmt.Sprintf("Publish it at %s: in a panel that appends %s, type %q as host.", x.Name, x.zone, host)
	if p.shared {
		return fix + fmt.Sprintf(" Delete the one at %s if nothing else needs it.", shown(p.name))
	}
	return fix + fmt.Sprintf(" Then delete the one at %s.", shown(p.name))
}
