package advice

import (
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor/rrset"
)

const (
	// domainsPerAccount is how many sending domains an account has at most.
	domainsPerAccount = 5
	// maxName is how many characters a sending domain has at most.
	maxName = 50
	// namesShown is how many domains a sentence names.
	namesShown = 5
)

// shown gives an account as it may stand in a sentence: labels may hold anything.
func (m member) shown() string { return rrset.Printable([]byte(m.account)) }

// fewDomains is about the number of sending domains of an account.
func (f Fleet) fewDomains(s subject) *Advice {
	of := []rrset.Name{s.name}
	for _, m := range f.members {
		if m.account == s.account && m.name != s.name {
			of = append(of, m.name)
		}
	}
	if len(of) <= domainsPerAccount {
		return nil
	}
	a := &Advice{
		ID:     "directmail-domain-limit",
		Text:   fmt.Sprintf("The account %s has %s here, and Direct Mail lets an account have %d.", s.shown(), count(len(of), "sending domain"), domainsPerAccount),
		Do:     "Remove domains that no longer send, use another account, or check the present limit in the console.",
		Source: faq,
	}
	if s.account == "" {
		a.Text = fmt.Sprintf("%s of Direct Mail name no account, and an account can have %d.", count(len(of), "domain"), domainsPerAccount)
		a.Do = "Say for each domain to which account it belongs: parameter account."
	}
	return a
}

// oneAccount is about a main domain that several accounts use.
func (f Fleet) oneAccount(s subject) *Advice {
	if s.account == "" {
		return nil
	}
	var strangers []string
	for _, m := range f.members {
		if m.account != "" && m.account != s.account && m.name.IsAtOrBelow(s.main) {
			strangers = append(strangers, fmt.Sprintf("%s (account %s)", m.name, m.shown()))
		}
	}
	if len(strangers) == 0 {
		return nil
	}
	return &Advice{
		ID:     "directmail-one-account",
		Text:   fmt.Sprintf("%s with all its subdomains can belong to one account only: %s is of account %s, and there are %s.", s.main, s.name, s.shown(), list(strangers)),
		Do:     "Move the domains to one account, or send with another main domain.",
		Source: faq,
	}
}

// subdomain is about sending with the main domain itself.
func subdomain(s subject) *Advice {
	if s.name != s.main {
		return nil
	}
	return &Advice{
		ID:     "directmail-subdomain",
		Text:   fmt.Sprintf("%s is a main domain: what Direct Mail needs there (MX, SPF) is in the way of mailboxes, and a bad reputation would hit all mail of %s.", s.name, s.name),
		Do:     fmt.Sprintf("Send from a subdomain, for example notice.%s.", s.name),
		Source: faq,
	}
}

// purposes is about triggered and batch mail from one domain.
func (f Fleet) purposes(s subject) *Advice {
	if s.purpose != "" {
		return nil
	}
	known := map[string]bool{}
	for _, m := range f.members {
		if m.account == s.account && m.name.IsAtOrBelow(s.main) {
			known[m.purpose] = true
		}
	}
	if known["triggered"] && known["batch"] {
		return nil
	}
	return &Advice{
		ID:   "directmail-purpose",
		Text: fmt.Sprintf("Nothing says whether %s sends triggered or batch mail. From one domain, complaints about batch mail delay the triggered.", s.name),
		Do: fmt.Sprintf("Use two domains, for example notice.%s and news.%s, and say which sends what: parameter purpose, triggered or batch.",
			s.main, s.main),
		Source: faq,
	}
}

// nameLength is about names that Direct Mail does not take.
func nameLength(s subject) *Advice {
	if len(s.name) <= maxName {
		return nil
	}
	return &Advice{
		ID:     "directmail-name-length",
		Text:   fmt.Sprintf("%s has %d characters, and Direct Mail takes names of at most %d.", s.name, len(s.name), maxName),
		Do:     "Choose a shorter subdomain.",
		Source: nameRule,
	}
}

// list names some and counts the rest.
func list(names []string) string {
	slices.Sort(names)
	if more := len(names) - namesShown; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:namesShown], ", "), more)
	}
	return strings.Join(names, ", ")
}
