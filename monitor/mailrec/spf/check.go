package spf

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Result is what check_host answers (section 2.6).
type Result string

// The results.
const (
	None      Result = "none"
	Neutral   Result = "neutral"
	Pass      Result = "pass"
	Fail      Result = "fail"
	SoftFail  Result = "softfail"
	TempError Result = "temperror"
	PermError Result = "permerror"
)

// ofQualifier is what a mechanism that matches gives (section 4.6.2).
func ofQualifier(q byte) Result {
	switch q {
	case '-':
		return Fail
	case '~':
		return SoftFail
	case '?':
		return Neutral
	}
	return Pass
}

// Request is a message to be judged, as far as SPF looks at it.
type Request struct {
	// IP is the client's address.
	IP netip.Addr
	// MailFrom is the envelope sender; if empty, postmaster at Helo is (section 2.4).
	MailFrom string
	// Domain is whose record is asked for first; the sender's domain if empty.
	Domain string
	// Helo is the name that the client gave.
	Helo string
	// Receiver is the name of who judges, for %{r}; "unknown" if empty.
	Receiver string
	// Time is when, for %{t}.
	Time time.Time
}

// Outcome is the judgement and how it came about.
type Outcome struct {
	Result Result `json:"result"`
	// Final is false if answers were missing: then nothing else means anything.
	Final bool `json:"-"`
	// Domain is whose record decided; Term the term of it that did, empty for the default.
	Domain string `json:"domain"`
	Term   string `json:"term,omitempty"`
	// Lookups counts the terms that looked something up, Voids those that found nothing.
	Lookups int `json:"lookups"`
	Voids   int `json:"voids"`
	// Problem says why the result is none, temperror or permerror, safe to show.
	Problem string `json:"problem,omitempty"`
	// Explanation is what the domain's owner says to the sender of refused mail (section 6.2);
	// hostile, and ASCII.
	Explanation string `json:"explanation"`
	// Trace is what was looked at, in order.
	Trace []Step `json:"trace"`
}

// Step is one term that was tried, or a record that was fetched.
type Step struct {
	// Depth is how many includes and redirects lead here.
	Depth  int    `json:"depth"`
	Domain string `json:"domain"`
	// Term is the term as written in canonical form; for a fetched record it is empty and
	// Record holds its text.
	Term   string `json:"term,omitempty"`
	Record string `json:"record,omitempty"`
	// Result is "match", "no match", or the result of an include or redirect.
	Result string `json:"result"`
	// Lookup is the number of this lookup, 0 if the term makes none.
	Lookup int  `json:"lookup,omitempty"`
	Void   bool `json:"void,omitempty"`
	// Detail says what was compared, safe to show.
	Detail string `json:"detail,omitempty"`
}

// Check judges a message as a receiver does: check_host of section 4.
func Check(v view.View, r Request) Outcome {
	sender := r.MailFrom
	if sender == "" {
		sender = r.Helo
	}
	if at := strings.LastIndexByte(sender, '@'); at <= 0 {
		sender = "postmaster@" + sender[at+1:] // sections 2.4 and 4.3
	}
	c := &check{view: v, macros: macros{
		ip: r.IP.Unmap(), sender: sender, helo: r.Helo, receiver: cmp.Or(r.Receiver, "unknown"), now: r.Time,
	}}
	_, domain := splitSender(sender)
	domain = cmp.Or(r.Domain, domain)
	d := c.host(domain, 0)
	c.out.Result, c.out.Problem, c.out.Final = d.result, d.problem, !c.unasked
	c.out.Term, c.out.Domain = d.term, cmp.Or(d.domain, domain)
	c.out.Lookups, c.out.Voids = c.lookups, c.voids
	if d.result == Fail {
		c.out.Explanation = c.explain(d)
		c.out.Final = !c.unasked
	}
	return c.out
}

// check is one evaluation under way.
type check struct {
	view view.View
	macros
	lookups, voids int
	// names are the validated names of the client once they are known.
	names   []rrset.Name
	namesOK bool
	// unasked says that the view had no answer yet: everything after that is void.
	unasked bool
	out     Outcome
}

// decision is the result of one check_host.
type decision struct {
	result        Result
	term, problem string
	// domain is whose record decided, exp its exp modifier.
	domain, exp string
}

func permError(format string, args ...any) decision {
	return decision{result: PermError, problem: fmt.Sprintf(format, args...)}
}

func tempError(q view.Question, a view.Answer) decision {
	return decision{result: TempError, problem: fmt.Sprintf("the question %s was not answered: %s", q, cmp.Or(a.Detail, "a failure"))}
}

