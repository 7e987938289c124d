package alert

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

// Language is a language that alerts are written in.
type Language string

// The languages. SMTP replies, records and names of RFCs stay as they are in all of them.
const (
	English Language = ""
	Chinese Language = "zh-CN"
)

// ParseLanguage reads a language as configurations name it.
func ParseLanguage(s string) (Language, error) {
	switch s {
	case "", "en":
		return English, nil
	case string(Chinese):
		return Chinese, nil
	}
	return English, fmt.Errorf("there is no language %q: use en or zh-CN", s)
}

// tongue is a language: what each English phrase is in it, and each reason that comes from below. English itself has
// none of them.
type tongue struct {
	phrases map[string]string
	reasons []reasonPattern
}

// tongues gives the languages, made once.
var tongues = sync.OnceValue(func() map[Language]tongue {
	return map[Language]tongue{English: {}, Chinese: {chinese(), chineseReasons()}}
})

// f fills in a phrase. A phrase that the language lacks stays English; a test sees to it that it lacks none.
func (t tongue) f(phrase string, args ...any) string {
	if own, ok := t.phrases[phrase]; ok {
		phrase = own
	}
	if len(args) == 0 {
		return phrase
	}
	return fmt.Sprintf(phrase, args...)
}

// reason gives a reason that comes from below, where it is one of those that are told most.
func (t tongue) reason(text string) string {
	text, rest, more := strings.Cut(text, "; ")
	for _, r := range t.reasons {
		if r.english.MatchString(text) {
			text = r.english.ReplaceAllString(text, r.own)
			break
		}
	}
	if more {
		return t.f("%s; %s", text, rest)
	}
	return text
}

// count gives a number with its noun. The phrases are "1 noun" and "%d nouns".
func (t tongue) count(n int, noun string) string {
	if n == 1 {
		return t.f("1 " + noun)
	}
	return t.f("%d "+noun+"s", n)
}

// description puts it all into one text for receivers that show only one. rowsOf takes it apart again.
func (t tongue) description(head string, rows [][2]string) string {
	var out strings.Builder
	out.WriteString(head + "\n")
	for _, row := range rows {
		if row[1] != "" {
			fmt.Fprintf(&out, "%s: %s\n", t.f(row[0]), strings.ReplaceAll(row[1], "\n", "\n    "))
		}
	}
	return out.String()
}

// summary says it in one line.
func (t tongue) summary(i monitor.Incident) string {
	f := i.Facts
	what := t.f("%s record of %s", t.kindName(f.Kind, i.ID.Key), i.ID.Domain)
	if n := f.Affects; n > 0 {
		what = t.f("%s record of %s, on which the SPF of %s rests,", t.kindName(f.Kind, ""), i.ID.Domain, t.count(n, "registered domain"))
	}
	switch i.Name {
	case monitor.AlertDrifted:
		switch {
		case f.Finding.Reason == "":
			return t.f("%s has changed: it no longer says what was verified", what)
		case f.Is.Equal(f.Was):
			return t.f("%s no longer works: %s", what, t.reason(f.Finding.Reason))
		}
		return t.f("%s has changed: %s", what, t.reason(f.Finding.Reason))
	case monitor.AlertMissing:
		return t.f("%s is gone", what)
	case monitor.AlertDisagreement:
		switch {
		case f.Decision.Authority == judge.AuthoritySplit:
			return t.f("%s: the zone's own servers do not agree", what)
		case f.Decision.Bogus > 0:
			return t.f("%s: receivers that validate DNSSEC do not see it, since validation fails", what)
		}
		return t.f("%s: part of the receivers do not see it as it should be", what)
	case monitor.AlertOverdue:
		return t.f("%s was not found as it should be for %s", what, t.span(f.Waiting))
	case monitor.AlertChangeNotMade:
		return t.f("%s was to change by %s and has not", what, utc(f.Announced.Until))
	case monitor.AlertCause:
		return t.causeSummary(f.Root)
	case monitor.AlertBlind:
		return t.f("maildrift cannot see: nothing is judged until it can")
	case monitor.AlertQuarantined:
		return t.f("Resolver operator %s has no vote any more: it is alone with what it says", i.Value)
	case monitor.AlertAtRisk:
		first := f.Hygiene[0]
		text := t.f("%s stands on something that fails: %s: %s", i.ID.Domain, first.At, first.Text)
		if more := len(f.Hygiene) - 1; more > 0 {
			text = t.f("%s (and %d more)", text, more)
		}
		return rrset.Printable([]byte(text))
	case monitor.AlertWatchdog:
	}
	return string(i.Name)
}

