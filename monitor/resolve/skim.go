package resolve

import (
	"encoding/binary"
	"hash/maphash"

	"maildrift/monitor/rrset"
)

// skimmer recognises replies that say what an earlier one said, from their octets and without an allocation: an answer
// that has not changed, and nearly none ever has, needs no parser. Not safe for concurrent use.
//
// A print is a keyed hash over all that interpretation reads: flags, RCODE, and each record's section, owner, type, class and
// data, names uncompressed and in lower case. The records' hashes are added up, so that their order plays no part. TTLs
// and IDs are left out. Whatever is not surely read as the parser reads it has no print, and goes to the parser. The key is
// random and secret: nobody who writes records can make two that have one print, and by chance it is one in 2^64.
type skimmer struct {
	seed maphash.Seed
	// record is the record that is being hashed, in canonical form.
	record []byte
}

// skimmed is what a look at a reply found.
type skimmed struct {
	print Print
	// ttl is as in Observation, if answers and soas are as many as interpretation used.
	ttl uint32
	// answers and soas count the records of the answer section, and the SOA records of the authority section.
	answers, soas int
}

const (
	typeOPT     = 41
	optEDE      = 15
	optNSID     = 3
	optCookie   = 10
	optPadding  = 12
	sectionWant = 3
)

// skim looks at a reply to a question that it is known to answer.
func (s *skimmer) skim(reply []byte, q Question, recursive bool) (skimmed, bool) {
	look := look{skimmer: s, reply: reply, want: q.Type, least: maxTTL}
	at, ok := skipName(reply, headerSize)
	if !ok || at+4 > len(reply) {
		return skimmed{}, false
	}
	at += 4
	for section := range sectionWant {
		for range int(binary.BigEndian.Uint16(reply[6+2*section:])) {
			if at, ok = look.take(section, at); !ok {
				return skimmed{}, false
			}
		}
	}
	var head [9]byte
	copy(head[:], reply[2:4])
	copy(head[2:], reply[6:12])
	look.sum += maphash.Bytes(s.seed, head[:])
	return skimmed{print: Print(look.sum | 1), ttl: look.ttl(recursive), answers: look.answers, soas: look.soas}, true
}

// stands says whether a reply of the same print, looked at in the same way, comes to the same as the observation, TTL
// included: it is evidence, and of no record it is unclear whether its TTL plays a part.
func (s skimmed) stands(o *Observation) bool {
	if s.ttl != o.TTL {
		return false
	}
	switch o.Outcome {
	case Answered:
		return s.answers == len(o.Chain)+len(o.Set.Data)
	case NoData, NXDomain:
		return s.answers == len(o.Chain) && (s.soas == 0 || s.soas == 1 && o.TTL > 0)
	case Elsewhere:
		return s.answers == len(o.Chain)
	case Timeout, ServFail, Refused, OtherRcode, Mismatched, Malformed, Truncated, Lame, Filtered, Stale, Network, Local:
	}
	return false
}

// look is one reply that is being looked at.
type look struct {
	*skimmer
	reply []byte
	want  rrset.Type
	sum   uint64

	answers, data, soas, opts int
	least, negative           uint32
}

// ttl gives what interpretation would give: of the data and the chain to it, else of the proof that there is nothing. An
// authority's chain that leads elsewhere has none.
func (l *look) ttl(recursive bool) uint32 {
	switch {
	case l.data > 0:
		return l.least
	case l.answers > 0 && !recursive:
		return 0
	}
	return l.negative
}

// take hashes the record at an offset and gives where the next one is.
func (l *look) take(section, at int) (int, bool) {
	l.record = append(l.record[:0], byte(section))
	at, ok := l.name(at)
	if !ok || at+10 > len(l.reply) {
		return 0, false
	}
	fixed := l.reply[at : at+10]
	kind, ttl := binary.BigEndian.Uint16(fixed), binary.BigEndian.Uint32(fixed[4:])
	begin := at + 10
	end := begin + int(binary.BigEndian.Uint16(fixed[8:]))
	if end > len(l.reply) {
		return 0, false
	}
	l.record = append(l.record, fixed[:4]...)
	if kind == typeOPT {
		ok = l.opt(section, fixed, l.reply[begin:end])
	} else {
		ok = l.rdata(rrset.Type(kind), begin, end)
		l.count(section, rrset.Type(kind), clampTTL(ttl))
	}
	l.sum += maphash.Bytes(l.seed, l.record)
	return end, ok
}