// look asks one question; false means that the evaluation has to stop for now.
func (c *check) look(name rrset.Name, t rrset.Type) (view.Answer, bool) {
	a := c.view.Look(view.Question{Name: name, Type: t})
	if a.Status == view.Unasked {
		c.unasked = true
		return a, false
	}
	return a, true
}

// host is check_host for one domain.
func (c *check) host(domain string, depth int) decision {
	if c.unasked {
		return decision{}
	}
	name, ok := targetName(domain)
	if dot := strings.LastIndexByte(strings.TrimSuffix(domain, "."), '.'); !ok || dot < 0 || !isTopLabel(strings.TrimSuffix(domain, ".")[dot+1:]) {
		return decision{result: None, problem: quoted(domain) + " is not a domain name that could have an SPF record"}
	}
	text, d, ok := c.fetch(name)
	if !ok {
		return d
	}
	r, err := Parse(text)
	if err != nil {
		c.step(Step{Depth: depth, Domain: string(name), Record: rrset.Printable([]byte(text)), Result: string(PermError), Detail: err.Error()})
		return permError("%s: %s", name, err)
	}
	c.step(Step{Depth: depth, Domain: string(name), Record: rrset.Printable([]byte(text)), Result: "record"})
	outer := c.domain
	c.domain = strings.TrimSuffix(domain, ".")
	defer func() { c.domain = outer }()
	return c.record(r, depth)
}

// fetch gets the one SPF record of a name (sections 4.4 and 4.5).
func (c *check) fetch(name rrset.Name) (string, decision, bool) {
	a, ok := c.look(name, rrset.TXT)
	switch {
	case !ok:
		return "", decision{}, false
	case a.Status == view.Failed:
		return "", tempError(view.Question{Name: name, Type: rrset.TXT}, a), false
	}
	var found []string
	for _, text := range a.Set.Texts() {
		if Is(text) {
			found = append(found, string(text))
		}
	}
	switch len(found) {
	case 0:
		return "", decision{result: None, problem: fmt.Sprintf("%s has no SPF record", name)}, false
	case 1:
		return found[0], decision{}, true
	}
	return "", permError("%s has %d SPF records and only one is allowed", name, len(found)), false
}

// record tries the terms in order (section 4.6).
func (c *check) record(r Record, depth int) decision {
	exp, _ := r.Modifier("exp")
	for _, t := range r.Mechanisms {
		matched, d := c.mechanism(t, depth)
		switch {
		case c.unasked:
			return decision{}
		case d.result != "":
			d.term, d.domain = cmp.Or(d.term, t.String()), cmp.Or(d.domain, c.domain)
			return d
		case matched:
			return decision{result: ofQualifier(t.Qualifier), term: t.String(), domain: c.domain, exp: exp}
		}
	}
	target, ok := r.Modifier("redirect")
	if !ok {
		return decision{result: Neutral, domain: c.domain, problem: ""}
	}
	return c.redirect(target, depth)
}

// redirect hands the judgement to another domain (section 6.1).
func (c *check) redirect(target string, depth int) decision {
	if d, ok := c.countLookup(); !ok {
		return d
	}
	n := c.lookups
	domain := c.expand(target)
	d := c.host(domain, depth+1)
	if c.unasked {
		return decision{}
	}
	if d.result == None {
		d = permError("redirect leads to %s: %s", quoted(domain), d.problem)
	}
	c.step(Step{Depth: depth, Domain: c.domain, Term: "redirect=" + target, Result: string(d.result), Lookup: n, Detail: d.problem})
	return d
}

// countLookup counts a term against the limit (section 4.6.4).
func (c *check) countLookup() (decision, bool) {
	if c.lookups == MaxLookups {
		c.lookups++
		return permError("more than %d terms need DNS lookups", MaxLookups), false
	}
	c.lookups++
	return decision{}, true
}

// countVoid counts a term that found nothing.
func (c *check) countVoid() decision {
	c.voids++
	if c.voids > MaxVoids {
		return permError("more than %d terms look up names that do not exist or have no such record", MaxVoids)
	}
	return decision{}
}

func (c *check) step(s Step) {
	if !c.unasked {
		c.out.Trace = append(c.out.Trace, s)
	}
}

// explain gets the explanation of the record that decided. Whatever goes wrong with
// it, there is none (section 6.2).
func (c *check) explain(d decision) string {
	if d.exp == "" {
		return ""
	}
	c.domain = d.domain
	name, ok := targetName(c.expand(d.exp))
	if !ok {
		return ""
	}
	a, ok := c.look(name, rrset.TXT)
	if !ok || a.Status != view.Found || len(a.Set.Data) != 1 {
		return ""
	}
	text := string(a.Set.Texts()[0])
	if !isExplanation(text) {
		return ""
	}
	return c.expand(text)
}
