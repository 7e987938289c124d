package dnslab

import (
	"encoding/binary"
	"slices"
	"time"

	"github.com/miekg/dns"

	"maildrift/monitor/rrset"
)

// Match says which queries a fault strikes. The zero value matches all.
type Match struct {
	// Below matches a name and all names below it; empty is all.
	Below rrset.Name
	// Type matches a type; 0 is all.
	Type rrset.Type
	// Transport matches a transport; AnyTransport is all.
	Transport Transport
	// Skip lets so many queries that match pass first.
	Skip int
	// Every strikes only each n-th after that, as a cache fleet behind one address
	// answers now so, now so; 0 and 1 strike each.
	Every int
	// Times ends the fault after so many strikes; 0 is never.
	Times int
}

func (m Match) covers(q Query) bool {
	return (m.Below == "" || q.Name.IsAtOrBelow(m.Below)) &&
		(m.Type == 0 || q.Type == m.Type) &&
		(m.Transport == AnyTransport || q.Transport == m.Transport)
}

// fault is a rule and how often it has matched and struck.
type fault struct {
	match         Match
	actions       []Action
	seen, strikes int
}

// strike counts a query and says whether the fault strikes it.
func (f *fault) strike(q Query) bool {
	if !f.match.covers(q) || f.match.Times > 0 && f.strikes == f.match.Times {
		return false
	}
	f.seen++
	n := f.seen - f.match.Skip
	if n <= 0 || f.match.Every > 1 && n%f.match.Every != 0 {
		return false
	}
	f.strikes++
	return true
}

// Action is what a fault does to a reply. Actions are made by the functions of this
// package and act one after the other.
type Action func(*reply)

// reply is an answer on its way out.
type reply struct {
	via      Transport
	query, m *dns.Msg
	// wire is sent instead of m, if there is any.
	wire []byte
	// cut is at how many octets the message ends; 0 is at its end.
	cut     int
	delay   time.Duration
	silent  bool
	hangUp  bool
	doubled bool
}

// Drop gives no answer.
func Drop(r *reply) { r.silent = true }

// HangUp closes a TCP connection instead of answering; over UDP it is Drop.
func HangUp(r *reply) { r.silent, r.hangUp = true, true }

// Delay answers later. To a resolver of the lab an authority that takes a second is
// silent.
func Delay(d time.Duration) Action { return func(r *reply) { r.delay = d } }

// Twice sends the answer two times.
func Twice(r *reply) { r.doubled = true }

// Rcode answers with nothing but a response code and extended errors (RFC 8914).
// With dns.RcodeNameError it denies the name.
func Rcode(rcode int, extended ...uint16) Action {
	return func(r *reply) {
		Empty(r)
		r.m.Rcode = rcode
		ExtendedError(extended...)(r)
	}
}

// ExtendedError adds extended errors (RFC 8914) to an answer, if the query has EDNS.
func ExtendedError(codes ...uint16) Action {
	return func(r *reply) {
		opt := r.m.IsEdns0()
		if opt == nil {
			return
		}
		for _, c := range codes {
			opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: c})
		}
	}
}

// Empty answers NOERROR with nothing in it, not even the SOA that would prove
// absence.
func Empty(r *reply) {
	r.m.Rcode = dns.RcodeSuccess
	r.m.Answer, r.m.Ns = nil, nil
	r.m.Extra = slices.DeleteFunc(r.m.Extra, func(rr dns.RR) bool { return rr.Header().Rrtype != dns.TypeOPT })
}

// Forge answers with these records at the name in question, whatever is true.
func Forge(ttl uint32, set rrset.Set) Action {
	return func(r *reply) {
		Empty(r)
		r.m.Answer = owned{rrset.FromFQDN(r.query.Question[0].Name), entry{set, ttl}}.records()
	}
}

// TTL gives all records of an answer that TTL, in seconds.
func TTL(ttl uint32) Action {
	return func(r *reply) {
		for _, section := range [][]dns.RR{r.m.Answer, r.m.Ns, r.m.Extra} {
			for _, rr := range section {
				if rr.Header().Rrtype != dns.TypeOPT { // an OPT record's TTL field holds flags
					rr.Header().Ttl = ttl
				}
			}
		}
	}
}

// Truncate says over UDP that the answer is too long, and gives none of it.
func Truncate(r *reply) {
	if r.via == UDP {
		Empty(r)
		r.m.Truncated = true
	}
}

// WrongID answers with another ID than the query's.
func WrongID(r *reply) { r.m.Id ^= 0x5555 }

// WrongQuestion answers another question.
func WrongQuestion(r *reply) {
	q := r.m.Question[0]
	q.Name = "elsewhere.example."
	r.m.Question = []dns.Question{q}
	for i, rr := range r.m.Answer {
		r.m.Answer[i] = dns.Copy(rr)
		r.m.Answer[i].Header().Name = q.Name
	}
}

// NoQuestion leaves the question out.
func NoQuestion(r *reply) { r.m.Question = nil }

// Echo sends the query back as it came, so that it is no response (QR=0).
func Echo(r *reply) { r.m = r.query.Copy() }

// NoRecursion says that recursion is not available (RA=0).
func NoRecursion(r *reply) { r.m.RecursionAvailable = false }

// NotAuthoritative takes the mark of authority away (AA=0), as a lame server does.
func NotAuthoritative(r *reply) { r.m.Authoritative = false }

// Raw sends these octets instead of an answer, after the ID of the query.
func Raw(afterID []byte) Action {
	return func(r *reply) { r.wire = append(binary.BigEndian.AppendUint16(nil, r.query.Id), afterID...) }
}

// Shorten sends only the first n octets of the answer.
func Shorten(n int) Action { return func(r *reply) { r.cut = n } }

// Alter does to the reply what f does, for all that has no action of its own.
func Alter(f func(query, reply *dns.Msg)) Action {
	return func(r *reply) { f(r.query, r.m) }
}

// pack gives the octets that go out.
func (r *reply) pack() ([]byte, error) {
	wire := r.wire
	if wire == nil {
		var err error
		if wire, err = r.m.Pack(); err != nil {
			return nil, err
		}
	}
	if r.cut > 0 && r.cut < len(wire) {
		wire = wire[:r.cut]
	}
	return wire, nil
}
