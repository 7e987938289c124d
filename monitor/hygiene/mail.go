package hygiene

import (
	"net/netip"
	"slices"
	"strings"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// exchanges looks at the domain's MX records and at what they name.
func (j *judgement) exchanges() {
	domain := j.subject.Domain
	a := j.look(domain, rrset.MX)
	at := string(domain) + " MX"
	all := a.Set.Exchanges()
	if a.Status.Absent() {
		j.implicit()
		return
	}
	null := slices.ContainsFunc(all, func(x rrset.Exchange) bool { return x.Host == rrset.Root })
	switch {
	case null && len(all) == 1:
		j.say("mx_null", Warning, mailrec.Rejected, at, "RFC 7505 section 4.2", "Publish the exchange that takes bounces and replies.",
			"the null MX says that the domain accepts no mail: receivers may refuse mail from it")
		return
	case null:
		j.say("mx_null_among_others", Critical, mailrec.Degraded, at, "RFC 7505 section 3", "Take the null MX away, or all others.",
			"a null MX stands among other MX records")
	}
	if j.subject.SingleMX && len(all) > 1 {
		j.say("mx_not_single", Warning, mailrec.Degraded, at, "", "Leave only the service's exchange.",
			"the mail service wants one exchange and there are %d", len(all))
	}
	for _, x := range all {
		if x.Host != rrset.Root {
			j.exchange(x.Host)
		}
	}
}

// implicit is the rule that without MX records the domain's own address takes its mail.
func (j *judgement) implicit() {
	addrs, known := j.addresses(j.subject.Domain)
	if known && len(addrs) == 0 {
		j.say("mx_none", Critical, mailrec.Degraded, string(j.subject.Domain)+" MX", "RFC 5321 section 5.1", "Publish an MX record.",
			"there is neither an MX record nor an address: bounces and replies are lost, and many receivers refuse mail from such a domain")
	}
}

func (j *judgement) exchange(host rrset.Name) {
	a := j.look(host, rrset.A)
	if len(a.Chain) > 0 {
		j.say("mx_cname", Warning, mailrec.Degraded, string(host), "RFC 2181 section 10.3", "Name the host that the alias leads to.",
			"the exchange is an alias for %s: some senders do not follow it", a.Chain[len(a.Chain)-1])
	}
	if last := string(host)[strings.LastIndexByte(string(host), '.')+1:]; strings.Trim(last, "0123456789") == "" {
		j.say("mx_address", Critical, mailrec.Degraded, string(host), "RFC 5321 section 5.1", "Name a host.", "the MX record names an address where it must name a host")
		return
	}
	addrs, known := j.addresses(host)
	if known && len(addrs) == 0 {
		j.say("mx_unresolved", Critical, mailrec.Degraded, string(host), "RFC 5321 section 5.1", "Mend the host's address records, or name another host.",
			"the exchange has no address: nobody can deliver to it")
	}
	for _, addr := range addrs {
		if inner := !addr.IsGlobalUnicast() || addr.IsPrivate(); inner && !j.subject.AllowPrivate {
			j.say("mx_private", Critical, mailrec.Degraded, string(host), "RFC 1918", "Publish an address that the world can reach.",
				"the exchange has the address %s, which only exists inside a network", addr)
		}
	}
}

// senders looks at the names that mail comes from: Yahoo asks for their SOA record.
func (j *judgement) senders() {
	names := []rrset.Name{j.subject.Domain}
	if m := j.subject.MailFrom; m != "" && m != j.subject.Domain {
		names = append(names, m)
		j.mailFrom(m)
	}
	for _, n := range names {
		if a := j.look(n, rrset.SOA); a.Status == view.NXDomain {
			j.say("sender_not_there", Critical, mailrec.Rejected, string(n)+" SOA", "Yahoo's sender requirements", "Publish records at the name, or send from another.",
				"the name does not exist: Yahoo refuses mail from domains for which it finds no SOA record, others do too")
		}
	}
}

// mailFrom is the domain that bounces go to.
func (j *judgement) mailFrom(domain rrset.Name) {
	if a := j.look(domain, rrset.MX); !a.Status.Absent() {
		return
	}
	if addrs, known := j.addresses(domain); known && len(addrs) == 0 {
		j.say("mail_from_no_return", Critical, mailrec.Degraded, string(domain)+" MX", "RFC 5321 section 4.5.5", "Publish the MX record that the mail service asks for.",
			"bounces have nowhere to go: the MAIL FROM domain has neither an MX record nor an address")
	}
}

// reverse looks at the names of sending addresses (forward-confirmed reverse DNS).
func (j *judgement) reverse() {
	for _, addr := range j.subject.Addresses {
		a := j.look(rrset.ReverseName(addr), rrset.PTR)
		at := addr.String() + " PTR"
		const rule, do = "Gmail 550 5.7.25, Yahoo, Microsoft", "Have whoever runs the network set the PTR record to a name that leads back to the address."
		switch {
		case a.Status.Absent():
			j.say("ptr_missing", Critical, mailrec.Rejected, at, rule, do, "the sending address has no name: large receivers refuse its mail")
		case a.Status == view.Found:
			j.confirm(addr, at, rule, do, a.Set.Hosts())
		}
	}
}

func (j *judgement) confirm(addr netip.Addr, at, rule, do string, names []rrset.Name) {
	known := true
	for _, n := range names {
		addrs, all := j.addresses(n)
		if slices.Contains(addrs, addr) {
			if generic(n, addr) {
				j.say("ptr_generic", Warning, mailrec.Degraded, at, "", "Ask for a name of your own, such as mail.example.com.",
					"the name %s looks like one that providers give to customers' lines, which many receivers distrust", n)
			}
			return
		}
		known = known && all
	}
	if known {
		j.say("ptr_unconfirmed", Critical, mailrec.Rejected, at, rule, do,
			"the names of the sending address (%s) do not lead back to it: large receivers refuse its mail", listed(names))
	}
}

// generic says whether a name has the address's numbers in it.
func generic(n rrset.Name, addr netip.Addr) bool {
	if !addr.Is4() {
		return false
	}
	parts := strings.Split(addr.String(), ".")
	for _, sep := range []string{"-", "."} {
		forward := strings.Join(parts, sep)
		backward := strings.Join([]string{parts[3], parts[2], parts[1], parts[0]}, sep)
		if strings.Contains(string(n), forward) || strings.Contains(string(n), backward) {
			return true
		}
	}
	return false
}

func listed(names []rrset.Name) string {
	var out []string
	for _, n := range names {
		out = append(out, string(n))
	}
	return strings.Join(out, ", ")
}