// causeSummary says in one line what makes how much go wrong.
func (t tongue) causeSummary(r *monitor.Root) string {
	return t.f("%s: %s of %s", t.causeWhat(r), t.count(r.Records, "record"), t.count(r.Domains, "registered domain"))
}

func (t tongue) causeWhat(r *monitor.Root) string {
	switch r.Reason {
	case rootcause.Undelegated:
		return t.f("The zone %s is no longer delegated", r.Name)
	case rootcause.Moved:
		return t.f("The zone %s is served by other name servers, which do not have the records", r.Name)
	case rootcause.Emptied:
	}
	switch r.Kind {
	case rootcause.Zone:
		return t.f("The zone %s has lost all that is watched in it", r.Name)
	case rootcause.Domain:
		return t.f("%s has lost all records that are watched", r.Name)
	case rootcause.DNSSEC:
		return t.f("DNSSEC of %s is broken", r.Name)
	case rootcause.Target:
		return t.f("What CNAME records lead to at %s is gone", r.Name)
	case rootcause.Dead:
		return t.f("Nobody answers for the zone %s", r.Name)
	case rootcause.Paused:
		return t.f("%s is still wrong after its pause", r.Name)
	}
	return r.String()
}

// causeWhy says what is known of a cause.
func (t tongue) causeWhy(r *monitor.Root) string {
	if t.phrases == nil {
		return rrset.Printable([]byte(r.Detail))
	}
	switch r.Kind {
	case rootcause.DNSSEC:
		return t.f("resolvers that validate answer SERVFAIL for all of %s (RFC 4035 section 5.5)", r.Name)
	case rootcause.Target:
		return t.f("what CNAME records of several domains lead to below %s is not there any more", r.Name)
	case rootcause.Dead:
		return t.f("neither the servers of %s nor resolvers on their behalf answer, while other zones are answered", r.Name)
	case rootcause.Paused:
		return t.f("nothing new was told about %s while it was paused; this is what is still wrong", r.Name)
	case rootcause.Zone, rootcause.Domain:
	}
	return t.causeWhat(r)
}

// causeTodo says what mends a cause.
func (t tongue) causeTodo(r *monitor.Root) string {
	switch r.Reason {
	case rootcause.Undelegated:
		return t.f("Look at the registration of %[1]s (has it expired? is it on hold?) and have its name servers entered again: whois %[1]s; dig NS %[1]s", r.Name)
	case rootcause.Moved:
		return t.f("If nobody of yours moved the zone, treat it as a hijack: call the registrar. If it is a move, copy the records to the new servers: dig NS %s", r.Name)
	case rootcause.Emptied:
		return t.f("Look at the zone at your DNS host: was it replaced by an empty or an old one? Restore it from its last export, or publish the records anew.")
	}
	switch r.Kind {
	case rootcause.DNSSEC:
		return t.f("Have the DNS host sign the zone anew, or the DS record at the parent taken back until it is: dig +dnssec DNSKEY %[1]s; dig DS %[1]s", r.Name)
	case rootcause.Target:
		return t.f("It is the provider's to mend: look at its status page and call it. Send through another key or provider until it is.")
	case rootcause.Dead:
		return t.f("Look whether the zone's name servers are up and reachable: dig +trace NS %s", r.Name)
	case rootcause.Paused:
		return t.f("See what each record says and should say: maildrift domains show %s", r.Name)
	case rootcause.Zone, rootcause.Domain:
	}
	return t.f("Look at the zone at your DNS host and publish the records anew.")
}

// announced says what was announced, by whom and why.
func (t tongue) announced(a *monitor.Announced) string {
	what := t.f("no record at all")
	switch {
	case a.Successor != "":
		what = t.f("the key of %s takes its place", a.Successor)
	case !a.Next.Empty():
		what = lines(a.Next)
	}
	who := strings.TrimSuffix(strings.TrimSpace(a.By+": "+a.Why), ":")
	return t.f("%s\n(until %s; %s)", what, utc(a.Until), rrset.Printable([]byte(who)))
}

