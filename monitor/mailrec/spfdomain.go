package mailrec

import "strings"

// parseSPFDomain reads a domain-spec (RFC 7208 section 7.1): names with macros. Names are
// lower-cased and lose a trailing dot; macros are kept, since the case of their
// letter means something (section 7.3).
func parseSPFDomain(s string) (string, string) {
	if s == "" {
		return "", "names no domain"
	}
	out, macroEnd, wrong := scanSPFMacros(s)
	if wrong != "" {
		return "", wrong
	}
	if macroEnd {
		return out, ""
	}
	out = strings.TrimSuffix(out, ".")
	dot := strings.LastIndexByte(out, '.')
	if !isTopLabel(out[dot+1:]) {
		return "", "names something that is not a domain"
	}
	if strings.Contains(out, "..") || strings.HasPrefix(out, ".") {
		return "", "names a domain with an empty label"
	}
	if dot < 0 {
		return "", "names a domain without a dot"
	}
	return out, ""
}

// isTopLabel applies toplabel of RFC 7208 section 7.1: letters, digits and inner
// hyphens, not all digits.
func isTopLabel(s string) bool {
	if s == "" || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	digits := true
	for _, c := range []byte(s) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z'
		if !letter && c != '-' && (c < '0' || c > '9') {
			return false
		}
		digits = digits && '0' <= c && c <= '9'
	}
	return !digits
}

// scanSPFMacros checks a macro-string and gives it with its literal parts
// lower-cased; macroEnd says whether a macro comes last.
func scanSPFMacros(s string) (canonical string, macroEnd bool, wrong string) {
	var out strings.Builder
	for len(s) > 0 {
		if s[0] != '%' {
			if s[0] <= ' ' || s[0] >= 0x7f {
				return "", false, "holds a character that is not printable ASCII"
			}
			out.WriteString(strings.ToLower(s[:1]))
			s, macroEnd = s[1:], false
			continue
		}
		n := macroLength(s)
		if n == 0 {
			return "", false, "holds a % that begins no macro"
		}
		out.WriteString(s[:n])
		s, macroEnd = s[n:], true
	}
	return out.String(), macroEnd, ""
}

// macroLetters are those of RFC 7208 section 7.2; c, r and t are for the text that
// exp points to and wrong in a record.
const macroLetters = "slodiphv"

// macroLength gives the length of the macro-expand at the start of s: %%, %_, %- or
// "%{" letter [digits] ["r"] [delimiters] "}". It is 0 if there is none.
func macroLength(s string) int {
	if len(s) < 2 {
		return 0
	}
	if strings.IndexByte("%_-", s[1]) >= 0 {
		return 2
	}
	end := strings.IndexByte(s, '}')
	if s[1] != '{' || end < 3 || strings.IndexByte(macroLetters, s[2]|0x20) < 0 {
		return 0
	}
	rest := strings.TrimLeft(s[3:end], "0123456789")
	// A transformer of zero would keep no label at all (RFC 7208 section 7.3).
	if digits := s[3 : end-len(rest)]; digits != "" && strings.Trim(digits, "0") == "" {
		return 0
	}
	if rest != "" && rest[0]|0x20 == 'r' {
		rest = rest[1:]
	}
	if strings.Trim(rest, ".-+,/_=") != "" {
		return 0
	}
	return end + 1
}