// count takes in what a record means for the TTL.
func (l *look) count(section int, kind rrset.Type, ttl uint32) {
	switch {
	case section == 0:
		l.answers++
		l.least = min(l.least, ttl)
		if kind == l.want {
			l.data++
		}
	case section == 1 && kind == rrset.SOA:
		l.soas++
		minimum := binary.BigEndian.Uint32(l.record[len(l.record)-4:])
		l.negative = min(ttl, clampTTL(minimum))
	}
}

// rdata writes a record's data. Of the types that may hold compressed names (RFC 3597 section 4) those that occur beside
// mail's records are read, the others have no print.
func (l *look) rdata(kind rrset.Type, at, end int) bool {
	switch kind {
	case rrset.A, rrset.AAAA, rrset.TXT, rrset.TLSA, rrset.CAA, rrset.DS, rrset.DNSKEY:
		l.record = append(l.record, l.reply[at:end]...)
		return true
	case rrset.CNAME, rrset.NS, rrset.PTR:
		at, ok := l.name(at)
		return ok && at == end
	case rrset.MX:
		if at+2 > end {
			return false
		}
		l.record = append(l.record, l.reply[at:at+2]...)
		at, ok := l.name(at + 2)
		return ok && at == end
	case rrset.SOA:
		at, ok := l.name(at)
		if !ok {
			return false
		}
		if at, ok = l.name(at); !ok || at+20 != end {
			return false
		}
		// The serial number changes with every edit of the zone and says nothing about the record.
		l.record = append(l.record, l.reply[at+4:end]...)
		return true
	case rrset.RRSIG:
		return false
	default:
		return false
	}
}

// opt writes what interpretation reads of an OPT record: the upper bits of the RCODE, version and flags, and extended
// errors (RFC 8914). Cookies, names of servers and padding differ from reply to reply.
func (l *look) opt(section int, fixed, data []byte) bool {
	l.opts++
	if section != 2 || l.opts > 1 {
		return false
	}
	l.record = append(l.record[:1], fixed[4:8]...)
	for len(data) > 0 {
		if len(data) < 4 {
			return false
		}
		code, size := binary.BigEndian.Uint16(data), int(binary.BigEndian.Uint16(data[2:]))
		if 4+size > len(data) {
			return false
		}
		switch code {
		case optEDE:
			l.record = append(l.record, data[:4+size]...)
		case optNSID, optCookie, optPadding:
		default:
			return false
		}
		data = data[4+size:]
	}
	return true
}

// name writes the name at an offset, uncompressed and in lower case, and gives the offset after it.
func (l *look) name(at int) (int, bool) {
	begin, after, limit := len(l.record), -1, at
	for {
		if at >= len(l.reply) {
			return 0, false
		}
		n := int(l.reply[at])
		switch {
		case n == 0:
			l.record = append(l.record, 0)
			if after < 0 {
				after = at + 1
			}
			return after, len(l.record)-begin <= 255
		case n >= 0xc0:
			if at+2 > len(l.reply) {
				return 0, false
			}
			to := (n&0x3f)<<8 | int(l.reply[at+1])
			if to >= limit { // pointers lead backwards only, and so to an end
				return 0, false
			}
			if after < 0 {
				after = at + 2
			}
			at, limit = to, to
		case n > 63 || at+1+n > len(l.reply) || len(l.record)-begin > 255:
			return 0, false
		default:
			l.record = append(l.record, byte(n))
			for _, c := range l.reply[at+1 : at+1+n] {
				l.record = append(l.record, lower(c))
			}
			at += 1 + n
		}
	}
}

// skipName gives the offset after a name that is not compressed.
func skipName(b []byte, at int) (int, bool) {
	for at < len(b) {
		n := int(b[at])
		if n == 0 {
			return at + 1, true
		}
		if n > 63 {
			return 0, false
		}
		at += 1 + n
	}
	return 0, false
}
