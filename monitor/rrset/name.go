package rrset

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/net/idna"
)

// Name is a domain name in the one form that the rest of maildrift compares and
// stores: lower-case ASCII (A-labels for internationalised names), without the
// trailing dot. The root is ".".
//
// DNS names compare case-insensitively (RFC 4343), so lower-casing loses nothing.
type Name string

// Root is the name of the DNS root.
const Root Name = "."

// hostProfile converts U-labels as UTS 46 (non-transitional) says. It is lax
// about STD 3 characters because mail records live at names with underscores.
var hostProfile = idna.New(
	idna.MapForLookup(),
	idna.Transitional(false),
	idna.StrictDomainName(false),
	idna.BidiRule(),
)

// ParseName reads a domain name as a person writes it: in any case, with or
// without the trailing dot, as A-labels or U-labels. It refuses what is not a
// domain name (an address, a URL, an e-mail address, empty or overlong labels)
// and says why.
func ParseName(s string) (Name, error) {
	t := strings.TrimSpace(strings.TrimPrefix(s, "\ufeff"))
	switch {
	case t == "":
		return "", errors.New("empty domain name")
	case t == ".":
		return Root, nil
	case strings.Contains(t, "://") || strings.Contains(t, "/"):
		return "", fmt.Errorf("%q is a URL, not a domain name: write the host part only", s)
	case strings.Contains(t, "@"):
		return "", fmt.Errorf("%q is an e-mail address, not a domain name: write the part after the @", s)
	case strings.ContainsAny(t, " \t\r\n"):
		return "", fmt.Errorf("%q contains a blank: write one domain name", s)
	}
	if isAddr(t) {
		return "", fmt.Errorf("%q is an IP address, not a domain name", s)
	}
	n := Name(lowerASCII(strings.TrimSuffix(t, ".")))
	if !isASCII(string(n)) {
		ascii, err := hostProfile.ToASCII(string(n))
		if err != nil {
			return "", fmt.Errorf("%q is not a domain name: %w", s, err)
		}
		n = Name(ascii)
	}
	if err := n.check(); err != nil {
		return "", fmt.Errorf("%q is not a domain name: %w", s, err)
	}
	return n, nil
}

// isAddr says whether a text is an IP address. No name that ends in a letter is one, unless there are colons in it.
func isAddr(s string) bool {
	if last := s[len(s)-1]; (last < '0' || last > '9') && !strings.Contains(s, ":") {
		return false
	}
	_, err := netip.ParseAddr(s)
	return err == nil
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}

// check applies the limits of RFC 1035 section 2.3.4: labels of 1 to 63 octets,
// names of at most 255 octets on the wire (253 in this form).
func (n Name) check() error {
	if len(n) > 253 {
		return fmt.Errorf("%d characters long, at most 253 are allowed", len(n))
	}
	for label := range strings.SplitSeq(string(n), ".") {
		switch {
		case label == "":
			return errors.New("it has an empty label (two dots in a row)")
		case len(label) > 63:
			return fmt.Errorf("label %q is %d characters long, at most 63 are allowed", label, len(label))
		}
		for _, c := range []byte(label) {
			if c <= ' ' || c >= 0x7f || strings.IndexByte(`"\;()<>,:`, c) >= 0 {
				return fmt.Errorf("character %q is not allowed in label %q", c, label)
			}
		}
	}
	return nil
}

