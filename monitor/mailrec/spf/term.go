package spf

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// Term is a mechanism or a modifier, in its canonical spelling. Terms are equal
// with == when they mean the same.
type Term struct {
	// Qualifier is one of + - ~ ? for mechanisms, 0 for modifiers.
	Qualifier byte
	// Name is in lower case: "include", "redirect".
	Name string
	// Domain is the domain-spec (section 7.1): lower-case without a trailing dot but for
	// its macros. Empty if there is none; an unknown modifier's value stands here as it is.
	Domain string
	// Network is the value of ip4 and ip6.
	Network netip.Prefix
	// Prefix4 and Prefix6 are the prefix lengths of a and mx; those of whole
	// addresses, 32 and 128, if they name none.
	Prefix4, Prefix6 int
}

// IsModifier says whether the term is a modifier (section 6).
func (t Term) IsModifier() bool { return t.Qualifier == 0 }

// LooksUp says whether the term counts against the limit of ten (section 4.6.4).
func (t Term) LooksUp() bool {
	switch t.Name {
	case "include", "a", "mx", "ptr", "exists":
		return !t.IsModifier()
	case "redirect":
		return t.IsModifier()
	}
	return false
}

// String gives the term as it would be written; the qualifier + is implied.
func (t Term) String() string {
	if t.IsModifier() || t.Qualifier == '+' {
		return t.Key()
	}
	return string(t.Qualifier) + t.Key()
}

// Key is the term without its qualifier.
func (t Term) Key() string {
	if t.IsModifier() {
		return t.Name + "=" + t.Domain
	}
	out := t.Name
	switch {
	case t.Network.IsValid() && t.Network.IsSingleIP():
		return out + ":" + t.Network.Addr().String()
	case t.Network.IsValid():
		return out + ":" + t.Network.String()
	case t.Domain != "":
		out += ":" + t.Domain
	}
	if takes := mechanisms[t.Name]; takes != mayTakeDomainAndPrefix {
		return out
	}
	if t.Prefix4 != 32 {
		out += "/" + strconv.Itoa(t.Prefix4)
	}
	if t.Prefix6 != 128 {
		out += "//" + strconv.Itoa(t.Prefix6)
	}
	return out
}

// Slot names what can have only one value: a modifier's name or the mechanism itself.
func (t Term) Slot() string {
	if t.IsModifier() {
		return t.Name
	}
	return t.Key()
}

// SameSlot says whether two terms differ at most in their value or qualifier.
func (t Term) SameSlot(o Term) bool {
	return t.IsModifier() == o.IsModifier() && t.Slot() == o.Slot()
}

// argument says what a mechanism takes.
type argument uint8

const (
	takesNothing argument = iota + 1
	takesDomain
	mayTakeDomain
	mayTakeDomainAndPrefix
	takesIPv4
	takesIPv6
)

// mechanisms are those of section 5.
var mechanisms = map[string]argument{
	"all": takesNothing, "include": takesDomain, "a": mayTakeDomainAndPrefix, "mx": mayTakeDomainAndPrefix,
	"ptr": mayTakeDomain, "ip4": takesIPv4, "ip6": takesIPv6, "exists": takesDomain,
}

// parseTerm gives the term, or what is wrong, to follow "the term …".
func parseTerm(field string) (Term, string) {
	end := 0
	for end < len(field) && isNameByte(field[end], end == 0) {
		end++
	}
	if end > 0 && end < len(field) && field[end] == '=' {
		return parseModifier(strings.ToLower(field[:end]), field[end+1:])
	}
	t := Term{Qualifier: '+', Prefix4: 32, Prefix6: 128}
	rest := field
	if strings.IndexByte("+-~?", rest[0]) >= 0 {
		t.Qualifier, rest = rest[0], rest[1:]
	}
	end = strings.IndexAny(rest, ":/")
	if end < 0 {
		end = len(rest)
	}
	t.Name = strings.ToLower(rest[:end])
	takes, known := mechanisms[t.Name]
	if !known {
		if strings.Contains(rest, ".") {
			return t, `is not a known mechanism (was "include:", "a:" or "ip4:" meant before it?)`
		}
		return t, "is not a known mechanism"
	}
	return t, t.takeArgument(takes, rest[end:])
}

