package mailrec

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// spfTerm is a mechanism or modifier in its canonical spelling.
type spfTerm struct {
	// qualifier is one of + - ~ ? for mechanisms and 0 for modifiers.
	qualifier byte
	// name is lower-case.
	name string
	// arg follows the name: ":example.com/24", "/24", for modifiers "=example.com".
	arg string
}

// String gives the term as it would be written; the qualifier + is implied.
func (t spfTerm) String() string {
	if t.qualifier == 0 || t.qualifier == '+' {
		return t.key()
	}
	return string(t.qualifier) + t.key()
}

// key is the term without its qualifier.
func (t spfTerm) key() string { return t.name + t.arg }

// slot names what can have only one value: a modifier's or the mechanism's own.
func (t spfTerm) slot() string {
	if t.qualifier == 0 {
		return t.name
	}
	return t.key()
}

func (t spfTerm) sameSlot(o spfTerm) bool {
	return (t.qualifier == 0) == (o.qualifier == 0) && t.slot() == o.slot()
}

func (spf) parse(text string) (statement, *fault) { return parseSPF(text) }

// parseSPF reads a record. All of it must be right: receivers look for errors before
// they use any term (RFC 7208 section 4.6).
func parseSPF(text string) (spfRecord, *fault) {
	var r spfRecord
	if !(spf{}).is([]byte(text)) {
		return r, &fault{reason: quoted(text) + ` does not begin with "v=spf1 "`, rule: "RFC 7208 section 4.5", impact: Degraded}
	}
	at, number, ended := len("v=spf1"), 0, false
	for field := range strings.SplitSeq(text[at:], " ") {
		if field != "" {
			number++
			t, err := parseSPFTerm(field)
			if err != "" {
				return r, &fault{
					reason: fmt.Sprintf("term %d of the SPF record (character %d), %s, %s: receivers give up with permerror", number, at+1, quoted(field), err),
					rule:   "RFC 7208 section 4.6", impact: Degraded,
				}
			}
			ended = r.add(t, ended)
		}
		at += len(field) + 1
	}
	return r, r.settle(ended)
}

// add keeps a term if it counts; ended says that an all came before.
func (r *spfRecord) add(t spfTerm, ended bool) bool {
	switch {
	case t.qualifier == 0:
		r.modifiers = append(r.modifiers, t)
		if spfMechanisms[t.name] != 0 {
			r.notes = append(r.notes, fmt.Sprintf("%s is read as an unknown modifier and ignored: a colon was probably meant", quoted(t.String())))
		}
	case ended:
		r.notes = append(r.notes, fmt.Sprintf("%s comes after all and is ignored", quoted(t.String())))
	default:
		r.mechanisms = append(r.mechanisms, t)
		return t.name == "all"
	}
	return ended
}

// settle sorts the modifiers and applies RFC 7208 section 6: redirect and exp may
// appear once, and redirect counts only without all.
func (r *spfRecord) settle(ended bool) *fault {
	if r.all() == '+' {
		r.notes = append(r.notes, "+all lets anybody send in the domain's name")
	}
	slices.SortFunc(r.modifiers, func(a, b spfTerm) int { return strings.Compare(a.key(), b.key()) })
	for i, t := range r.modifiers {
		if (t.name == "redirect" || t.name == "exp") && i > 0 && r.modifiers[i-1].name == t.name {
			return &fault{
				reason: fmt.Sprintf("the SPF record has %s twice: receivers give up with permerror", t.name),
				rule:   "RFC 7208 section 6", impact: Degraded,
			}
		}
	}
	r.modifiers = slices.DeleteFunc(r.modifiers, func(t spfTerm) bool {
		if t.name != "redirect" || !ended {
			return false
		}
		r.notes = append(r.notes, fmt.Sprintf("%s is ignored because the record has all", quoted(t.String())))
		return true
	})
	return nil
}

// spfArgument says what a mechanism takes.
type spfArgument uint8

const (
	takesNothing spfArgument = iota + 1
	takesDomain
	mayTakeDomain
	mayTakeDomainAndPrefix
	takesIPv4
	takesIPv6
)

// spfMechanisms are those of RFC 7208 section 5.
var spfMechanisms = map[string]spfArgument{
	"all": takesNothing, "include": takesDomain, "a": mayTakeDomainAndPrefix, "mx": mayTakeDomainAndPrefix,
	"ptr": mayTakeDomain, "ip4": takesIPv4, "ip6": takesIPv6, "exists": takesDomain,
}

