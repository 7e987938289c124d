package dnslab

import (
	"encoding/hex"
	"slices"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// maxChain is how many CNAMEs are followed for one answer.
const maxChain = 11

// owned is an RRset with its owner.
type owned struct {
	name rrset.Name
	entry
}

// records makes records for the library, in the generic form (RFC 3597), so that
// broken RDATA goes out as it is.
func (o owned) records() []dns.RR {
	var out []dns.RR
	for _, data := range o.set.Data {
		hdr := dns.RR_Header{Name: o.name.FQDN(), Rrtype: uint16(o.set.Type), Class: dns.ClassINET, Ttl: o.ttl}
		out = append(out, &dns.RFC3597{Hdr: hdr, Rdata: hex.EncodeToString(data)})
	}
	return out
}

// finding is what an authority knows about a question: the sections of its reply.
type finding struct {
	rcode         int
	authoritative bool
	answer        []owned
	authority     []owned
	additional    []owned
}

// look answers a question as the server called self does (RFC 1034 section 4.3.2).
// It follows CNAMEs as long as they stay in the zone.
func (w *world) look(self, name rrset.Name, typ rrset.Type) finding {
	hosted := func(c *content) bool {
		return slices.ContainsFunc(w.serversOf(c), func(h host) bool { return h.name == self })
	}
	c := w.zoneOf(above(name, typ), hosted)
	if c == nil {
		return finding{rcode: dns.RcodeRefused}
	}
	if below := w.cut(c, above(name, typ)); below != nil {
		return w.refer(c, below)
	}
	f := finding{authoritative: true}
	for range maxChain {
		if e, ok := w.get(c, name, typ); ok {
			f.answer = append(f.answer, owned{name, e})
			f.additional = w.glue(c, e.set)
			return f
		}
		alias, ok := w.get(c, name, rrset.CNAME)
		targets := alias.set.Hosts()
		if !ok || len(targets) == 0 {
			return w.deny(c, f, name)
		}
		f.answer = append(f.answer, owned{name, alias})
		name = targets[0]
		if w.zoneOf(name, hosted) != c || w.cut(c, name) != nil {
			return f
		}
	}
	return f
}

// refer names the servers of a zone below, with the addresses that c knows.
func (w *world) refer(c, below *content) finding {
	ns := entry{w.nameservers(below), ownTTL}
	return finding{authority: []owned{{below.apex, ns}}, additional: w.glue(c, ns.set)}
}

func (w *world) glue(c *content, ns rrset.Set) []owned {
	if ns.Type != rrset.NS {
		return nil
	}
	var out []owned
	for _, name := range ns.Hosts() {
		if e := (entry{w.addresses(name), ownTTL}); name.IsAtOrBelow(c.apex) && !e.set.Empty() {
			out = append(out, owned{name, e})
		}
	}
	return out
}

// deny ends a finding with absence: of the type, or of the name with all below it.
func (w *world) deny(c *content, f finding, name rrset.Name) finding {
	f.authority = []owned{w.proof(c)}
	if !w.exists(c, name) && !w.exists(c, w.wildcard(c, name)) {
		f.rcode = dns.RcodeNameError
	}
	return f
}

// fill puts a finding into a reply.
func (f finding) fill(m *dns.Msg) {
	m.Rcode, m.Authoritative = f.rcode, f.authoritative
	for _, o := range f.answer {
		m.Answer = append(m.Answer, o.records()...)
	}
	for _, o := range f.authority {
		m.Ns = append(m.Ns, o.records()...)
	}
	for _, o := range f.additional {
		m.Extra = append(m.Extra, o.records()...)
	}
}
