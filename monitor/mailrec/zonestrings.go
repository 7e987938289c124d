package mailrec

import (
	"regexp"
	"strconv"
	"strings"
)

// maxString is how long one of the strings of a TXT record can be, in octets.
const maxString = 255

// seam is what stays of two strings of a zone file when only the outer quotation marks are
// taken away.
var seam = regexp.MustCompile(`\\?"[ \t]*\\?"`)

// zoneStrings reads a text that is nothing but quoted strings (RFC 1035 section 5.1); nil if it is
// not.
func zoneStrings(text string) []string {
	var out []string
	for rest := strings.TrimSpace(text); rest != ""; {
		if rest[0] != '"' {
			return nil
		}
		var one strings.Builder
		n, ok := unquoteOne(&one, rest[1:])
		if !ok {
			return nil
		}
		out = append(out, one.String())
		rest = strings.TrimLeft(rest[1+n:], " \t\r\n")
	}
	return out
}

// unquoteOne reads up to the closing quotation mark (RFC 1035 section 5.1) and gives how much
// that was.
func unquoteOne(out *strings.Builder, s string) (int, bool) {
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return i + 1, true
		case s[i] != '\\':
			out.WriteByte(s[i])
		case i+3 < len(s) && strings.Trim(s[i+1:i+4], "0123456789") == "":
			n, err := strconv.ParseUint(s[i+1:i+4], 10, 8)
			if err != nil {
				return 0, false
			}
			out.WriteByte(byte(n))
			i += 3
		case i+1 < len(s):
			out.WriteByte(s[i+1])
			i++
		}
	}
	return 0, false
}

// join reads a text as zone files have it, if it is quoted strings, and says what happens to them
// there.
func (l *linter) join(d single, text string) (string, bool) {
	all := zoneStrings(text)
	if all == nil {
		return text, false
	}
	for i, s := range all {
		if len(s) > maxString {
			l.say(Warning, "RFC 1035 section 3.3", "string %d has %d octets and at most %d are allowed: split it", i+1, len(s), maxString)
		}
	}
	joined := strings.Join(all, "")
	if d.kind() == SPF && len(all) > 1 {
		_, err := d.parse(joined)
		if _, spaced := d.parse(strings.Join(all, " ")); err != nil && spaced == nil {
			l.say(Warning, "RFC 7208 section 3.3", "the strings are joined without a blank: put one at the end of each")
			l.suggest(zoneText(all))
		}
	}
	return joined, true
}

// zoneText writes strings with a blank between them.
func zoneText(all []string) string {
	var out []string
	for i, s := range all {
		if i < len(all)-1 {
			s += " "
		}
		out = append(out, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`)
	}
	return strings.Join(out, " ")
}
