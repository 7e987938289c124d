package diagnose

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// gone says that the domain itself does not exist: then nothing else is worth saying. It is
// not final while that is not known.
func (x *exam) gone() (found []Diagnosis, final bool) {
	org := organisation(x.Domain)
	if x.Zone != "" && x.Zone.IsAtOrBelow(org) {
		return nil, true // the parent delegates it
	}
	if x.Zone == "" && x.published() {
		return nil, true
	}
	a := x.view.Look(view.Question{Name: org, Type: rrset.SOA})
	switch {
	case a.Status == view.Unasked:
		return nil, false
	case a.Status != view.NXDomain:
		return nil, true
	}
	d := x.diagnosis(DomainGone, Certain,
		fmt.Sprintf("The domain %s does not exist in the DNS: it has expired, is on hold at its registry, or was never registered.", org),
		"Look it up at its registrar: renew it, complete the verification of its holder, or have the hold lifted. The records come back with it.",
		fmt.Sprintf("%s SOA: NXDOMAIN from the zone above", org)).by("RFC 8020 section 2")
	return []Diagnosis{d}, true
}

// parkingServers serve domains that have expired, are on hold or for sale: whatever their
// owners published is not served any more.
var parkingServers = []rrset.Name{
	"sedoparking.com", "parkingcrew.net", "bodis.com", "parklogic.com", "cashparking.com", "afternic.com",
	"namefind.com", "dan.com", "undeveloped.com", "above.com", "ztomy.com", "smartname.com", "fabulous.com",
	"pendingrenewaldeletion.com", "renewyourname.net", "suspended-domain.com", "failed-whois-verification.namecheap.com",
	"expirens3.hichina.com", "expirens4.hichina.com",
}

func (x *exam) parked() []Diagnosis {
	for _, s := range x.servers {
		if !slices.ContainsFunc(parkingServers, s.IsAtOrBelow) {
			continue
		}
		return []Diagnosis{x.diagnosis(DomainParked, Likely,
			fmt.Sprintf("The zone %s is served by %s, where registrars put domains that have expired, are on hold or for sale.", x.zone, shown(s)),
			"Look the domain up at its registrar: renew it or have the hold lifted, then set its name servers back.",
			"name servers: "+names(x.servers))}
	}
	return nil
}

// bogus says that only those who validate do not get the record.
func (x *exam) bogus() []Diagnosis {
	var evidence []string
	for _, s := range x.Sources {
		if s.Bogus {
			evidence = append(evidence, s.ID+": SERVFAIL, and an answer when told not to validate")
		}
	}
	if len(evidence) == 0 {
		return nil
	}
	return []Diagnosis{x.diagnosis(DNSSECBogus, Certain,
		fmt.Sprintf("DNSSEC is broken in %s: resolvers that validate refuse all that it says, whether the record is there or not.", x.zone),
		"Sign the zone anew, or put the DS record at the registrar in line with the zone's DNSKEY; when nothing else helps, take the DS record away.",
		evidence...).by("RFC 4035 section 5.5").publishing(nil)}
}

// servers of the zone, by what they said.
func (x *exam) authorities(of func(Source) bool) []Source {
	var out []Source
	for _, s := range x.Sources {
		if s.Authority && of(s) {
			out = append(out, s)
		}
	}
	return out
}

func all(Source) bool       { return true }
func failed(s Source) bool  { return s.Answer.Status == view.Failed && len(s.Answer.Chain) == 0 }
func good(s Source) bool    { return s.Good }
func refuses(s Source) bool { return failed(s) && s.Refuses }

// hostsOf names the servers, each once.
func hostsOf(sources []Source) string {
	var out []string
	for _, s := range sources {
		if h := s.host(); !slices.Contains(out, h) {
			out = append(out, h)
		}
	}
	return strings.Join(out, ", ")
}

// unreachable says that the delegation leads to no address.
func (x *exam) unreachable() []Diagnosis {
	if x.NoServers == "" || !x.Zone.IsAtOrBelow(organisation(x.Domain)) {
		return nil
	}
	return []Diagnosis{x.diagnosis(LameDelegation, Likely,
		fmt.Sprintf("The name servers to which %s is delegated cannot be asked: %s.", x.Zone, x.NoServers),
		"Set the name servers at the registrar to hosts that exist and have public addresses.").by("RFC 1912 section 2.8")}
}

