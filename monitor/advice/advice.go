package advice

import (
	"fmt"

	"golang.org/x/net/publicsuffix"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// The IDs of the presets of which the rules speak.
const (
	directMail  = "directmail"
	alibabaMail = "alibaba-mail"
)

// Where the rules come from.
const (
	faq       = "Direct Mail, Domain Name configuration FAQs (2023): https://www.alibabacloud.com/help/en/directmail/latest/domain-name-configuration-faqs"
	mergeRule = "Alibaba Mail, multiple SPF records: https://help.aliyun.com/knowledge_detail/36771.html; RFC 7208 section 4.5"
	nameRule  = "ALIYUN::DirectMail::Domain: https://alibabacloud.com/help/en/ros/developer-reference/aliyun-directmail-domain"
)

// Advice is one thing that a mail service advises about a domain.
type Advice struct {
	// ID is the rule's, and stays what it is: "directmail-subdomain".
	ID string `json:"id" doc:"The rule, for example directmail-subdomain"`
	// Text says in a sentence how it is, Do what to do about it.
	Text string `json:"text" doc:"How it is"`
	Do   string `json:"do" doc:"What to do about it"`
	// Publish are records that do it, ready to copy; they replace what is there.
	Publish []monitor.PublishLine `json:"publish,omitempty" doc:"Records that do it, in place of those that are there"`
	// Source is where the rule is written down.
	Source string `json:"source" doc:"Where the rule is written down"`
}

// States look up what is remembered of records, as monitor.States.Get does: nil for a record of which nothing was seen
// yet. A nil States knows of none.
type States func(monitor.RecordID) *monitor.RecordState

// Registration gives the advice about a domain among the others that are registered; it may be
// among them itself.
func Registration(d *monitor.Domain, others []*monitor.Domain, states States) []Advice {
	if !concerns(d) {
		return nil
	}
	return NewFleet(others).Advice(d, states)
}

// concerns says whether there are rules for the domain at all.
func concerns(d *monitor.Domain) bool { return d.Service() == directMail || d.Service() == alibabaMail }

// Fleet is what the rules need to know of all registered domains. It is read-only.
type Fleet struct{ members []member }

// member is a domain of Direct Mail.
type member struct {
	name             rrset.Name
	account, purpose string
}

// NewFleet takes the registered domains.
func NewFleet(domains []*monitor.Domain) Fleet {
	var f Fleet
	for _, d := range domains {
		if d.Service() == directMail {
			f.members = append(f.members, memberOf(d))
		}
	}
	return f
}

// memberOf reads the account from the parameter or, where it has long been noted for
// alerts, from the label.
func memberOf(d *monitor.Domain) member {
	m := member{name: d.Name, account: d.Spec.Params["account"], purpose: d.Spec.Params["purpose"]}
	if m.account == "" {
		m.account = d.Spec.Labels["account"]
	}
	return m
}

// Advice gives the advice about one domain, most important first.
func (f Fleet) Advice(d *monitor.Domain, states States) []Advice {
	s := subject{domain: d, member: memberOf(d), main: mainDomain(d.Name), states: states}
	if !concerns(d) {
		return nil
	}
	rules := []func(subject) *Advice{besideAlibabaMail}
	if d.Service() == directMail {
		rules = []func(subject) *Advice{
			besideAlibabaMail, nameLength, f.oneAccount, f.fewDomains, subdomain, f.purposes, sendingFirst, nextPolicy,
		}
	}
	var out []Advice
	for _, rule := range rules {
		if a := rule(s); a != nil {
			out = append(out, *a)
		}
	}
	return out
}

// subject is the domain that is spoken of.
type subject struct {
	domain *monitor.Domain
	member
	// main is the registered domain that it belongs to.
	main   rrset.Name
	states States
}

// mainDomain gives the name that was bought: the public suffix and one label (a
// public suffix itself stands for itself).
func mainDomain(name rrset.Name) rrset.Name {
	main, err := publicsuffix.EffectiveTLDPlusOne(string(name))
	if err != nil {
		return name
	}
	return rrset.Name(main)
}

// record gives the domain's record of a kind at a name.
func (s subject) record(kind mailrec.Kind, at rrset.Name) (monitor.Record, bool) {
	for _, r := range s.domain.Records {
		if r.Kind == kind && r.Name == at {
			return r, true
		}
	}
	return monitor.Record{}, false
}

func (s subject) state(r monitor.Record) *monitor.RecordState {
	if s.states == nil {
		return nil
	}
	return s.states(monitor.RecordID{Domain: s.domain.Name, Key: r.Key})
}

// published gives what was last seen of a record: what is there instead of the
// verified, else that.
func (s subject) published(r monitor.Record) rrset.Set {
	state := s.state(r)
	switch {
	case state == nil:
		return rrset.Set{}
	case !state.Seen.Empty():
		return state.Seen
	case state.Verdict == judge.Missing:
		return rrset.Set{}
	}
	return state.Baseline
}

// holds says whether a record is verified and as it was then.
func (s subject) holds(r monitor.Record) bool {
	state := s.state(r)
	return state != nil && state.Phase == judge.Verified && state.Verdict == judge.Holding
}

// count says a number of things: "1 domain", "3 domains".
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
