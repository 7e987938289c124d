package mailrec

import (
	"crypto/sha256"
	"unicode/utf8"

	"maildrift/monitor/rrset"
)

// Lengths to which text from the wire is cut: a whole 4096-bit key fits into a
// change; a sentence stays a sentence.
const (
	maxShown  = 1000
	maxQuoted = 80
)

// shown makes data from the wire safe to read, for a list of changes.
func shown(s string) string { return cut(rrset.Printable([]byte(s)), maxShown) }

// shownText is shown for whole records, of which even an empty one must be seen.
func shownText(s string) string {
	if s == "" {
		return "(empty)"
	}
	return shown(s)
}

// quoted makes data from the wire safe to read, for the middle of a sentence.
func quoted(s string) string { return `"` + cut(rrset.Printable([]byte(s)), maxQuoted) + `"` }

// cut shortens s to at most n bytes without splitting a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// meaningOf hashes what a record of a kind says. Raw meanings, those of records
// that do not parse, can never equal a parsed one.
func meaningOf(k Kind, raw bool, canonical string) rrset.Hash {
	head := [2]byte{byte(k), 'm'}
	if raw {
		head[1] = 'r'
	}
	buf := make([]byte, 0, 512)
	buf = append(append(buf, head[:]...), canonical...)
	sum := sha256.Sum256(buf)
	return rrset.Hash(sum[:16])
}
