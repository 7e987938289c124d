package rrset

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// TXTData gives the RDATA of a TXT record holding text, split into
// character-strings of at most 255 octets (RFC 1035 section 3.3.14).
func TXTData(text []byte) []byte {
	if len(text) == 0 {
		return []byte{0}
	}
	out := make([]byte, 0, len(text)+len(text)/255+1)
	for len(text) > 0 {
		n := min(len(text), 255)
		out = append(out, byte(n))
		out = append(out, text[:n]...)
		text = text[n:]
	}
	return out
}

// nameData gives a name in uncompressed wire format.
func nameData(n Name) []byte {
	if n == Root {
		return []byte{0}
	}
	out := make([]byte, 0, len(n)+2)
	for label := range strings.SplitSeq(string(n), ".") {
		out = append(out, byte(len(label)))
		out = append(out, label...)
	}
	return append(out, 0)
}

// Parse makes a Set from the text of its records, one a line, in the form that
// Lines gives and people paste: TXT without quotes, MX as "10 host" or "host"
// alone (preference 10), names with or without the trailing dot.
func Parse(t Type, lines ...string) (Set, error) {
	data := make([][]byte, 0, len(lines))
	for _, line := range lines {
		d, err := parseRData(t, line)
		if err != nil {
			return Set{}, fmt.Errorf("%s record %q: %w", t, line, err)
		}
		data = append(data, d)
	}
	return NewSet(t, data...), nil
}

func parseRData(t Type, line string) ([]byte, error) {
	switch t {
	case TXT:
		return TXTData([]byte(line)), nil
	case MX:
		return parseMX(line)
	case CNAME, NS, PTR:
		n, err := ParseName(line)
		if err != nil {
			return nil, err
		}
		return nameData(n), nil
	case A, AAAA:
		a, err := netip.ParseAddr(strings.TrimSpace(line))
		if err != nil || a.Is4() != (t == A) {
			return nil, fmt.Errorf("not an address for a record of type %s", t)
		}
		return a.AsSlice(), nil
	case SOA, TLSA, CAA, DS, RRSIG, DNSKEY:
	}
	return nil, fmt.Errorf("records of type %s cannot be written as text here", t)
}

func parseMX(line string) ([]byte, error) {
	fields := strings.Fields(line)
	pref := uint64(10)
	if len(fields) == 2 {
		var err error
		if pref, err = strconv.ParseUint(fields[0], 10, 16); err != nil {
			return nil, fmt.Errorf("preference %q is not a number from 0 to 65535", fields[0])
		}
		fields = fields[1:]
	}
	if len(fields) != 1 {
		return nil, fmt.Errorf(`want "PREFERENCE HOST" or "HOST"`)
	}
	host, err := ParseName(fields[0])
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint16(nil, uint16(pref)), nameData(host)...), nil
}
