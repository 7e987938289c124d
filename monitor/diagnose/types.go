package diagnose

import (
	"fmt"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// typeSPF is the type that SPF records had before RFC 7208 section 3.1.
const typeSPF rrset.Type = 99

// wrongType finds the wanted value in a record of another type.
func (x *exam) wrongType() []Diagnosis {
	if x.published() {
		return nil
	}
	for _, typ := range x.otherTypes() {
		a := x.look(x.Name, typ)
		if a.Status != view.Found || len(a.Chain) > 0 || !x.fits(as(x.typ(), a.Set)) && !x.textInAlias(a.Set) {
			continue
		}
		name := typ.String()
		if typ == typeSPF {
			name = "SPF (99)"
		}
		return []Diagnosis{x.diagnosis(WrongType, Certain,
			fmt.Sprintf("The value stands at %s, but in a record of type %s instead of %s: nobody looks for it there.", x.Name, name, x.typ()),
			fmt.Sprintf("Delete the %s record and publish one of type %s.", name, x.typ()), quoted(as(rrset.TXT, a.Set).Lines())...).by(typeRule(typ))}
	}
	return nil
}

func typeRule(t rrset.Type) string {
	if t == typeSPF {
		return "RFC 7208 section 3.1"
	}
	return "RFC 1034 section 3.6"
}

// otherTypes are the types that are mistaken for the wanted one.
func (x *exam) otherTypes() []rrset.Type {
	switch x.typ() {
	case rrset.TXT:
		if x.kind() == mailrec.SPF {
			return []rrset.Type{rrset.CNAME, typeSPF}
		}
		return []rrset.Type{rrset.CNAME}
	case rrset.MX:
		return []rrset.Type{rrset.CNAME, rrset.TXT}
	case rrset.CNAME:
		return []rrset.Type{rrset.TXT, rrset.MX}
	case rrset.A, rrset.AAAA, rrset.NS, rrset.SOA, rrset.PTR, rrset.TLSA, rrset.CAA, rrset.DS, rrset.RRSIG, rrset.DNSKEY:
	}
	return nil
}

// as reads the values of a set as another type; what cannot be read so is left out.
func as(typ rrset.Type, set rrset.Set) rrset.Set {
	if set.Type == typeSPF {
		set.Type = rrset.TXT // the format is the same
	}
	var data [][]byte
	lines := set.Lines()
	if set.Type == rrset.MX && typ != rrset.MX {
		lines = nil
		for _, e := range set.Exchanges() {
			lines = append(lines, string(e.Host))
		}
	}
	if set.Type == typ {
		return set
	}
	for _, l := range lines {
		if one, err := rrset.Parse(typ, strings.Trim(strings.TrimSpace(l), `"`)); err == nil {
			data = append(data, one.Data...)
		}
	}
	return rrset.NewSet(typ, data...)
}

// textInAlias says whether a CNAME's target is the text of a TXT record: panels take it, lower its
// case and may append the zone.
func (x *exam) textInAlias(set rrset.Set) bool {
	if set.Type != rrset.CNAME || x.typ() != rrset.TXT {
		return false
	}
	for _, h := range set.Hosts() {
		target := squeeze(unescape(strings.TrimSuffix(string(h), "."+string(x.zone))))
		for _, version := range versions {
			if strings.HasPrefix(target, strings.ToLower(version)) {
				return true
			}
		}
		for _, w := range x.wanted() {
			if squeeze(w) == target {
				return true
			}
		}
	}
	return false
}

// unescape undoes \DDD and \c in a name.
func unescape(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out.WriteByte(s[i])
			continue
		}
		if i+3 < len(s) && strings.Trim(s[i+1:i+4], "0123456789") == "" {
			n := int(s[i+1]-'0')*100 + int(s[i+2]-'0')*10 + int(s[i+3]-'0')
			out.WriteByte(byte(n))
			i += 3
		}
	}
	return out.String()
}

// squeeze takes blanks and case away.
func squeeze(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }

// hidden finds a CNAME at the name: no other record at it is ever seen.
func (x *exam) hidden() []Diagnosis {
	if x.kind() == mailrec.CNAME || x.published() {
		return nil
	}
	a := x.look(x.Name, rrset.CNAME)
	if a.Status != view.Found || x.textInAlias(a.Set) || len(a.Set.Hosts()) == 0 || x.fits(as(x.typ(), a.Set)) {
		return nil
	}
	target := a.Set.Hosts()[0]
	if wanted, ok := x.wantsAlias(); ok {
		return x.wantedAlias(target, wanted)
	}
	end := x.look(target, x.typ())
	evidence := []string{fmt.Sprintf("%s CNAME %s", x.Name, shown(target)), fmt.Sprintf("%s %s: %s", shown(target), x.typ(), said(end))}
	if x.Name == x.zone {
		evidence = append(evidence, "at a zone's apex a CNAME hides its SOA, NS and MX records too")
	}
	if end.Status == view.NXDomain {
		return []Diagnosis{x.diagnosis(CNAMEBroken, Certain,
			fmt.Sprintf("%s is a CNAME to %s, which does not exist; whoever can register that name can put a record there.", x.Name, shown(target)),
			"Delete the CNAME, or have whoever runs its target publish the record there.", evidence...).by("RFC 1034 section 3.6.2")}
	}
	return []Diagnosis{x.diagnosis(CNAMEHides, Certain,
		fmt.Sprintf("%s is a CNAME to %s: whatever else is published at that name is not seen.", x.Name, shown(target)),
		fmt.Sprintf("Delete the CNAME and publish the %s record in its place, or publish the record at %s.", x.typ(), shown(target)), evidence...).by("RFC 1034 section 3.6.2")}
}

// wantedAlias says what is wrong where a CNAME must be: it leads elsewhere, or what it leads to has
// no record.
func (x *exam) wantedAlias(target, wanted rrset.Name) []Diagnosis {
	if target != wanted {
		return []Diagnosis{x.diagnosis(WrongAlias, Certain,
			fmt.Sprintf("%s is a CNAME to %s instead of %s.", x.Name, shown(target), wanted),
			"Change the target of the CNAME.", fmt.Sprintf("%s CNAME %s", x.Name, shown(target))).by("RFC 1034 section 3.6.2")}
	}
	end := x.look(target, x.typ())
	return []Diagnosis{x.diagnosis(TargetEmpty, Certain,
		fmt.Sprintf("The CNAME at %s is right, but the mail service publishes no usable record at its target %s.", x.Name, wanted),
		"Finish or repeat the verification in the mail service's console, then ask its support: nothing in your zone mends it.",
		fmt.Sprintf("%s %s: %s", wanted, x.typ(), said(end))).by("RFC 6376 section 3.6.2.1").publishing(nil)}
}
