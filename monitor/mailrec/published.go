package mailrec

import (
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// PublishedPolicy is what a DMARC record asks for, for the domain that it is about.
type PublishedPolicy struct {
	// Policy is none, quarantine or reject, as it applies: a record in test mode (t=y) asks for
	// one less (RFC 9989 section 4.7).
	Policy string
	// StrictDKIM and StrictSPF demand the very same domain, not only the same organisation's.
	StrictDKIM, StrictSPF bool
}

// ReadDMARC gives what the one DMARC record in an answer asks for; false if receivers have
// none to use.
func ReadDMARC(set rrset.Set) (PublishedPolicy, bool) {
	r := single{dmarc{}}.read(single{dmarc{}}.selects(Expectation{Kind: DMARC}, set))
	p, ok := r.said.(dmarcPolicy)
	if !ok {
		return PublishedPolicy{}, false
	}
	policy := p.get("p")
	if i := strength(policy); p.get("t") == "y" && i > 0 {
		policy = policies[i-1]
	}
	return PublishedPolicy{Policy: policy, StrictDKIM: p.get("adkim") == "s", StrictSPF: p.get("aspf") == "s"}, true
}

// ReadSPF gives the one SPF record in an answer; false if receivers have none to use.
func ReadSPF(set rrset.Set) (spf.Record, bool) {
	r := single{spfDialect{}}.read(single{spfDialect{}}.selects(Expectation{Kind: SPF}, set))
	said, ok := r.said.(spfRecord)
	return said.Record, ok && r.fault == nil
}

// PublishedKey is what a DKIM key record gives to verifiers.
type PublishedKey struct {
	// About describes the key: "2048-bit RSA".
	About string
	// Problem says why verifiers cannot use it; empty if they can.
	Problem string
	// Testing and Strict are the flags t=y and t=s (RFC 6376 section 3.6.1).
	Testing, Strict bool
}

// ReadDKIM gives the one key record in an answer; false if verifiers have none.
func ReadDKIM(set rrset.Set) (PublishedKey, bool) {
	r := single{dkim{}}.read(single{dkim{}}.selects(Expectation{Kind: DKIM}, set))
	k, ok := r.said.(dkimKey)
	if !ok {
		return PublishedKey{}, false
	}
	out := PublishedKey{About: k.about, Testing: k.testing(), Strict: k.strict()}
	if k.wrong != nil {
		out.Problem = k.wrong.reason
	}
	return out, true
}
