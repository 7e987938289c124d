// Package verdict says what the big receivers would do with a domain's mail, from
// what its DNS records come to: whether SPF, DKIM and DMARC pass, and aligned.
//
// The rules are those that the receivers publish for bulk senders, as of November
// 2026. They change more often than RFCs do; each carries where it was read. What
// receivers do not publish (reputation, content) is not guessed at: a verdict says what
// the DNS alone leads to.
//
// Everything is a pure function and may be called concurrently.
package verdict

import (
	"fmt"
	"slices"

	"maildrift/monitor/mailrec"
)

// Auth is the result of one authentication method (RFC 8601 section 2.7).
type Auth uint8

// The results. The zero value is that the method was not tried.
const (
	// Untried is that the domain does not use the method.
	Untried Auth = iota
	// Pass is that the mail service's mail passes.
	Pass
	// Neutral is SPF's neutral and softfail: no pass, and no word against it.
	Neutral
	// Fail is that the domain's owner says that the mail is not theirs.
	Fail
	// None is that there is no record.
	None
	// PermError is that the record cannot be used.
	PermError
	// TempError is that the record could not be looked up.
	TempError
)

var authNames = [...]string{
	Untried: "untried", Pass: "pass", Neutral: "neutral", Fail: "fail", None: "none", PermError: "permerror", TempError: "temperror",
}

// String gives the name used in texts and JSON.
func (a Auth) String() string { return authNames[a] }

// MarshalText writes the name.
func (a Auth) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name.
func (a *Auth) UnmarshalText(b []byte) error {
	i := slices.Index(authNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown authentication result %q", b)
	}
	*a = Auth(i)
	return nil
}

// Policy is what the domain's owner wants to be done with mail that fails DMARC.
type Policy uint8

// The policies.
const (
	// NoPolicy is that there is no DMARC record to use.
	NoPolicy Policy = iota
	// Monitor is p=none.
	Monitor
	// Quarantine is p=quarantine.
	Quarantine
	// Reject is p=reject.
	Reject
)

var policyNames = [...]string{NoPolicy: "absent", Monitor: "none", Quarantine: "quarantine", Reject: "reject"}

// String gives the name used in texts and JSON.
func (p Policy) String() string { return policyNames[p] }

// MarshalText writes the name.
func (p Policy) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads the name.
func (p *Policy) UnmarshalText(b []byte) error {
	i := slices.Index(policyNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown policy %q", b)
	}
	*p = Policy(i)
	return nil
}

// Facts are what the records of a domain come to for mail of its declared service.
type Facts struct {
	// SPF and DKIM are the results; Untried where the domain declares no such record.
	SPF  Auth `json:"spf"`
	DKIM Auth `json:"dkim"`
	// SPFAligned and DKIMAligned say whether a pass is for the From domain as the
	// DMARC record demands (RFC 9989 section 4.4).
	SPFAligned  bool `json:"spf_aligned"`
	DKIMAligned bool `json:"dkim_aligned"`
	// HardFail says that the SPF record ends in -all.
	HardFail bool `json:"spf_hard_fail"`
	// Policy is the policy that applies; PolicyUnknown that it could not be looked up.
	Policy        Policy `json:"dmarc_policy"`
	PolicyUnknown bool   `json:"dmarc_temperror,omitempty"`
	// NoReturn says that bounces and replies have nowhere to go: the MX records are gone or null.
	NoReturn bool `json:"no_return_path,omitempty"`
}

// DMARC says whether mail passes DMARC: SPF or DKIM passes, aligned.
func (f Facts) DMARC() bool {
	return f.SPF == Pass && f.SPFAligned || f.DKIM == Pass && f.DKIMAligned
}

// passes says whether a method that is used passes; one that is not used is not held
// against the domain.
func passes(a Auth) bool { return a == Pass || a == Untried }

// Action is what a receiver does with the mail, from good to bad.
type Action uint8

// The actions.
const (
	// Accept lets the mail in.
	Accept Action = iota
	// Junk puts it with the spam.
	Junk
	// Defer asks to try again later.
	Defer
	// Refuse rejects it.
	Refuse
)

var actionNames = [...]string{Accept: "accepted", Junk: "junked", Defer: "deferred", Refuse: "rejected"}

// String gives the name used in texts and JSON.
func (a Action) String() string { return actionNames[a] }

// MarshalText writes the name.
func (a Action) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText reads the name.
func (a *Action) UnmarshalText(b []byte) error {
	i := slices.Index(actionNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("unknown action %q", b)
	}
	*a = Action(i)
	return nil
}

// Ruling is what one receiver does.
type Ruling struct {
	Receiver string `json:"receiver"`
	Action   Action `json:"action"`
	// Code is the SMTP reply, for example "550 5.7.26"; empty when accepted.
	Code string `json:"code,omitempty"`
	// Why says it in a few words.
	Why string `json:"why,omitempty"`
}

// Verdict is what all of them do.
type Verdict struct {
	Facts
	// Passes says whether DMARC passes.
	Passes  bool     `json:"dmarc_pass"`
	Rulings []Ruling `json:"rulings"`
}

// Judge gives the verdict on facts.
func Judge(f Facts) Verdict {
	v := Verdict{Facts: f, Passes: f.DMARC()}
	for _, r := range receivers {
		v.Rulings = append(v.Rulings, r.rule(f))
	}
	return v
}

// Worst gives the ruling that hurts most; the first of several.
func (v Verdict) Worst() Ruling {
	return slices.MaxFunc(v.Rulings, func(a, b Ruling) int { return int(a.Action) - int(b.Action) })
}

// count says how many receivers do at least so badly.
func (v Verdict) count(least Action) int {
	n := 0
	for _, r := range v.Rulings {
		if r.Action >= least {
			n++
		}
	}
	return n
}

// Impact says what a change from v to now does to the domain's mail:
//
//	rejected   all receivers refuse it now and did not before
//	degraded   some receivers refuse, defer or junk it that did not before
//	weakened   it is delivered as before, but others can more easily send in the domain's name
//	none       nothing changes
func (v Verdict) Impact(now Verdict) mailrec.Impact {
	worse := false
	for i, r := range now.Rulings {
		worse = worse || r.Action > v.Rulings[i].Action
	}
	all := len(now.Rulings)
	switch {
	case worse && now.count(Refuse) == all && v.count(Refuse) < all:
		return mailrec.Rejected
	case worse:
		return mailrec.Degraded
	case now.Policy < v.Policy, v.HardFail && !now.HardFail, now.NoReturn && !v.NoReturn:
		return mailrec.Weakened
	}
	return mailrec.None
}
