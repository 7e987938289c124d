package resolve

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// maxChain is how many CNAMEs an answer may lead over.
const maxChain = 8

// maxTTL is how long an answer is believed to be kept, in seconds.
const maxTTL = 7 * 24 * 3600

// The extended errors that decide what an answer is worth (RFC 8914 section 4).
const (
	edeStale         = 3
	edeForged        = 4
	edeBogus         = 6
	edeNSECMissing   = 12
	edeBlocked       = 15
	edeProhibited    = 18
	edeStaleNXDomain = 19
)

// matches says whether a reply speaks to a question at all (RFC 5452 section
// 9.1): it is a reply, with this ID, to exactly this question. answers says the same of messages.
func matches(query, reply *dns.Msg) bool {
	if !reply.Response || reply.Id != query.Id || reply.Opcode != dns.OpcodeQuery || len(reply.Question) != 1 {
		return false
	}
	q, r := query.Question[0], reply.Question[0]
	return sameName(q.Name, r.Name) && q.Qtype == r.Qtype && q.Qclass == r.Qclass
}

// interpret turns a reply that matches and is not truncated into what it says.
// It fills all of an Observation that comes from the reply.
func interpret(o *Observation, reply *dns.Msg) {
	o.AD, o.AA = reply.AuthenticatedData, reply.Authoritative
	if why := malformed(reply); why != "" {
		o.Outcome, o.Detail = Malformed, why
		return
	}
	o.EDE = extendedErrors(reply)
	switch reply.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
		interpretAnswer(o, reply)
	case dns.RcodeServerFailure:
		o.Outcome = ServFail
		o.Bogus = slices.ContainsFunc(o.EDE, func(e EDE) bool { return edeBogus <= e.Code && e.Code <= edeNSECMissing })
	case dns.RcodeRefused:
		o.Outcome = Refused
	default:
		o.Outcome, o.Detail = OtherRcode, dns.RcodeToString[reply.Rcode]
	}
	if o.Outcome.Evidence() {
		disqualify(o)
	}
}

// sameName compares names from the wire with names that we made, which may be escaped
// in another way.
func sameName(a, b string) bool {
	return strings.EqualFold(a, b) || rrset.FromFQDN(a) == rrset.FromFQDN(b)
}

func malformed(reply *dns.Msg) string {
	opts := 0
	for _, rr := range reply.Extra {
		switch rr.Header().Rrtype {
		case dns.TypeOPT:
			opts++
		case dns.TypeTSIG:
			return "a TSIG record that nobody asked for"
		}
	}
	if opts > 1 {
		return "more than one OPT record"
	}
	return ""
}

func extendedErrors(reply *dns.Msg) []EDE {
	opt := reply.IsEdns0()
	if opt == nil {
		return nil
	}
	var out []EDE
	for _, e := range opt.Option {
		if ede, ok := e.(*dns.EDNS0_EDE); ok {
			out = append(out, EDE{ede.InfoCode, ede.ExtraText})
		}
	}
	return out
}

// disqualify marks answers that the source itself says are not the zone's, or
// not of today.
func disqualify(o *Observation) {
	for _, e := range o.EDE {
		switch {
		case e.Code == edeForged || e.Code >= edeBlocked && e.Code <= edeProhibited:
			o.Outcome, o.Detail = Filtered, "the source says that it filtered or forged the answer"
			return
		case e.Code == edeStale || e.Code == edeStaleNXDomain:
			o.Outcome, o.Detail = Stale, "the source says that the answer has expired"
		}
	}
}

// interpretAnswer follows the chain from the name asked to the data, or to the
// proof that there is none.
func interpretAnswer(o *Observation, reply *dns.Msg) {
	recursive := o.Source.Role == Recursive
	if believed := reply.RecursionAvailable || o.Source.Direct && reply.Authoritative; recursive && !believed {
		o.Outcome, o.Detail = Lame, "it offers no recursion"
		return
	}
	end, err := follow(o, reply.Answer)
	if err != nil {
		o.Outcome, o.Detail = Malformed, err.Error()
		return
	}
	if !o.Set.Empty() || hasType(reply.Answer, end, o.Question.Type) {
		o.Outcome = Answered
		if !recursive && !reply.Authoritative {
			o.Outcome, o.Detail, o.Set, o.TTL = Lame, "it is not authoritative for the name", rrset.Set{}, 0
		}
		return
	}
	soa := startOfAuthority(reply.Ns, end)
	switch {
	case !recursive && len(o.Chain) > 0:
		o.Outcome, o.Detail = Elsewhere, "a CNAME leads to "+rrset.Printable([]byte(o.Chain[len(o.Chain)-1]))
	case !recursive && !reply.Authoritative:
		o.Outcome, o.Detail = Lame, "it is not authoritative for the name"
	case reply.Rcode == dns.RcodeNameError:
		o.Outcome = NXDomain
		o.TTL = negativeTTL(soa)
	case soa != nil || reply.Authoritative:
		o.Outcome = NoData
		o.TTL = negativeTTL(soa)
	default:
		o.Outcome, o.Detail = Lame, "neither data nor a proof that there is none"
	}
}

