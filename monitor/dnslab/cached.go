package dnslab

import (
	"math"
	"slices"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// cached is what is known about a name and type: records, or none.
type cached struct {
	rcode int
	rrs   []dns.RR
	// soa proves absence.
	soa []dns.RR
	// alias is the target, if the records are a CNAME instead of those asked for.
	alias rrset.Name
	at    time.Time
	until time.Time
}

// allTypes is the type under which it is remembered that a name does not exist.
const allTypes rrset.Type = 0

// interpret takes from an answer what it says about the name itself. What it says
// about the targets of CNAMEs is asked for again.
func interpret(name rrset.Name, typ rrset.Type, m *dns.Msg, now time.Time) cached {
	c := cached{at: now, rrs: recordsAt(m.Answer, name, typ)}
	if len(c.rrs) == 0 && typ != rrset.CNAME {
		c.rrs = recordsAt(m.Answer, name, rrset.CNAME)
		c.alias = aliasOf(c.rrs)
	}
	if len(c.rrs) == 0 {
		c.rcode = m.Rcode
		for _, rr := range m.Ns {
			if soa, ok := rr.(*dns.SOA); ok {
				soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl) // RFC 2308 section 5
				c.soa = []dns.RR{soa}
			}
		}
	}
	c.until = now.Add(time.Duration(c.ttl()) * time.Second)
	return c
}

// recordsAt gives the records of an RRset.
func recordsAt(rrs []dns.RR, name rrset.Name, typ rrset.Type) []dns.RR {
	var out []dns.RR
	for _, rr := range rrs {
		if rrset.FromFQDN(rr.Header().Name) == name && rr.Header().Rrtype == uint16(typ) {
			out = append(out, rr)
		}
	}
	return out
}

// aliasOf gives the target of a CNAME record, empty if there is none.
func aliasOf(rrs []dns.RR) rrset.Name {
	if len(rrs) == 0 {
		return ""
	}
	if cname, ok := rrs[0].(*dns.CNAME); ok {
		return rrset.FromFQDN(cname.Target)
	}
	return ""
}

// ttl is how long an answer may be kept, in seconds: absence without proof not at
// all (RFC 2308 section 5), nor what has the highest bit set (RFC 2181 section 8).
func (c cached) ttl() uint32 {
	all := slices.Concat(c.rrs, c.soa)
	if len(all) == 0 {
		return 0
	}
	ttl := uint32(math.MaxInt32)
	for _, rr := range all {
		if ttl = min(ttl, rr.Header().Ttl); rr.Header().Ttl > math.MaxInt32 {
			return 0
		}
	}
	return ttl
}

// aged counts TTLs down.
func (c cached) aged(now time.Time) cached {
	age := uint32(max(0, now.Sub(c.at)) / time.Second)
	return c.with(func(ttl uint32) uint32 { return ttl - min(age, ttl) })
}

// with gives a copy whose records have other TTLs.
func (c cached) with(ttl func(uint32) uint32) cached {
	for _, section := range []*[]dns.RR{&c.rrs, &c.soa} {
		out := make([]dns.RR, 0, len(*section))
		for _, rr := range *section {
			rr = dns.Copy(rr)
			rr.Header().Ttl = ttl(rr.Header().Ttl)
			out = append(out, rr)
		}
		*section = out
	}
	return c
}
