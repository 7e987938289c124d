package resolve

import (
	"fmt"
	"net/netip"
	"time"

	"maildrift/monitor/rrset"
)

// Question is what a source is asked; the class is always IN.
type Question struct {
	Name rrset.Name
	Type rrset.Type
}

// String gives the question as dig takes it.
func (q Question) String() string { return string(q.Name) + " " + q.Type.String() }

// Outcome is how asking a question ended. Only the first three are evidence; all
// others say that the source could not be heard or not be trusted, never that a
// record is gone.
type Outcome uint8

// The outcomes.
const (
	// Answered is NOERROR with records of the asked type, reached over the CNAME
	// chain if there is one.
	Answered Outcome = iota
	// NoData is NOERROR without the asked type, proven by a SOA record or the AA
	// bit (RFC 2308 section 2.2).
	NoData
	// NXDomain is RCODE 3 for the name at the end of the chain (RFC 2308 section 2.1).
	NXDomain

	// Elsewhere is an authority's answer that ends in a CNAME or referral leading out of its zones:
	// it has said all that it knows, which is nothing about the asked type.
	Elsewhere

	// Timeout is no reply within the time given, retries included.
	Timeout
	// ServFail is RCODE 2: the resolver tried and failed, or DNSSEC validation did.
	ServFail
	// Refused is RCODE 5: policy or rate limiting.
	Refused
	// OtherRcode is any other RCODE after the EDNS, version and cookie retries.
	OtherRcode
	// Mismatched is that only replies with the wrong ID or question came, over UDP
	// and over TCP.
	Mismatched
	// Malformed is a reply that does not parse, or whose answer section is not a chain from the name asked.
	Malformed
	// Truncated is TC=1 and no answer over TCP (RFC 7766 section 5); the partial data is not used.
	Truncated
	// Lame is an answer that is neither data nor a proof of absence: an empty NOERROR
	// without SOA, a referral from a resolver, RA=0, a server not authoritative for the zone.
	Lame
	// Filtered is an answer that the source says it forged or blocked (EDE 4, 15 to
	// 18; RFC 8914): a matter of the operator's policy, not of the zone.
	Filtered
	// Stale is an answer from an expired cache entry (EDE 3 or 19; RFC 8767).
	Stale
	// Network is an error of the connection: refused, reset, unreachable, TLS.
	Network
	// Local is our own failure: out of sockets, buffers or permissions, or a question
	// given up because the sweep ended. It is not held against the source.
	Local
)

var outcomeNames = [...]string{
	Answered: "answer", NoData: "nodata", NXDomain: "nxdomain", Elsewhere: "elsewhere",
	Timeout: "timeout", ServFail: "servfail", Refused: "refused", OtherRcode: "other_rcode",
	Mismatched: "mismatch", Malformed: "malformed", Truncated: "truncated", Lame: "lame",
	Filtered: "filtered", Stale: "stale", Network: "network", Local: "local",
}

// String gives the name used in metrics, JSON and texts.
func (o Outcome) String() string { return outcomeNames[o] }

// Outcomes lists all outcomes, for metrics and documentation.
func Outcomes() []Outcome {
	all := make([]Outcome, len(outcomeNames))
	for i := range all {
		all[i] = Outcome(i)
	}
	return all
}

// MarshalText writes the name.
func (o Outcome) MarshalText() ([]byte, error) { return []byte(o.String()), nil }

// UnmarshalText reads the name.
func (o *Outcome) UnmarshalText(b []byte) error {
	for i, name := range outcomeNames {
		if name == string(b) {
			*o = Outcome(i)
			return nil
		}
	}
	return fmt.Errorf("unknown outcome %q", b)
}

// Evidence says whether the outcome says anything about the record.
func (o Outcome) Evidence() bool { return o <= NXDomain }

// Absent says whether the outcome is evidence that the record does not exist.
func (o Outcome) Absent() bool { return o == NoData || o == NXDomain }

// EDE is an Extended DNS Error (RFC 8914). The text is the source's and hostile
// until shown through rrset.Printable.
type EDE struct {
	Code uint16 `json:"code"`
	Text string `json:"text,omitempty"`
}

// Observation is one source's answer to one question at one time, or why there
// is none. It is a value; whoever receives it owns it.
type Observation struct {
	Source   *Source
	Question Question
	// Ref is that of the query.
	Ref int
	// Print identifies what the reply says; 0 if it cannot be recognised again. With Same it says what the query's Known
	// stands for, and nothing else that a reply says is filled in here, not even Outcome, but for TTL.
	Print Print
	Same  bool
	// At is when the reply came, or when asking was given up.
	At time.Time
	// Outcome says which of the fields below mean something.
	Outcome Outcome
	// Set is the RRset of the asked type; empty unless Outcome is Answered (or Stale or Filtered, for showing only).
	Set rrset.Set
	// Chain is the CNAME targets that were followed, in order.
	Chain []rrset.Name
	// TTL is the least TTL in seconds over chain and set, clamped to 7 days; values
	// from 2^31 on count as 0 (RFC 2181 section 8). For absence it is the negative TTL,
	// min(SOA TTL, SOA MINIMUM) (RFC 2308 section 5).
	TTL uint32
	// AD and AA are the reply's bits: validated by DNSSEC, authoritative.
	AD, AA bool
	// Bogus says of a ServFail that it is DNSSEC validation that fails: the source says so (EDE
	// 6 to 12), or answers when told not to validate.
	Bogus bool
	// EDE holds what the source explained.
	EDE []EDE
	// Server is the address that answered or was asked last; Transport how.
	Server    netip.AddrPort
	Transport Transport
	// Latency is the time of the try that ended it; Tries how many there were.
	Latency time.Duration
	Tries   int
	// Mismatches counts replies that were thrown away because of ID or question.
	Mismatches int
	// Withheld says that the question did not go out, since the source had answered nothing, or refused everything, for a while: Outcome is
	// what is expected of it.
	Withheld bool
	// Detail says more about a failure, in plain words, safe to show.
	Detail string
}
