package diagnose

import (
	"fmt"
	"time"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// cached says who still remembers what was there before, and until when.
func (x *exam) cached() []Diagnosis {
	if servers := x.authorities(all); len(servers) == 0 || len(x.authorities(good)) < len(servers)-len(x.authorities(failed)) || !x.published() {
		return nil
	}
	var absent, old []Source
	for _, s := range x.Sources {
		switch {
		case s.Authority || s.Good || s.Bogus:
		case s.Answer.Status.Absent():
			absent = append(absent, s)
		case s.Answer.Status == view.Found:
			old = append(old, s)
		}
	}
	var out []Diagnosis
	if len(absent) > 0 {
		d := x.remembered(NegativeCache, absent, "the record is there, but %s asked before it was and still remember that it was not").by("RFC 2308 section 5")
		out = append(out, d)
	}
	if len(old) > 0 {
		d := x.remembered(OldValueCached, old, "the record is right in the zone, but %s still remember an older one").by("RFC 1034 section 3.6")
		out = append(out, d)
	}
	return out
}

// remembered is a diagnosis that time mends.
func (x *exam) remembered(cause Cause, by []Source, sentence string) Diagnosis {
	var until time.Time
	var evidence []string
	for _, s := range by {
		ends := s.At.Add(time.Duration(s.Answer.TTL) * time.Second)
		if ends.After(until) {
			until = ends
		}
		evidence = append(evidence, fmt.Sprintf("%s: %s, for another %s", s.ID, said(s.Answer), seconds(s.Answer.TTL)))
	}
	d := x.diagnosis(cause, Likely,
		fmt.Sprintf("At the zone's servers "+sentence+".", plural(len(by), "resolver")),
		fmt.Sprintf("Wait: the last of them forgets it at %s. Some offer a page to flush their cache.", clock(until)), evidence...).publishing(nil)
	d.Until = until
	return d
}

// parentName finds NXDOMAIN at a name above one that exists: resolvers that know RFC 8020 then
// deny all names below it.
func (x *exam) parentName() []Diagnosis {
	if !x.published() {
		return nil
	}
	for n := x.Name.Parent(); n != x.Domain && n.IsAtOrBelow(x.Domain); n = n.Parent() {
		if x.look(n, rrset.TXT).Status != view.NXDomain {
			continue
		}
		return []Diagnosis{x.diagnosis(BrokenParentName, Certain,
			fmt.Sprintf("The zone's servers deny %s (NXDOMAIN) although there is a record below it: resolvers then need not look for %s and say that it does not exist.", n, x.Name),
			fmt.Sprintf("Tell the DNS host: it must answer NOERROR for %s. Until then a TXT record of any text at %s helps.", n, n),
			fmt.Sprintf("%s TXT: NXDOMAIN", n)).by("RFC 8020 section 2").publishing(nil)}
	}
	return nil
}

// nobody is a label at which nobody publishes anything: what is found there comes from a wildcard.
const nobody = "maildrift-finds-nothing-here"

// wildcard finds that the answer is a wildcard's, not a record's.
func (x *exam) wildcard() []Diagnosis {
	if x.Name == x.zone || x.Answer.Status != view.Found || x.published() {
		return nil
	}
	for n := x.Name.Parent(); n.IsAtOrBelow(x.zone); n = n.Parent() {
		if !x.fromWildcard(n.Child("x"), x.Answer.Set) {
			continue
		}
		return []Diagnosis{x.diagnosis(WildcardAnswers, Certain,
			fmt.Sprintf("What %s answers comes from the wildcard *.%s: every name there says the same, and the record itself does not exist.", x.Name, n),
			"Publish the record at its own name: it then goes before the wildcard.",
			fmt.Sprintf("%s %s says the same", n.Child(nobody), x.typ())).by("RFC 4592 section 2.2")}
	}
	return nil
}

// fromWildcard says whether a set is what any name beside this one has.
func (x *exam) fromWildcard(name rrset.Name, set rrset.Set) bool {
	if name == x.zone || !name.IsAtOrBelow(x.zone) {
		return false
	}
	a := x.look(name.Parent().Child(nobody), set.Type)
	return a.Status == view.Found && a.Set.Equal(set)
}
