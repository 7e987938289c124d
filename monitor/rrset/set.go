package rrset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"unicode/utf8"
)

// Type is an RR type as on the wire (RFC 1035 section 3.2.2).
type Type uint16

// The types that mail's records use.
const (
	A     Type = 1
	NS    Type = 2
	CNAME Type = 5
	SOA   Type = 6
	PTR   Type = 12
	MX    Type = 15
	TXT   Type = 16
	AAAA  Type = 28
	TLSA  Type = 52
	CAA   Type = 257

	// Those of DNSSEC (RFC 4034).
	DS     Type = 43
	RRSIG  Type = 46
	DNSKEY Type = 48
)

var typeNames = map[Type]string{
	A: "A", NS: "NS", CNAME: "CNAME", SOA: "SOA", PTR: "PTR", MX: "MX",
	TXT: "TXT", AAAA: "AAAA", TLSA: "TLSA", CAA: "CAA", DS: "DS", RRSIG: "RRSIG", DNSKEY: "DNSKEY",
}

// String gives the mnemonic, or TYPEn for a type without one here (RFC 3597
// section 5).
func (t Type) String() string {
	if s, ok := typeNames[t]; ok {
		return s
	}
	return fmt.Sprintf("TYPE%d", uint16(t))
}

// ParseType reads a mnemonic in any case.
func ParseType(s string) (Type, error) {
	for t, name := range typeNames {
		if strings.EqualFold(s, name) {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown record type %q", s)
}

// MarshalText writes the mnemonic.
func (t Type) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (t *Type) UnmarshalText(b []byte) error {
	var n uint16
	if _, err := fmt.Sscanf(string(b), "TYPE%d", &n); err == nil {
		*t = Type(n)
		return nil
	}
	p, err := ParseType(string(b))
	if err != nil {
		return err
	}
	*t = p
	return nil
}

// Set is the data of one RRset: the RDATA of each record, canonical (see the
// package comment), sorted, without duplicates. The zero Set has no type and no
// data. TTLs are not part of it: they are never a difference.
type Set struct {
	Type Type     `json:"type"`
	Data [][]byte `json:"data"`
}

// NewSet makes a Set of RDATA in wire format. It sorts and removes duplicates;
// names inside the data must already be lower-case and uncompressed.
func NewSet(t Type, data ...[]byte) Set {
	if len(data) == 0 {
		return Set{Type: t}
	}
	s := slices.Clone(data)
	slices.SortFunc(s, bytes.Compare)
	return Set{Type: t, Data: slices.CompactFunc(s, bytes.Equal)}
}

// Empty says whether the set has no records.
func (s Set) Empty() bool { return len(s.Data) == 0 }

// Equal says whether both sets hold the same bytes.
func (s Set) Equal(o Set) bool {
	return s.Type == o.Type && slices.EqualFunc(s.Data, o.Data, bytes.Equal)
}

// Hash identifies the content of a set; equal sets have equal hashes.
type Hash [16]byte

// String gives the hash in hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// MarshalText writes it in hexadecimal.
func (h Hash) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText reads what MarshalText wrote.
func (h *Hash) UnmarshalText(b []byte) error {
	if len(b) != hex.EncodedLen(len(h)) {
		return fmt.Errorf("hash %q is not %d hexadecimal digits", b, hex.EncodedLen(len(h)))
	}
	_, err := hex.Decode(h[:], b)
	return err
}

// Hash gives the first 16 bytes of the SHA-256 over type and data.
func (s Set) Hash() Hash {
	d := sha256.New()
	var n [4]byte
	binary.BigEndian.PutUint16(n[:2], uint16(s.Type))
	d.Write(n[:2])
	for _, r := range s.Data {
		binary.BigEndian.PutUint32(n[:], uint32(len(r)))
		d.Write(n[:])
		d.Write(r)
	}
	return Hash(d.Sum(nil)[:16])
}

// Texts gives each TXT record's character-strings joined without a separator,
// as SPF (RFC 7208 section 3.3) and DKIM (RFC 6376 section 3.6.2.2) read them.
// Where strings are split is not data.
func (s Set) Texts() [][]byte {
	if s.Type != TXT {
		return nil
	}
	out := make([][]byte, 0, len(s.Data))
	for _, r := range s.Data {
		out = append(out, joinStrings(r))
	}
	return out
}

// joinStrings joins the character-strings of one TXT RDATA. A length that runs
// past the end is cut there; the parser in front has refused such data.
func joinStrings(rdata []byte) []byte {
	out := make([]byte, 0, len(rdata))
	for len(rdata) > 0 {
		n := min(int(rdata[0]), len(rdata)-1)
		out = append(out, rdata[1:1+n]...)
		rdata = rdata[1+n:]
	}
	return out
}

// Exchange is one MX record (RFC 1035 section 3.3.9).
type Exchange struct {
	Preference uint16
	Host       Name
}

// Exchanges gives the MX records of a set in order of preference, then host.
func (s Set) Exchanges() []Exchange {
	if s.Type != MX {
		return nil
	}
	var out []Exchange
	for _, r := range s.Data {
		if len(r) < 3 {
			continue
		}
		host, err := wireName(r[2:])
		if err != nil {
			continue
		}
		out = append(out, Exchange{binary.BigEndian.Uint16(r), host})
	}
	slices.SortFunc(out, func(a, b Exchange) int {
		if a.Preference != b.Preference {
			return int(a.Preference) - int(b.Preference)
		}
		return strings.Compare(string(a.Host), string(b.Host))
	})
	return out
}

// Hosts gives the target names of a set of CNAME, NS or PTR records.
func (s Set) Hosts() []Name {
	if s.Type != CNAME && s.Type != NS && s.Type != PTR {
		return nil
	}
	var out []Name
	for _, r := range s.Data {
		if n, err := wireName(r); err == nil {
			out = append(out, n)
		}
	}
	return out
}

// Addrs gives the addresses of a set of A or AAAA records.
func (s Set) Addrs() []netip.Addr {
	if s.Type != A && s.Type != AAAA {
		return nil
	}
	var out []netip.Addr
	for _, r := range s.Data {
		if a, ok := netip.AddrFromSlice(r); ok {
			out = append(out, a)
		}
	}
	return out
}

// Lines gives one line a record for people: TXT joined and unquoted, MX as
// "10 mx.example.com", names without the trailing dot, addresses as usual,
// other types as hexadecimal in the form of RFC 3597. Bytes that are not
// printable UTF-8 are shown as \xNN, so a line is safe on a terminal. In MX sets the
// order is by preference; in others it is that of the data.
func (s Set) Lines() []string {
	var out []string
	switch s.Type {
	case TXT:
		for _, t := range s.Texts() {
			out = append(out, Printable(t))
		}
	case MX:
		for _, x := range s.Exchanges() {
			out = append(out, fmt.Sprintf("%d %s", x.Preference, Printable([]byte(x.Host))))
		}
	case CNAME, NS, PTR:
		for _, n := range s.Hosts() {
			out = append(out, Printable([]byte(n)))
		}
	case A, AAAA:
		for _, a := range s.Addrs() {
			out = append(out, a.String())
		}
	case SOA, TLSA, CAA, DS, RRSIG, DNSKEY:
		return s.generic()
	default:
		return s.generic()
	}
	return out
}

func (s Set) generic() []string {
	var out []string
	for _, r := range s.Data {
		out = append(out, fmt.Sprintf(`\# %d %x`, len(r), r))
	}
	return out
}

// Printable shows bytes as text that no terminal, log or page can take for
// anything but text: control characters, bidirectional and zero-width
// characters and invalid UTF-8 become \xNN or \u{N}.
func Printable(b []byte) string {
	var out strings.Builder
	out.Grow(len(b))
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		switch {
		case r == utf8.RuneError && n <= 1:
			fmt.Fprintf(&out, `\x%02x`, b[0])
		case r < ' ' || r == 0x7f:
			fmt.Fprintf(&out, `\x%02x`, r)
		case invisible(r):
			fmt.Fprintf(&out, `\u{%x}`, r)
		default:
			out.Write(b[:n])
		}
		b = b[n:]
	}
	return out.String()
}

// invisible covers the C1 controls, zero-width and bidirectional formatting
// characters, line separators, the soft hyphen, the byte-order mark and tags.
func invisible(r rune) bool {
	switch {
	case 0x80 <= r && r <= 0x9f, r == 0xad, r == 0x61c, r == 0x180e,
		0x200b <= r && r <= 0x200f, 0x2028 <= r && r <= 0x202e,
		0x2060 <= r && r <= 0x206f, r == 0xfeff, 0xfff9 <= r && r <= 0xfffb,
		0xe0000 <= r && r <= 0xe007f:
		return true
	}
	return false
}

// wireName reads an uncompressed name in wire format and gives it lower-cased
// in presentation form; octets that are special there are escaped as \DDD
// (RFC 4343 section 2.1).
func wireName(b []byte) (Name, error) {
	var out strings.Builder
	for {
		if len(b) == 0 {
			return "", errors.New("name ends without the root label")
		}
		n := int(b[0])
		if n == 0 {
			break
		}
		if n > 63 || n >= len(b) {
			return "", errors.New("label runs past the end of the name")
		}
		if out.Len() > 0 {
			out.WriteByte('.')
		}
		for _, c := range b[1 : 1+n] {
			writeOctet(&out, c)
		}
		b = b[1+n:]
	}
	if out.Len() == 0 {
		return Root, nil
	}
	return Name(out.String()), nil
}