// parseSPFTerm gives the canonical term, or what is wrong, to follow "the term …".
func parseSPFTerm(field string) (spfTerm, string) {
	end := 0
	for end < len(field) && isSPFNameByte(field[end], end == 0) {
		end++
	}
	if end > 0 && end < len(field) && field[end] == '=' {
		return parseSPFModifier(strings.ToLower(field[:end]), field[end+1:])
	}
	t := spfTerm{qualifier: '+'}
	rest := field
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		t.qualifier, rest = rest[0], rest[1:]
	}
	end = strings.IndexAny(rest, ":/")
	if end < 0 {
		end = len(rest)
	}
	t.name = strings.ToLower(rest[:end])
	takes, known := spfMechanisms[t.name]
	if !known {
		if strings.Contains(rest, ".") {
			return t, `is not a known mechanism (was "include:", "a:" or "ip4:" meant before it?)`
		}
		return t, "is not a known mechanism"
	}
	var wrong string
	t.arg, wrong = takes.parse(rest[end:])
	return t, wrong
}

func isSPFNameByte(c byte, first bool) bool {
	letter := 'a' <= c|0x20 && c|0x20 <= 'z'
	return letter || !first && ('0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
}

func parseSPFModifier(name, value string) (spfTerm, string) {
	t := spfTerm{name: name}
	switch name {
	case "redirect", "exp":
		domain, wrong := parseSPFDomain(value)
		t.arg = "=" + domain
		return t, wrong
	}
	if _, _, wrong := scanSPFMacros(value); wrong != "" {
		return t, wrong
	}
	t.arg = "=" + value
	return t, ""
}

// parse gives the canonical spelling of what follows a mechanism's name.
func (a spfArgument) parse(s string) (string, string) {
	switch a {
	case takesNothing:
		if s != "" {
			return "", "takes no argument"
		}
		return "", ""
	case takesIPv4, takesIPv6:
		return parseSPFNetwork(s, a == takesIPv4)
	case takesDomain, mayTakeDomain:
		if s == "" && a == mayTakeDomain {
			return "", ""
		}
		domain, found := strings.CutPrefix(s, ":")
		if !found {
			return "", "needs a colon and a domain"
		}
		out, wrong := parseSPFDomain(domain)
		return ":" + out, wrong
	case mayTakeDomainAndPrefix:
		domain, prefix, wrong := cutSPFPrefix(s)
		if wrong != "" || domain == "" {
			return prefix, wrong
		}
		out, wrong := parseSPFDomain(strings.TrimPrefix(domain, ":"))
		return ":" + out + prefix, wrong
	}
	return "", "is not known"
}

// parseSPFNetwork reads ":" network, by value: host bits do not count.
func parseSPFNetwork(s string, v4 bool) (string, string) {
	want, bits := "needs an IPv6 address", 128
	if v4 {
		want, bits = "needs an IPv4 address", 32
	}
	network, found := strings.CutPrefix(s, ":")
	text, length, prefixed := strings.Cut(network, "/")
	addr, err := netip.ParseAddr(text)
	if !found || err != nil || addr.Is4() != v4 || addr.Zone() != "" {
		return "", want
	}
	if prefixed {
		n, ok := parseSPFPrefixLength(length, bits)
		if !ok {
			return "", fmt.Sprintf("has a prefix length that is not a number from 0 to %d", bits)
		}
		bits = n
	}
	if bits == addr.BitLen() {
		return ":" + addr.String(), ""
	}
	return ":" + netip.PrefixFrom(addr, bits).Masked().String(), ""
}

func parseSPFPrefixLength(s string, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	ok := err == nil && n >= 0 && n <= most && strconv.Itoa(n) == s
	return n, ok
}

// cutSPFPrefix takes dual-cidr-length off the end: /n, //m or /n//m. Lengths of a
// whole address are the default and left out.
func cutSPFPrefix(s string) (domain, prefix, wrong string) {
	rest := s
	var v4, v6 string
	if i := strings.LastIndex(rest, "//"); i >= 0 && strings.Trim(rest[i+2:], "0123456789") == "" {
		n, ok := parseSPFPrefixLength(rest[i+2:], 128)
		if !ok {
			return "", "", "has an IPv6 prefix length that is not a number from 0 to 128"
		}
		if n < 128 {
			v6 = "//" + strconv.Itoa(n)
		}
		rest = rest[:i]
	}
	// A slash may also be part of a name; then no number follows it.
	if i := strings.LastIndexByte(rest, '/'); i >= 0 && strings.Trim(rest[i+1:], "0123456789") == "" {
		n, ok := parseSPFPrefixLength(rest[i+1:], 32)
		if !ok {
			return "", "", "has an IPv4 prefix length that is not a number from 0 to 32"
		}
		if n < 32 {
			v4 = "/" + strconv.Itoa(n)
		}
		rest = rest[:i]
	}
	if rest == ":" || rest != "" && rest[0] != ':' {
		return "", "", "needs a domain after a colon, or a prefix length after a slash"
	}
	return rest, v4 + v6, ""
}
