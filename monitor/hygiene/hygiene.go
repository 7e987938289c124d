// Package hygiene looks at what a domain's mail stands on besides the records that it must
// publish: exchanges that resolve, reverse names of sending addresses, the policy file of
// MTA-STS, TLSA and BIMI records, the delegation and its servers, DNSSEC, the registration. Much of
// that can take all records away at once; it is told before it does.
//
// All is judged from a [view.View] and from facts that others gathered ([Subject]); the package
// asks nobody and has no clock of its own.
package hygiene

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Severity is how much a finding matters.
type Severity uint8

// The severities.
const (
	// Note is worth knowing.
	Note Severity = iota
	// Warning should be mended.
	Warning
	// Critical loses mail, now or soon.
	Critical
)

var severityNames = [...]string{Note: "note", Warning: "warning", Critical: "critical"}

// String gives the name used in texts and JSON.
func (s Severity) String() string { return severityNames[s] }

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads the name.
func (s *Severity) UnmarshalText(b []byte) error {
	i := slices.Index(severityNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown severity %q", b)
	}
	*s = Severity(i)
	return nil
}

// Finding is one thing that is not as it should be.
type Finding struct {
	// ID names the rule: "mx_cname". It is stable.
	ID       string   `json:"id"`
	Severity Severity `json:"severity"`
	// At is what it is about: a name and type, an address, a server.
	At string `json:"at"`
	// Text says what is wrong, Do what to do about it.
	Text string `json:"text"`
	Do   string `json:"do,omitempty"`
	Rule string `json:"rule,omitempty"`
	// Impact is what it does to mail.
	Impact mailrec.Impact `json:"impact"`
}

// Subject is a domain and what was gathered about it besides DNS answers.
type Subject struct {
	Domain rrset.Name
	// MailFrom is the envelope sender's domain, if it is another one.
	MailFrom rrset.Name
	// Addresses are those that mail is sent from, if it is one's own.
	Addresses []netip.Addr
	// SingleMX says that the mail service wants exactly one exchange.
	SingleMX bool
	// AllowPrivate leaves out what is said of private addresses, for networks that have no others.
	AllowPrivate bool
	// Policy is the MTA-STS policy file; nil if it was not fetched.
	Policy *Policy
	// Known is the policy that was fetched when its id was first seen; nil if none was.
	Known *KnownPolicy
	// Delegation is what the zone's servers say of it; nil if they were not asked.
	Delegation *Delegation
	// Registration is what the registry says; nil if it was not asked.
	Registration *Registration
	// Now is the time to judge expiries by.
	Now time.Time
}

// Policy is an MTA-STS policy file as fetched.
type Policy struct {
	Text string
	// Problem says why there is none.
	Problem string
}

// Survey is one look at a domain.
type Survey struct {
	Findings []Finding
	// Complete is false if something could not be asked: then what is not found is not known to be in
	// order.
	Complete bool
	// Known is the MTA-STS policy to be known at the next look.
	Known *KnownPolicy
}

// KnownPolicy is a policy file under the id that announced it. Senders that have it fetch it again
// only when the id is another one.
type KnownPolicy struct {
	ID   string `json:"id"`
	Text string `json:"text"`
}

// Learn gives what is to be known from now on: the policy under a new id, else what was known.
func (k *KnownPolicy) Learn(record string, p *Policy) *KnownPolicy {
	id := mailrec.STSPolicyID(record)
	if p == nil || p.Problem != "" || id == "" || k != nil && k.ID == id {
		return k
	}
	return &KnownPolicy{ID: id, Text: p.Text}
}

// Judge gives all findings, the worst first. Answers that the view does not have yet are left
// out; with a [view.Book] they tell what to ask.
func Judge(v view.View, s Subject) []Finding {
	j := &judgement{view: v, subject: s}
	j.exchanges()
	j.senders()
	j.reverse()
	j.transport()
	j.tlsa()
	j.indicator()
	j.authorities()
	if s.Delegation != nil {
		j.delegation(*s.Delegation)
		j.signatures(*s.Delegation)
	}
	if s.Registration != nil {
		j.registration(*s.Registration)
	}
	slices.SortStableFunc(j.findings, func(a, b Finding) int {
		return cmp.Or(int(b.Severity)-int(a.Severity), strings.Compare(a.ID, b.ID), strings.Compare(a.At, b.At))
	})
	return j.findings
}

type judgement struct {
	view     view.View
	subject  Subject
	findings []Finding
}

func (j *judgement) look(name rrset.Name, t rrset.Type) view.Answer {
	return j.view.Look(view.Question{Name: name, Type: t})
}

// say adds a finding.
func (j *judgement) say(id string, s Severity, impact mailrec.Impact, at, rule, do, format string, args ...any) {
	j.findings = append(j.findings, Finding{ID: id, Severity: s, Impact: impact, At: at, Rule: rule, Do: do, Text: fmt.Sprintf(format, args...)})
}

// addresses gives a host's addresses; known is false if neither family was answered.
func (j *judgement) addresses(host rrset.Name) (all []netip.Addr, known bool) {
	known = true
	for _, t := range []rrset.Type{rrset.A, rrset.AAAA} {
		a := j.look(host, t)
		if a.Status == view.Unasked || a.Status == view.Failed {
			known = false
		}
		all = append(all, a.Set.Addrs()...)
	}
	return all, known || len(all) > 0
}