// unserved says that none of the zone's servers answers for it.
func (x *exam) unserved() []Diagnosis {
	asked, down := x.authorities(all), x.authorities(failed)
	if len(asked) == 0 || len(down) < len(asked) {
		return nil
	}
	var evidence []string
	for _, s := range down {
		evidence = append(evidence, rrset.Printable([]byte(s.ID))+": "+s.Answer.Detail)
	}
	if len(x.authorities(refuses)) == len(asked) {
		return []Diagnosis{x.diagnosis(LameDelegation, Certain,
			fmt.Sprintf("The name servers to which %s is delegated (%s) do not serve it: no record of it can be seen by anybody.", x.zone, hostsOf(asked)),
			"Create the zone at that DNS host, or set the name servers at the registrar to those that have it.", evidence...).by("RFC 1912 section 2.8")}
	}
	return []Diagnosis{x.diagnosis(ServersSilent, Likely,
		fmt.Sprintf("None of the name servers of %s (%s) answers from here.", x.zone, hostsOf(asked)),
		"See whether the DNS host has an outage; if others are answered, a firewall stands between.", evidence...).by("RFC 2182 section 3").publishing(nil)}
}

// serverWithout says that some of the zone's servers have the record and some not.
func (x *exam) serverWithout() []Diagnosis {
	have := x.authorities(good)
	without := x.authorities(func(s Source) bool { return !s.Good && s.Answer.Status != view.Failed })
	lame := x.authorities(refuses)
	if len(have) == 0 || len(without)+len(lame) == 0 {
		return nil
	}
	var evidence []string
	for _, s := range append(slices.Clone(without), lame...) {
		evidence = append(evidence, rrset.Printable([]byte(s.ID))+": "+said(s.Answer))
	}
	if len(without) == 0 {
		return []Diagnosis{x.diagnosis(LameDelegation, Likely,
			fmt.Sprintf("The name server %s is named in the delegation of %s but does not serve the zone; %s does.", hostsOf(lame), x.zone, hostsOf(have)),
			"Take it out of the delegation at the registrar, or set the zone up on it.", evidence...).by("RFC 1912 section 2.8").publishing(nil)}
	}
	return []Diagnosis{x.diagnosis(ServerWithoutIt, Certain,
		fmt.Sprintf("The name server %s does not have the record, while %s has it: part of the receivers does not see it.", hostsOf(without), hostsOf(have)),
		"Compare the serials in their SOA records: the one that lags does not get the zone's transfers. If they belong to two DNS hosts, publish the record at both.",
		evidence...).by("RFC 1034 section 4.3.5")}
}

// said tells an answer in a few words.
func said(a view.Answer) string {
	switch a.Status {
	case view.Found:
		return cut(strings.Join(a.Set.Lines(), " | "))
	case view.NoData:
		return "no record of the type"
	case view.NXDomain:
		return "no such name (NXDOMAIN)"
	case view.Failed:
		return a.Detail
	case view.Unasked:
	}
	return "not asked"
}

// outside finds the record at servers that the zone is not delegated to.
func (x *exam) outside() []Diagnosis {
	var have []Source
	for _, s := range x.Outside {
		if s.Good {
			have = append(have, s)
		}
	}
	if len(have) == 0 || x.published() {
		return nil
	}
	return []Diagnosis{x.diagnosis(NotTheAuthority, Certain,
		fmt.Sprintf("The record was published at %s, but %s is delegated to %s: nobody asks the former.", hostsOf(have), x.zone, names(x.servers)),
		"Publish it at the name servers of the delegation too, or change the name servers at the registrar.",
		hostsOf(have)+": "+said(have[0].Answer)).by("RFC 1034 section 4.2.2")}
}

// serversDiffer compares the delegation with what the zone says about its servers itself.
func (x *exam) serversDiffer() []Diagnosis {
	a := x.look(x.zone, rrset.NS)
	if len(x.Servers) == 0 || a.Status != view.Found {
		return nil
	}
	own := a.Set.Hosts()
	outside := func(n rrset.Name) bool { return !slices.Contains(x.Servers, n) }
	if !slices.ContainsFunc(own, outside) {
		return nil
	}
	return []Diagnosis{x.diagnosis(NameServersDiffer, Possible,
		fmt.Sprintf("The zone %s names other servers (%s) than its delegation does (%s): a record may be published where few or nobody asks.",
			x.zone, names(own), names(x.Servers)),
		"Make both the same: at the registrar the servers that have the records, and the same NS records in the zone.").by("RFC 1034 section 4.2.2")}
}

// ownZone reminds of a sending domain that is a zone of its own.
func (x *exam) ownZone() []Diagnosis {
	org := organisation(x.Domain)
	if x.Zone == "" || x.Zone == org || !x.Zone.IsAtOrBelow(org) || x.published() {
		return nil
	}
	return []Diagnosis{x.diagnosis(SubdomainZone, Possible,
		fmt.Sprintf("%s is a zone of its own, delegated to %s: a record that was put into the zone %s is not seen.", x.Zone, names(x.servers), org),
		"Publish the record in the zone "+string(x.Zone)+".").by("RFC 1034 section 4.2.1")}
}
