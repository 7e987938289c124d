package spf

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"maildrift/monitor/rrset"
)

// macros are what macro letters stand for (section 7.2).
type macros struct {
	ip               netip.Addr
	sender, helo     string
	domain, receiver string
	now              time.Time
	// validated gives %{p}; it may have to ask for it.
	validated func() string
}

// localPart and senderDomain split the sender, which always has an @.
func (m macros) localPart() string { local, _ := splitSender(m.sender); return local }

func splitSender(s string) (local, domain string) {
	i := strings.LastIndexByte(s, '@')
	return s[:i], s[i+1:]
}

// letter gives the value of a macro letter in lower case.
func (m macros) letter(c byte) string {
	switch c {
	case 's':
		return m.sender
	case 'l':
		return m.localPart()
	case 'o':
		_, domain := splitSender(m.sender)
		return domain
	case 'd':
		return m.domain
	case 'i':
		return dotted(m.ip)
	case 'p':
		return m.validated()
	case 'v':
		if m.ip.Is4() {
			return "in-addr"
		}
		return "ip6"
	case 'h':
		return m.helo
	case 'c':
		return m.ip.String()
	case 'r':
		return m.receiver
	case 't':
		return strconv.FormatInt(m.now.Unix(), 10)
	}
	return ""
}

// dotted gives an address as %{i} has it: IPv4 as usual, IPv6 as nibbles.
func dotted(ip netip.Addr) string {
	if ip.Is4() {
		return ip.String()
	}
	b := ip.As16()
	var out []string
	for _, c := range b {
		out = append(out, fmt.Sprintf("%X", c>>4), fmt.Sprintf("%X", c&15))
	}
	return strings.Join(out, ".")
}

// maxExpanded bounds what macros may grow to, in bytes: far more than a name or an
// explanation that anybody reads, and little memory.
const maxExpanded = 16 << 10

// expand replaces the macros of a macro-string that was checked by scanMacros or
// isExplanation. What is longer than maxExpanded is cut.
func (m macros) expand(s string) string {
	var out strings.Builder
	for len(s) > 0 && out.Len() < maxExpanded {
		if s[0] != '%' {
			out.WriteByte(s[0])
			s = s[1:]
			continue
		}
		switch s[1] {
		case '%':
			out.WriteByte('%')
		case '_':
			out.WriteByte(' ')
		case '-':
			out.WriteString("%20")
		default:
			end := strings.IndexByte(s, '}')
			out.WriteString(m.expandOne(s[2:end]))
			s = s[end-1:] // leaves two characters, as the short macros have
		}
		s = s[2:]
	}
	return out.String()[:min(out.Len(), maxExpanded)]
}

// expandOne gives the value of letter [digits] ["r"] [delimiters].
func (m macros) expandOne(body string) string {
	letter, rest := body[0], body[1:]
	value := m.letter(letter | 0x20)
	digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
	rest = rest[len(digits):]
	reverse := rest != "" && rest[0]|0x20 == 'r'
	if reverse {
		rest = rest[1:]
	}
	if digits != "" || reverse || rest != "" {
		value = transform(value, digits, reverse, rest)
	}
	if 'A' <= letter && letter <= 'Z' {
		return urlEscape(value)
	}
	return value
}

// transform splits a value at the delimiters, "." without any, and keeps so many
// right-hand parts (section 7.3).
func transform(value, digits string, reverse bool, delimiters string) string {
	if delimiters == "" {
		delimiters = "."
	}
	parts := splitAny(value, delimiters)
	if reverse {
		slices.Reverse(parts)
	}
	// Digits that do not fit into an int are more than any name has labels.
	if n, err := strconv.Atoi(digits); err == nil && n < len(parts) {
		parts = parts[len(parts)-n:]
	}
	return strings.Join(parts, ".")
}

func splitAny(s, delimiters string) []string {
	var out []string
	for {
		i := strings.IndexAny(s, delimiters)
		if i < 0 {
			return append(out, s)
		}
		out = append(out, s[:i])
		s = s[i+1:]
	}
}

// urlEscape escapes all but the unreserved characters of RFC 3986 section 2.3.
func urlEscape(s string) string {
	var out strings.Builder
	for i := range len(s) {
		c := s[i]
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if letter || strings.IndexByte("-._~", c) >= 0 {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// targetName makes the name to ask of an expanded domain-spec: labels are dropped from the
// left until it fits (section 7.3). It is false for what cannot be a name: such a
// name does not exist (section 4.8).
func targetName(s string) (rrset.Name, bool) {
	s = strings.TrimSuffix(s, ".")
	if len(s) >= maxExpanded-1 {
		return "", false
	}
	for len(s) > 253 {
		_, rest, found := strings.Cut(s, ".")
		if !found {
			return "", false
		}
		s = rest
	}
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 {
			return "", false
		}
	}
	return rrset.FromText(s), true
}