// affected names the domains that rest on a shared record.
func (t tongue) affected(f monitor.Facts) string {
	if f.Affects == 0 {
		return ""
	}
	var names []string
	for _, n := range f.Examples {
		names = append(names, string(n))
	}
	out := strings.Join(names, ", ")
	if more := f.Affects - len(names); more > 0 {
		out = t.f("%s and %d more", out, more)
	}
	return out
}

// rulings says what receivers do, with their SMTP codes, one a line.
func (t tongue) rulings(f monitor.Facts) string {
	var out []string
	for _, r := range f.Rulings {
		what := t.f(r.Action.String())
		if r.Code != "" {
			what = t.f("%s with %s", what, r.Code)
		}
		out = append(out, t.f("%s: %s, because %s", r.Receiver, what, t.reason(r.Why)))
	}
	return strings.Join(out, "\n")
}

// nothing stands where the present value would be.
func (t tongue) nothing(i monitor.Incident) string {
	if i.Name == monitor.AlertMissing {
		return t.f("nothing")
	}
	return ""
}

// seenBy says who sees it, as "3 of 12 operators (google, quad9, he); authority: 2 of 2 servers".
func (t tongue) seenBy(f monitor.Facts) string {
	var wrong []string
	for _, v := range f.Votes {
		if !v.Authority && (v.Stand == judge.Differs || v.Stand == judge.Absent) && !slices.Contains(wrong, string(v.Operator)) {
			wrong = append(wrong, string(v.Operator))
		}
	}
	d := f.Decision
	out := t.f("%d of %d resolver operators", d.Wrong, d.Heard)
	if silent := d.Configured - d.Heard; silent > 0 && d.Heard > 0 {
		out = t.f("%s that answered (%d did not)", out, silent)
	}
	if len(wrong) > 0 && len(wrong) < d.Heard {
		slices.Sort(wrong)
		out += " (" + strings.Join(wrong, ", ") + ")"
	}
	if d.Bogus > 0 {
		out = t.f("%s; validation fails at %d", out, d.Bogus)
	}
	if d.Servers > 0 {
		out = t.f("%s; zone's own servers: %d of %d", out, d.ServersWrong, d.ServersHeard)
		if d.ServersHeard < d.Servers {
			out = t.f("%s that answered (%d did not)", out, d.Servers-d.ServersHeard)
		}
	}
	return out
}

// stage says how far a change has come.
func (t tongue) stage(i monitor.Incident) string {
	if !i.Open() {
		return ""
	}
	authority := i.Facts.Decision.Authority
	switch i.Facts.Stage {
	case judge.AtAuthority:
		return t.f("changed at the zone's own servers; caches still hold the verified record")
	case judge.AtReceivers:
		if authority == judge.AuthorityGood {
			return t.f("most resolvers see it, although the zone's own servers have the verified record: look at DNSSEC, the delegation and the network between")
		}
		return t.f("most resolvers see it: receivers do too")
	case judge.Recovering:
		switch last := i.Facts.LastDeadline; {
		case authority == judge.AuthoritySplit:
			return t.f("part of the zone's own servers have the verified record again")
		case authority != judge.AuthorityGood:
			return t.f("part of the resolvers have the verified record again")
		case !last.IsZero():
			return t.f("mended at the zone's own servers; caches have it again by %s", utc(last))
		}
		return t.f("mended at the zone's own servers; caches follow")
	case judge.NoStage:
	}
	return ""
}

// deadline says when receivers begin to feel a change that only the zone's own servers have so far.
func (t tongue) deadline(i monitor.Incident, now time.Time) string {
	f := i.Facts
	if !i.Open() || f.Stage != judge.AtAuthority || f.Deadline.IsZero() {
		return ""
	}
	when, out := t.in(f.Deadline, now), ""
	switch i.Impact {
	case mailrec.Rejected:
		out = t.f("receivers start to reject %s", when)
	case mailrec.Degraded:
		out = t.f("mail starts to suffer %s", when)
	case mailrec.Weakened:
		out = t.f("protection starts to be lost %s", when)
	case mailrec.None:
		out = t.f("receivers start to see it %s", when)
	}
	if f.LastDeadline.After(f.Deadline) {
		out = t.f("%s, all of them by %s", out, utc(f.LastDeadline))
	}
	return out
}