// follow walks the CNAME chain and collects the records at its end.
func follow(o *Observation, answer []dns.RR) (string, error) {
	at := o.Question.Name.FQDN()
	ttl := uint32(maxTTL)
	seen := map[string]bool{strings.ToLower(at): true}
	if o.Question.Type != rrset.CNAME {
		for {
			target, t, n := alias(answer, at)
			if n == 0 {
				break
			}
			if n > 1 {
				return "", fmt.Errorf("%d different CNAME records at %s", n, rrset.FromFQDN(at))
			}
			if seen[strings.ToLower(target)] {
				return "", fmt.Errorf("a CNAME loop at %s", rrset.FromFQDN(target))
			}
			if len(o.Chain) == maxChain {
				return "", fmt.Errorf("more than %d CNAMEs in a row", maxChain)
			}
			seen[strings.ToLower(target)] = true
			o.Chain = append(o.Chain, rrset.FromFQDN(target))
			ttl = min(ttl, t)
			at = target
		}
	}
	var data [][]byte
	for _, rr := range answer {
		h := rr.Header()
		if !sameName(h.Name, at) || h.Rrtype != uint16(o.Question.Type) || h.Class != dns.ClassINET {
			continue
		}
		d, err := rdata(rr)
		if err != nil {
			return "", err
		}
		data = append(data, d)
		ttl = min(ttl, clampTTL(h.Ttl))
	}
	o.Set = rrset.NewSet(o.Question.Type, data...)
	if len(data) > 0 {
		o.TTL = ttl
	}
	return at, nil
}

func hasType(answer []dns.RR, owner string, t rrset.Type) bool {
	for _, rr := range answer {
		if sameName(rr.Header().Name, owner) && rr.Header().Rrtype == uint16(t) && rr.Header().Class == dns.ClassINET {
			return true
		}
	}
	return false
}

// alias gives the target of the CNAME at a name, its TTL, and how many different
// ones there are.
func alias(answer []dns.RR, at string) (target string, ttl uint32, n int) {
	ttl = maxTTL
	for _, rr := range answer {
		c, ok := rr.(*dns.CNAME)
		if !ok || !sameName(c.Hdr.Name, at) || c.Hdr.Class != dns.ClassINET {
			continue
		}
		if n == 0 || !sameName(target, c.Target) {
			n++
		}
		target, ttl = c.Target, min(ttl, clampTTL(c.Hdr.Ttl))
	}
	return target, ttl, n
}

// clampTTL reads a TTL as RFC 2181 section 8 says, and no longer than a week.
func clampTTL(t uint32) uint32 {
	if t >= 1<<31 {
		return 0
	}
	return min(t, maxTTL)
}

// startOfAuthority gives the SOA record that proves absence for a name.
func startOfAuthority(ns []dns.RR, name string) *dns.SOA {
	for _, rr := range ns {
		if soa, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(soa.Hdr.Name, name) {
			return soa
		}
	}
	return nil
}

func negativeTTL(soa *dns.SOA) uint32 {
	if soa == nil {
		return 0
	}
	return min(clampTTL(soa.Hdr.Ttl), clampTTL(soa.Minttl))
}

// rdata gives a record's data as uncompressed wire bytes with names in lower
// case. TXT comes out as it went in: the library's presentation form is undone.
func rdata(rr dns.RR) ([]byte, error) {
	if t, ok := rr.(*dns.TXT); ok && len(t.Txt) == 0 {
		return []byte{}, nil
	}
	rr = lowerNames(rr)
	buf := make([]byte, dns.Len(rr)+64)
	end, err := dns.PackRR(rr, buf, 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("unreadable record data: %w", err)
	}
	owner := make([]byte, 256)
	n, err := dns.PackDomainName(rr.Header().Name, owner, 0, nil, false)
	if err != nil {
		return nil, fmt.Errorf("unreadable owner name: %w", err)
	}
	return bytes.Clone(buf[n+10 : end]), nil
}

func lowerNames(rr dns.RR) dns.RR {
	c := dns.Copy(rr)
	switch r := c.(type) {
	case *dns.CNAME:
		r.Target = strings.ToLower(r.Target)
	case *dns.NS:
		r.Ns = strings.ToLower(r.Ns)
	case *dns.PTR:
		r.Ptr = strings.ToLower(r.Ptr)
	case *dns.MX:
		r.Mx = strings.ToLower(r.Mx)
	}
	return c
}
