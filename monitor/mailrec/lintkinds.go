package mailrec

import (
	"slices"
	"strconv"
	"strings"

	"maildrift/monitor/rrset"
)

// spf judges what receivers do not refuse and should not be there.
func (l *linter) spf(r spfRecord) {
	for _, t := range r.Mechanisms {
		if t.Name == "ptr" {
			l.say(Warning, "RFC 7208 section 5.5", "ptr is slow and unreliable, should not be published, and is ignored by some receivers")
		}
	}
	_, redirects := r.Modifier("redirect")
	if n := len(r.Mechanisms); !redirects && (n == 0 || r.Mechanisms[n-1].Name != "all") {
		l.say(Warning, "RFC 7208 section 4.7", "it does not end in all: what receivers do with other senders is left to them")
	} else if r.All() == '?' && !redirects {
		l.say(Warning, "RFC 7208 section 8.2", "?all says nothing about other senders: ~all or -all protect the domain")
	}
	if r.Anybody() && r.All() != '+' {
		l.say(Warning, "RFC 7208 section 5.6", "its networks hold all addresses: anybody can send in the domain's name")
	}
	for _, t := range r.Mechanisms {
		if a := t.Network.Addr(); t.Network.IsValid() && t.Network.Bits() > 0 && (a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast()) {
			l.say(Warning, "RFC 1918 section 3", "%s is not an address of the Internet: no receiver ever sees mail from it", quoted(t.String()))
		}
	}
	if n := r.Lookups(); n > 0 {
		l.say(Note, "RFC 7208 section 4.6.4", "%d of the ten DNS lookups go to its own terms; what they include adds to that", n)
	}
}

func (l *linter) dkim(k dkimKey, written tagList) {
	const short = 2048
	if _, ok := written.get("v"); !ok {
		l.say(Note, syntaxRules[DKIM], "it has no v=DKIM1: receivers take that for granted, some checkers do not")
	}
	if _, ok := written.get("g"); ok {
		l.say(Note, "RFC 6376 appendix C", "g is no longer part of DKIM and ignored")
	}
	if bits, ok := strings.CutSuffix(k.about, "-bit RSA"); ok {
		if n, err := strconv.Atoi(bits); err == nil && n >= minRSABits && n < short {
			l.say(Warning, "RFC 8301 section 3.2", "the key has %d bits; %d or more are recommended", n, short)
		}
	}
	if l.state == Valid {
		l.say(Note, syntaxRules[DKIM], "the key is %s", k.about)
	}
}

func (l *linter) dmarc(p dmarcPolicy) {
	if p.get("p") == "none" {
		l.say(Warning, dmarcRule, "p=none only asks for reports: others can send in the domain's name. Go on to quarantine and reject once the reports are clean")
	}
	if p.get("rua") == "" {
		l.say(Warning, dmarcRule, "without rua nobody reports: you do not see who sends in the domain's name")
	}
	if strength(p.policyOf("sp")) < strength(p.get("p")) {
		l.say(Warning, dmarcRule, "subdomains have a weaker policy (sp=%s) than the domain (p=%s)", p.policyOf("sp"), p.get("p"))
	}
	for _, t := range p.tags {
		if t.given && slices.Contains([]string{"pct", "rf", "ri"}, t.name) {
			l.say(Note, "RFC 9989 appendix C.5.2", "%s is no longer part of DMARC: receivers that follow RFC 9989 ignore it", t.name)
		}
	}
	if p.get("t") == "y" {
		l.say(Warning, dmarcRule, "t=y: receivers apply the policy one level weaker than it says")
	}
}

// exchanges judges MX records, one a line.
func (l *linter) exchanges(text string) {
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		l.state = NotOne
		l.say(Error, "RFC 5321 section 5.1", "there is no MX record")
		return
	}
	for _, line := range lines {
		if len(strings.Fields(line)) == 1 {
			l.say(Warning, "RFC 1035 section 3.3.9", "%s has no preference; 10 is taken", quoted(line))
		}
	}
	set, err := rrset.Parse(rrset.MX, lines...)
	if err != nil {
		l.state = Invalid
		l.say(Error, "RFC 1035 section 3.3.9", "%s", err)
		return
	}
	if why := (exchanges{}).fault(set); why != nil {
		l.fail(why)
		return
	}
	l.hosts(set.Exchanges())
}

// hosts judges the names of exchanges.
func (l *linter) hosts(all []rrset.Exchange) {
	for i, x := range all {
		host := quoted(string(x.Host))
		switch {
		case isAddressLike(x.Host):
			l.fail(&fault{reason: host + " is an address: an MX record names a host", rule: "RFC 5321 section 5.1"})
		case x.Host.Labels() == 1:
			l.say(Warning, "RFC 5321 section 2.3.5", "%s is a host without a domain: receivers want the full name", host)
		case strings.ContainsRune(string(x.Host), '_'):
			l.say(Warning, "RFC 1123 section 2.1", "%s has an underscore, which names of hosts may not have", host)
		}
		if slices.ContainsFunc(all[:i], func(o rrset.Exchange) bool { return o.Host == x.Host }) {
			l.say(Note, "RFC 5321 section 5.1", "%s is there twice", host)
		}
	}
	if len(all) == 1 {
		l.say(Note, "RFC 5321 section 5.1", "there is one host: mail waits at its senders while it is down")
	}
}

// bimi judges what mailbox providers want beyond the grammar.
func (l *linter) bimi(r tagRecord) {
	logo, rule := valueOf(r.tags, "l"), syntaxRules[BIMI]
	if logo != "" && !strings.HasSuffix(strings.ToLower(logo), ".svg") {
		l.say(Warning, rule, "%s does not end in .svg: the logo must be an SVG file (SVG Tiny PS)", quoted(logo))
	}
	if logo != "" && valueOf(r.tags, "a") == "" {
		l.say(Note, rule, "without a certificate (a) some mailbox providers show no logo")
	}
}
