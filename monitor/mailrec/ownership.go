package mailrec

import "strings"

// ownership is the kind of tokens by which services know their customers' domains.
type ownership struct{}

func (ownership) kind() Kind { return Ownership }

// mine leaves out records of the kinds that have a version or hold a key.
func (ownership) mine(text []byte) bool {
	return len(text) > 0 && !isMailRecord(text)
}

// isMailRecord says whether receivers of mail read the text as a record of its own.
func isMailRecord(text []byte) bool {
	return spfDialect{}.is(text) || dmarc{}.is(text) || mtaSTS{}.is(text) || tlsRPT{}.is(text) || bimi{}.is(text) || looksLikeKey(text)
}

// replaces says whether two values begin with the same name: "MS=…" or
// "brevo-code:…". Values without a name replace each other.
func (ownership) replaces(came, lost string) bool {
	return strings.EqualFold(tokenName(came), tokenName(lost))
}

func (ownership) narrow() bool { return true }

// lostImpact: receivers do not read the token, but the service may stop sending
// for a domain that is no longer proven.
func (ownership) lostImpact() Impact { return Degraded }

// tokenName gives what stands before the first = or : of a value such as
// "google-site-verification=…"; empty if the value is a bare token. An = that only
// pads base64 begins no value.
func tokenName(value string) string {
	i := strings.IndexAny(value, "=:")
	if i <= 0 || strings.Trim(value[i:], "=: ") == "" {
		return ""
	}
	name := strings.TrimRight(value[:i], " ")
	for _, c := range []byte(name) {
		letter := 'a' <= c|0x20 && c|0x20 <= 'z' || '0' <= c && c <= '9'
		if !letter && strings.IndexByte("-_. ", c) < 0 {
			return ""
		}
	}
	return name
}
