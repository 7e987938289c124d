package spf

import "strings"

// parseDomain reads a domain-spec (section 7.1): names with macros. Names are
// lower-cased and lose a trailing dot; macros are kept, since the case of their
// letter means something (section 7.3).
func parseDomain(s string) (string, string) {
	if s == "" {
		return "", "names no domain"
	}
	out, macroEnd, wrong := scanMacros(s)
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

// isTopLabel applies toplabel of section 7.1: letters, digits and inner
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

// scanMacros checks a macro-string and gives it with its literal parts
// lower-cased; macroEnd says whether a macro comes last.
func scanMacros(s string) (canonical string, macroEnd bool, wrong string) {
	return scanWith(s, macroLetters)
}

// isExplanation says whether the text that exp leads to may be expanded: ASCII, blanks
// allowed, with the letters that only explanations have (section 6.2).
func isExplanation(s string) bool {
	_, _, wrong := scanWith(strings.ReplaceAll(s, " ", "x"), macroLetters+"crt")
	return wrong == ""
}

func scanWith(s, letters string) (canonical string, macroEnd bool, wrong string) {
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
		n := macroLength(s, letters)
		if n == 0 {
			return "", false, "holds a % that begins no macro"
		}
		out.WriteString(s[:n])
		s, macroEnd = s[n:], true
	}
	return out.String(), macroEnd, ""
}

// macroLetters are those of section 7.2; c, r and t are for the text that
// exp points to and wrong in a record.
const macroLetters = "slodiphv"

// macroLength gives the length of the macro-expand at the start of s: %%, %_, %- or
// "%{" letter [digits] ["r"] [delimiters] "}". It is 0 if there is none.
func macroLength(s, letters string) int {
	if len(s) < 2 {
		return 0
	}
	if strings.IndexByte("%_-", s[1]) >= 0 {
		return 2
	}
	end := strings.IndexByte(s, '}')
	if s[1] != '{' || end < 3 || strings.IndexByte(letters, s[2]|0x20) < 0 {
		return 0
	}
	rest := strings.TrimLeft(s[3:end], "0123456789")
	// A transformer of zero would keep no label at all (section 7.3).
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