// in says when, and how long that is from now.
func (t tongue) in(at, now time.Time) string {
	if !at.After(now) {
		return t.f("now (since %s)", utc(at))
	}
	return t.f("in %s, at %s", t.span(at.Sub(now)), utc(at))
}

// flapping says that a record goes back and forth.
func (t tongue) flapping(f monitor.Facts) string {
	if f.FlappingSince.IsZero() {
		return ""
	}
	return t.f("it goes back and forth: %d times since %s. It is told as one, and stays open until it has held for a while.", f.Flips, utc(f.FlappingSince))
}

// caches says which operators still have the verified record, and until when.
func (t tongue) caches(i monitor.Incident) string {
	if !i.Open() || i.Facts.Stage != judge.AtAuthority {
		return ""
	}
	var out []string
	for _, c := range i.Facts.Caches {
		out = append(out, t.f("%s until %s", c.Operator, c.Until.UTC().Format("15:04:05")))
	}
	return strings.Join(out, ", ")
}

// withdrawal says when the mail service withdraws the domain's verification.
func (t tongue) withdrawal(i monitor.Incident, now time.Time) string {
	at := i.Facts.Revokes
	switch {
	case at.IsZero() || !i.Open():
		return ""
	case !at.After(now):
		return t.f("%s has withdrawn the domain's verification by now (%s): verify it anew once the record is back", i.Facts.Service, utc(at))
	}
	return t.f("%s withdraws the domain's verification %s", i.Facts.Service, t.in(at, now))
}

// ended says how it ended.
func (t tongue) ended(i monitor.Incident) string {
	lost := i.Name == monitor.AlertDrifted || i.Name == monitor.AlertMissing
	switch {
	case i.Open():
		return ""
	case lost && i.Why == "recovered" && i.Facts.Reached.IsZero():
		return t.f("%s: mended before caches ran out; no resolver that was asked ever gave the wrong answer: nothing was lost", utc(i.Closed))
	}
	return utc(i.Closed) + ": " + t.f(i.Why)
}

// effect says what receivers do, from the record alone.
func (t tongue) effect(i monitor.Incident) string {
	switch i.Name {
	case monitor.AlertOverdue:
		return t.f("The mail service will not verify the domain until the record is published.")
	case monitor.AlertDisagreement:
		return t.f("Whoever sees it wrong treats your mail so: %s", t.effectOf(i.Impact))
	case monitor.AlertDrifted, monitor.AlertMissing, monitor.AlertChangeNotMade, monitor.AlertCause, monitor.AlertBlind, monitor.AlertWatchdog,
		monitor.AlertAtRisk, monitor.AlertQuarantined:
	}
	return t.effectOf(i.Impact)
}

// effectOf says what receivers do.
func (t tongue) effectOf(impact mailrec.Impact) string {
	switch impact {
	case mailrec.Rejected:
		return t.f("Receivers refuse mail because of this, at the latest when caches have run out.")
	case mailrec.Degraded:
		return t.f("Some receivers refuse, defer or junk mail because of this.")
	case mailrec.Weakened:
		return t.f("Mail is delivered, but protection of the domain is lost.")
	case mailrec.None:
		return t.f("Receivers do not mind, but it is not what was verified.")
	}
	return ""
}

// publish gives what to put into the zone, one record a line.
func (t tongue) publish(f monitor.Facts) string {
	if f.Affects > 0 {
		return t.f("It is not yours to publish: ask whoever keeps it. Until it is back, take its include out of your own SPF records, or list their networks there.")
	}
	if !f.Is.Empty() && f.Is.Equal(f.Was) {
		return "" // it is there; what is wrong is elsewhere
	}
	var out []string
	for _, v := range f.Was.Lines() {
		out = append(out, fmt.Sprintf("%s %s %s", f.Owner.FQDN(), f.Type, v))
	}
	if len(out) > 0 {
		return strings.Join(out, "\n")
	}
	for _, p := range f.Publish {
		out = append(out, fmt.Sprintf("%s %s %s", p.Name.FQDN(), p.Type, p.Value))
	}
	return strings.Join(out, "\n")
}

// span gives a duration as people say it.
func (t tongue) span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return t.f("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return t.f("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return t.f("%d minutes", int(d.Minutes()))
	case d >= time.Minute:
		return t.f("a minute")
	}
	return t.f("less than a minute")
}
