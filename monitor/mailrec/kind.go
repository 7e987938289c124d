package mailrec

import (
	"fmt"
	"strings"

	"maildrift/monitor/rrset"
)

// Kind is what a record is for.
type Kind uint8

// The kinds.
const (
	// Ownership is a TXT record by which a service knows that the domain is its customer's.
	Ownership Kind = iota
	// SPF is a TXT record with version v=spf1 (RFC 7208).
	SPF
	// DKIM is a key record (RFC 6376 section 3.6.1).
	DKIM
	// DMARC is a policy record (RFC 9989, formerly RFC 7489).
	DMARC
	// MX is the domain's mail exchanges (RFC 5321 section 5.1).
	MX
	// CNAME is an alias to a name that a service runs.
	CNAME
	// NS is a delegation.
	NS
	// TXT is any other TXT record.
	TXT
	// A is the IPv4 addresses of a host.
	A
	// AAAA is the IPv6 addresses of a host.
	AAAA
	// PTR is the name of an address.
	PTR
	// MTASTS is the TXT record of MTA-STS (RFC 8461 section 3.1).
	MTASTS
	// TLSRPT is the TXT record of SMTP TLS reporting (RFC 8460 section 3).
	TLSRPT
	// BIMI is a brand indicator record.
	BIMI
)

var kinds = [...]struct {
	name string
	typ  rrset.Type
}{
	Ownership: {"ownership", rrset.TXT},
	SPF:       {"spf", rrset.TXT},
	DKIM:      {"dkim", rrset.TXT},
	DMARC:     {"dmarc", rrset.TXT},
	MX:        {"mx", rrset.MX},
	CNAME:     {"cname", rrset.CNAME},
	NS:        {"ns", rrset.NS},
	TXT:       {"txt", rrset.TXT},
	A:         {"a", rrset.A},
	AAAA:      {"aaaa", rrset.AAAA},
	PTR:       {"ptr", rrset.PTR},
	MTASTS:    {"mta-sts", rrset.TXT},
	TLSRPT:    {"tls-rpt", rrset.TXT},
	BIMI:      {"bimi", rrset.TXT},
}

// Kinds lists all kinds.
func Kinds() []Kind {
	all := make([]Kind, len(kinds))
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}

// family is how the records of some kinds are held against an expectation.
type family interface {
	// selects gives the records of the kind in an answer.
	selects(e Expectation, set rrset.Set) rrset.Set
	// check judges an answer without a baseline, compare with one.
	check(e Expectation, set rrset.Set) Finding
	compare(e Expectation, baseline, set rrset.Set) Finding
	// validate checks one set of wanted values.
	validate(e Expectation, want []string) error
}

// String gives the name that configuration, labels and texts use.
func (k Kind) String() string { return kinds[k].name }

// Type is the RR type in which records of this kind are published.
func (k Kind) Type() rrset.Type { return kinds[k].typ }

// family gives the rules by which records of this kind are judged.
func (k Kind) family() family {
	switch k {
	case SPF:
		return single{spfDialect{}}
	case DKIM:
		return single{dkim{}}
	case DMARC:
		return single{dmarc{}}
	case MTASTS:
		return single{mtaSTS{}}
	case TLSRPT:
		return single{tlsRPT{}}
	case BIMI:
		return single{bimi{}}
	case MX:
		return members{exchanges{}}
	case CNAME, NS, PTR:
		return members{hosts{k}}
	case A, AAAA:
		return members{addresses{k}}
	case Ownership:
		return tokens{ownership{}}
	case TXT:
		return tokens{otherText{}}
	}
	return tokens{otherText{}}
}

// MarshalText writes the name.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name.
func (k *Kind) UnmarshalText(b []byte) error {
	for i := range kinds {
		if kinds[i].name == string(b) {
			*k = Kind(i)
			return nil
		}
	}
	return fmt.Errorf("unknown record kind %q: use %s", b, kindList())
}

// kindList names all kinds for people.
func kindList() string {
	var out strings.Builder
	for i := range kinds {
		switch {
		case i == len(kinds)-1:
			out.WriteString(" or ")
		case i > 0:
			out.WriteString(", ")
		}
		out.WriteString(kinds[i].name)
	}
	return out.String()
}
