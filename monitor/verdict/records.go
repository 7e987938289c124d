package verdict

import (
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// Reading is one of a domain's records as somebody sees it.
type Reading struct {
	mailrec.Expectation
	Name rrset.Name
	// Baseline is what was verified; empty if nothing was yet.
	Baseline rrset.Set
	// Finding is what is seen now. Failed says that nothing could be seen.
	Finding mailrec.Finding
	Failed  bool
	// Inherited is the policy (none, quarantine, reject) of a domain above that applies where a DMARC
	// record is not there; empty if none does.
	Inherited string
	// TreeBroken says that an SPF record leads to one that receivers give up on.
	TreeBroken bool
}

// FromRecords says what a domain's records come to for mail of the service that they were
// published for. Of several records of a kind the worst counts: each is somebody's.
func FromRecords(domain rrset.Name, readings []Reading) Facts {
	f := Facts{SPFAligned: true, DKIMAligned: true}
	var policy mailrec.PublishedPolicy
	declared := false
	for _, r := range readings {
		if r.Kind == mailrec.DMARC {
			declared, policy = true, f.readDMARC(r)
		}
	}
	if !declared {
		f.Policy = Monitor // nobody asked to look: it is not held against the domain
	}
	for _, r := range readings {
		switch {
		case r.Kind == mailrec.SPF:
			f.SPF = worse(f.SPF, r.spf())
			f.SPFAligned = f.SPFAligned && aligned(domain, r.Name, policy.StrictSPF)
			if said, ok := mailrec.ReadSPF(r.Finding.Seen); ok && said.All() == '-' {
				f.HardFail = true
			}
		case r.Kind == mailrec.DKIM, r.Kind == mailrec.CNAME && strings.Contains(string(r.Name), "._domainkey."):
			_, signer, _ := strings.Cut(string(r.Name), "._domainkey.")
			f.DKIM = worse(f.DKIM, r.dkim())
			f.DKIMAligned = f.DKIMAligned && aligned(domain, rrset.Name(signer), policy.StrictDKIM)
		case r.Kind == mailrec.MX:
			f.NoReturn = f.NoReturn || !r.Failed && r.Finding.Class == mailrec.Absent
		}
	}
	return f
}

// worse gives the worse of two results; a record that could not be looked up is less bad
// than one that is wrong.
func worse(a, b Auth) Auth {
	order := []Auth{Untried, Pass, TempError, Neutral, None, PermError, Fail}
	if slices.Index(order, b) > slices.Index(order, a) {
		return b
	}
	return a
}

func (f *Facts) readDMARC(r Reading) mailrec.PublishedPolicy {
	if r.Failed {
		f.PolicyUnknown = true
		return mailrec.PublishedPolicy{}
	}
	p, ok := mailrec.ReadDMARC(r.Finding.Seen)
	if !ok {
		p.Policy = r.Inherited
	}
	f.Policy = max(f.Policy, map[string]Policy{"none": Monitor, "quarantine": Quarantine, "reject": Reject}[p.Policy])
	return p
}

// spf is the result for the service's mail.
func (r Reading) spf() Auth {
	if r.Failed {
		return TempError
	}
	if r.Finding.Class == mailrec.Absent {
		return None
	}
	now, ok := mailrec.ReadSPF(r.Finding.Seen)
	switch {
	case !ok, r.TreeBroken:
		return PermError
	case r.Finding.Class == mailrec.Same, r.serviceStays(now):
		return Pass
	case now.All() == '-':
		return Fail
	}
	return Neutral
}

// serviceStays says whether a changed record still lets everybody pass who did.
func (r Reading) serviceStays(now spf.Record) bool {
	if r.Match == mailrec.Contains && r.Check(r.Finding.Seen).Class == mailrec.Same {
		return true
	}
	was, ok := mailrec.ReadSPF(r.Baseline)
	if !ok {
		return false
	}
	for _, t := range was.Terms() {
		grants := t.Qualifier == '+' && t.Name != "all" || t.Name == "redirect"
		if grants && !slices.Contains(now.Terms(), t) {
			return false
		}
	}
	return true
}

// dkim is the result for the service's signatures. A key that changed so that mail suffers is another key.
func (r Reading) dkim() Auth {
	switch {
	case r.Failed:
		return TempError
	case r.Finding.Class == mailrec.Absent:
		return None
	case r.Finding.Class == mailrec.Same, r.Finding.Impact < mailrec.Degraded:
		return Pass
	}
	return Fail
}

// aligned says whether an authenticated domain counts for the From domain (RFC 9989 section
// 4.4): the same, or unless strict one of the same organisation. Organisations are told by
// the Public Suffix List here; a domain and those below it belong together in any case.
func aligned(from, authenticated rrset.Name, strict bool) bool {
	switch {
	case from == authenticated:
		return true
	case strict:
		return false
	case from.IsAtOrBelow(authenticated) || authenticated.IsAtOrBelow(from):
		return true
	}
	return mailrec.Registrable(from) == mailrec.Registrable(authenticated)
}