// MustName is ParseName for names that the program itself wrote; it panics on
// an error.
func MustName(s string) Name {
	n, err := ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// FromFQDN takes a name as it came from the wire, in presentation form with a
// trailing dot, and lower-cases it. It refuses nothing: hostile zones may use
// any octet in a name. Libraries do not agree on what they escape and how (\@ or
// \064 or nothing); here it is always as in [FromText].
func FromFQDN(s string) Name {
	if s == "." || s == "" {
		return Root
	}
	s = lowerASCII(strings.TrimSuffix(s, "."))
	if strings.IndexByte(s, '\\') < 0 {
		return Name(s)
	}
	var out strings.Builder
	for len(s) > 0 {
		switch {
		case s[0] != '\\' || len(s) == 1:
			out.WriteByte(s[0])
			s = s[1:]
		case len(s) >= 4 && isDigits(s[1:4]):
			c, _ := strconv.Atoi(s[1:4])
			writeOctet(&out, byte(c))
			s = s[4:]
		default:
			writeOctet(&out, s[1])
			s = s[2:]
		}
	}
	return Name(out.String())
}

func isDigits(s string) bool { return strings.Trim(s, "0123456789") == "" }

// FromText makes a name of text in which every dot parts labels and every other
// octet stands for itself, as SPF macros bring them about. It does not check lengths.
func FromText(s string) Name {
	var out strings.Builder
	for i := range len(s) {
		if s[i] == '.' {
			out.WriteByte('.')
		} else {
			writeOctet(&out, s[i])
		}
	}
	return Name(out.String())
}

// writeOctet writes an octet of a label, lower-cased, escaped as \DDD where it is special in
// presentation form (RFC 4343 section 2.1).
func writeOctet(out *strings.Builder, c byte) {
	switch {
	case c <= ' ' || c >= 0x7f || strings.IndexByte(`.\"';@()`, c) >= 0:
		fmt.Fprintf(out, `\%03d`, c)
	case 'A' <= c && c <= 'Z':
		out.WriteByte(c + 'a' - 'A')
	default:
		out.WriteByte(c)
	}
}

// lowerASCII lower-cases A to Z only: RFC 4343 knows no other case folding.
func lowerASCII(s string) string {
	for i := range len(s) {
		if c := s[i]; 'A' <= c && c <= 'Z' {
			b := []byte(s)
			for j := i; j < len(b); j++ {
				if 'A' <= b[j] && b[j] <= 'Z' {
					b[j] += 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return s
}

// FQDN gives the name with its trailing dot, as zone files and DNS libraries
// want it.
func (n Name) FQDN() string {
	if n == Root {
		return "."
	}
	return string(n) + "."
}

// Unicode gives the name with its A-labels shown as U-labels, for people.
func (n Name) Unicode() string {
	u, err := idna.Punycode.ToUnicode(string(n))
	if err != nil {
		return string(n)
	}
	return u
}

// Parent gives the name without its first label; the root's parent is the root.
func (n Name) Parent() Name {
	if _, rest, ok := strings.Cut(string(n), "."); ok && n != Root && rest != "" {
		return Name(rest)
	}
	return Root
}

// Child gives the name host below n; host may have several labels. An empty
// host or "@" is n itself.
func (n Name) Child(host string) Name {
	switch {
	case host == "" || host == "@":
		return n
	case n == Root:
		return Name(lowerASCII(host))
	}
	return Name(lowerASCII(host) + "." + string(n))
}

// IsAtOrBelow says whether n is zone or a name under it.
func (n Name) IsAtOrBelow(zone Name) bool {
	if zone == Root || n == zone {
		return true
	}
	return strings.HasSuffix(string(n), "."+string(zone))
}

// Labels counts the labels; the root has none.
func (n Name) Labels() int {
	if n == Root || n == "" {
		return 0
	}
	return strings.Count(string(n), ".") + 1
}

// ReverseName is where the PTR record of an address lives (RFC 1035 section 3.5, RFC 3596
// section 2.5).
func ReverseName(addr netip.Addr) Name {
	const digits = "0123456789abcdef"
	addr = addr.Unmap()
	var out strings.Builder
	for _, c := range slices.Backward(addr.AsSlice()) {
		if addr.Is4() {
			fmt.Fprintf(&out, "%d.", c)
		} else {
			fmt.Fprintf(&out, "%c.%c.", digits[c&15], digits[c>>4])
		}
	}
	if addr.Is4() {
		return Name(out.String() + "in-addr.arpa")
	}
	return Name(out.String() + "ip6.arpa")
}