func isNameByte(c byte, first bool) bool {
	letter := 'a' <= c|0x20 && c|0x20 <= 'z'
	return letter || !first && ('0' <= c && c <= '9' || c == '-' || c == '_' || c == '.')
}

func parseModifier(name, value string) (Term, string) {
	t := Term{Name: name, Domain: value}
	var wrong string
	switch name {
	case "redirect", "exp":
		t.Domain, wrong = parseDomain(value)
	default:
		_, _, wrong = scanMacros(value)
	}
	return t, wrong
}

// takeArgument reads what follows a mechanism's name and says what is wrong with it.
func (t *Term) takeArgument(takes argument, s string) (wrong string) {
	switch takes {
	case takesNothing:
		if s != "" {
			return "takes no argument"
		}
	case takesIPv4, takesIPv6:
		t.Network, wrong = parseNetwork(s, takes == takesIPv4)
	case takesDomain, mayTakeDomain:
		if s == "" && takes == mayTakeDomain {
			return ""
		}
		domain, found := strings.CutPrefix(s, ":")
		if !found {
			return "needs a colon and a domain"
		}
		t.Domain, wrong = parseDomain(domain)
	case mayTakeDomainAndPrefix:
		s, wrong = t.cutPrefixes(s)
		if wrong == "" && s != "" {
			t.Domain, wrong = parseDomain(strings.TrimPrefix(s, ":"))
		}
	}
	return wrong
}

// parseNetwork reads ":" network, by value: host bits do not count.
func parseNetwork(s string, v4 bool) (netip.Prefix, string) {
	want, bits := "needs an IPv6 address", 128
	if v4 {
		want, bits = "needs an IPv4 address", 32
	}
	network, found := strings.CutPrefix(s, ":")
	text, length, prefixed := strings.Cut(network, "/")
	addr, err := netip.ParseAddr(text)
	if !found || err != nil || addr.Is4() != v4 || addr.Zone() != "" {
		return netip.Prefix{}, want
	}
	if prefixed {
		n, ok := parsePrefixLength(length, bits)
		if !ok {
			return netip.Prefix{}, fmt.Sprintf("has a prefix length that is not a number from 0 to %d", bits)
		}
		bits = n
	}
	return netip.PrefixFrom(addr, bits).Masked(), ""
}

func parsePrefixLength(s string, most int) (int, bool) {
	n, err := strconv.Atoi(s)
	ok := err == nil && n >= 0 && n <= most && strconv.Itoa(n) == s
	return n, ok
}

// cutPrefixes takes dual-cidr-length off the end: /n, //m or /n//m.
func (t *Term) cutPrefixes(s string) (domain, wrong string) {
	rest := s
	if i := strings.LastIndex(rest, "//"); i >= 0 && strings.Trim(rest[i+2:], "0123456789") == "" {
		n, ok := parsePrefixLength(rest[i+2:], 128)
		if !ok {
			return "", "has an IPv6 prefix length that is not a number from 0 to 128"
		}
		t.Prefix6, rest = n, rest[:i]
	}
	// A slash may also be part of a name; then no number follows it.
	if i := strings.LastIndexByte(rest, '/'); i >= 0 && strings.Trim(rest[i+1:], "0123456789") == "" {
		n, ok := parsePrefixLength(rest[i+1:], 32)
		if !ok {
			return "", "has an IPv4 prefix length that is not a number from 0 to 32"
		}
		t.Prefix4, rest = n, rest[:i]
	}
	if rest == ":" || rest != "" && rest[0] != ':' {
		return "", "needs a domain after a colon, or a prefix length after a slash"
	}
	return rest, ""
}
