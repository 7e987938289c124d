package hygiene

import (
	"fmt"
	"slices"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// transport looks at MTA-STS (RFC 8461) and TLS reporting (RFC 8460).
func (j *judgement) transport() {
	record := j.single(j.subject.Domain.Child("_mta-sts"), mailrec.MTASTS)
	if record == "" {
		return
	}
	at := "mta-sts." + string(j.subject.Domain)
	if reports := j.look(j.subject.Domain.Child("_smtp._tls"), rrset.TXT); reports.Status.Absent() {
		j.say("tls_rpt_missing", Note, mailrec.None, "_smtp._tls."+string(j.subject.Domain)+" TXT", "RFC 8460 section 3", "Publish a TLS-RPT record.",
			"there is an MTA-STS policy and nobody reports when it fails")
	}
	if j.subject.Policy == nil {
		return
	}
	if problem := j.subject.Policy.Problem; problem != "" {
		j.say("sts_policy_unusable", Warning, mailrec.Weakened, at, "RFC 8461 section 3.3", "Serve the policy at https://mta-sts.DOMAIN/.well-known/mta-sts.txt.",
			"the record names a policy that cannot be fetched: %s", problem)
		return
	}
	if k := j.subject.Known; k != nil && k.ID == mailrec.STSPolicyID(record) && k.Text != j.subject.Policy.Text {
		j.say("sts_id_stale", Warning, mailrec.Degraded, "_mta-sts."+string(j.subject.Domain)+" TXT", "RFC 8461 section 3.1", "Change the record's id.",
			"the policy file changed and the record's id %q did not: senders keep to the old policy until it ends", k.ID)
	}
	p, err := mailrec.ParseSTSPolicy(j.subject.Policy.Text)
	if err != nil {
		j.say("sts_policy_invalid", Warning, mailrec.Weakened, at, "RFC 8461 section 3.2", "Mend the policy file and change the record's id.", "the policy is invalid: %s", err)
		return
	}
	j.covers(p, at)
}

// covers says whether the policy lets senders deliver to every exchange.
func (j *judgement) covers(p mailrec.STSPolicy, at string) {
	if p.Mode == "none" {
		return
	}
	for _, x := range j.look(j.subject.Domain, rrset.MX).Set.Exchanges() {
		if p.Allows(x.Host) {
			continue
		}
		s, impact, then := Warning, mailrec.None, "they would if it were enforced"
		if p.Mode == "enforce" {
			s, impact, then = Critical, mailrec.Degraded, "mail and bounces to the domain wait and come back"
		}
		j.say("sts_mx_not_allowed", s, impact, at, "RFC 8461 section 4.1", "Add the exchange to the policy and change the record's id.",
			"the policy does not allow the exchange %s: senders that keep to it do not deliver there; %s", x.Host, then)
	}
}

// single gives the text of a name's one record of a kind; empty if it is not there or not usable.
func (j *judgement) single(name rrset.Name, k mailrec.Kind) string {
	a := j.look(name, rrset.TXT)
	e := mailrec.Expectation{Kind: k, Match: mailrec.Present}
	if a.Status != view.Found || e.Check(a.Set).Class != mailrec.Same {
		return ""
	}
	return string(e.Select(a.Set).Texts()[0])
}

// tlsa looks at the TLSA records of the exchanges (RFC 7672).
func (j *judgement) tlsa() {
	for _, x := range j.look(j.subject.Domain, rrset.MX).Set.Exchanges() {
		if x.Host == rrset.Root {
			continue
		}
		name := x.Host.Child("_25._tcp")
		usable := 0
		data := j.look(name, rrset.TLSA).Set.Data
		for _, d := range data {
			if why := tlsaProblem(d); why != "" {
				j.say("tlsa_unusable", Warning, mailrec.Degraded, string(name)+" TLSA", "RFC 7672 section 3.1", "Publish usage 3 or 2, selector 1, matching type 1.", "a TLSA record cannot be used: %s", why)
				continue
			}
			usable++
		}
		if len(data) > 0 && usable == 0 {
			j.say("tlsa_none_usable", Critical, mailrec.Degraded, string(name)+" TLSA", "RFC 7672 section 2.2", "Mend the TLSA records or take them away.",
				"no TLSA record of the exchange can be used: senders that use DANE do not deliver")
		}
	}
}

// tlsaProblem says why a TLSA record (RFC 6698 section 2.1) cannot be used for mail.
func tlsaProblem(d []byte) string {
	if len(d) < 4 {
		return "it is cut off"
	}
	usage, selector, matching, size := d[0], d[1], d[2], len(d)-3
	switch {
	case usage != 2 && usage != 3:
		return fmt.Sprintf("usage %d is not for mail", usage)
	case selector > 1:
		return fmt.Sprintf("selector %d is unknown", selector)
	case matching > 2:
		return fmt.Sprintf("matching type %d is unknown", matching)
	case matching == 1 && size != 32, matching == 2 && size != 64:
		return fmt.Sprintf("its digest has %d octets", size)
	}
	return ""
}

// indicator looks at the brand indicator, which is shown only under an enforced DMARC policy.
func (j *judgement) indicator() {
	if j.single(j.subject.Domain.Child("default._bimi"), mailrec.BIMI) == "" {
		return
	}
	p := mailrec.DiscoverDMARC(j.view, j.subject.Domain)
	if p.Final && !p.Temporary && !slices.Contains([]string{"quarantine", "reject"}, p.Applied) {
		j.say("bimi_without_enforcement", Note, mailrec.None, "default._bimi."+string(j.subject.Domain)+" TXT", "draft-brand-indicators-for-message-identification section 4.1",
			"Go on to p=quarantine or reject.", "the logo is not shown: %s", p)
	}
}

// authorities looks whether the domain says who may issue certificates for it (RFC 8659).
func (j *judgement) authorities() {
	for n := j.subject.Domain; n.Labels() > 1; n = n.Parent() {
		if a := j.look(n, rrset.CAA); !a.Status.Absent() {
			return // there is one, or it is not known
		}
	}
	j.say("caa_missing", Note, mailrec.None, string(j.subject.Domain)+" CAA", "RFC 8659 section 3", "Publish a CAA record that names your certificate authority.",
		"any authority may issue certificates for the domain's hosts, mta-sts and the exchanges among them")
}
