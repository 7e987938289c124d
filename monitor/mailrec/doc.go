// Package mailrec knows what the DNS records of a sending domain mean to the
// receivers of its mail: it parses them, compares them in meaning, and says what
// receivers would do about a difference.
//
// An [Expectation] says what one record must be. The usual sequence is:
//
//	if err := e.Validate(); err != nil { … }   // when it is configured
//	f := e.Check(answer)                       // until the record is verified
//	baseline := e.Select(answer)               // when f.Class is Same: keep this
//	f = e.Compare(baseline, answer)            // from then on
//
// Answers are whole RRsets as a source gave them. Records of other kinds at the
// same name are ignored: a TXT RRset at a zone's apex holds an SPF record among the
// ownership tokens of many services.
//
// Meaning is what receivers make of a record. It does not depend on where TXT
// strings are split (RFC 7208 section 3.3, RFC 6376 section 3.6.2.2), on the order of
// records or tags, on white space, or on the case of names. It does depend on every
// letter of a DKIM key.
//
// Kinds fall into three families, each judged in one file: records of which there
// must be exactly one (single.go: SPF, DKIM, DMARC, MTA-STS, TLS-RPT, BIMI), records
// that make a set (members.go: MX, hosts, addresses), and tokens among unrelated
// TXT records (tokens.go: ownership and other TXT).
//
// What needs more than the record itself (the tree of SPF includes, the DMARC
// policy that a domain inherits, whether an exchange has an address) is not judged here: the
// impact is what this record's state does when nothing else is known.
//
// Everything is a pure function of its arguments, without I/O, clock or state,
// and may be called concurrently. Text from the wire is escaped before it gets into a
// [Finding].
//
// The rules come from RFC 7208 (SPF), RFC 6376, 8301 and 8463 (DKIM), RFC 9989 and
// 7489 (DMARC), RFC 5321 and 7505 (MX), RFC 8461 (MTA-STS), RFC 8460 (TLS-RPT) and the BIMI
// draft.
package mailrec
