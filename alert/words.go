package alert

import (
	"cmp"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

// Severities, as the label "severity" has them.
const (
	// Critical wakes somebody: mail is being refused, or will be when caches run out, or nobody
	// is looking.
	Critical = "critical"
	// Warning waits for working hours.
	Warning = "warning"
	// Silent is for the watchdog, which is meant for machines.
	Silent = "none"
)

// Words turns incidents into alerts that a tired person understands.
type Words struct {
	// BaseURL is where maildrift's pages are, without a trailing slash.
	BaseURL string
	// Runbooks is the folder that holds one page an alert; empty leaves the link out.
	Runbooks string
}

// Alerts gives the alert that tells an incident and, as its time runs out, one more a level. Each level holds back
// those before it, so that one is open at a time; all of them end together.
func (w Words) Alerts(i monitor.Incident, now time.Time) []Alert {
	out := []Alert{w.Alert(i, now)}
	for _, level := range i.Escalations {
		a := w.Alert(i, now)
		a.Labels[EscalationLabel], a.Labels["severity"] = strconv.Itoa(level.Percent), Critical
		a.StartsAt = level.At
		out = append(out, a)
	}
	return out
}

// Alert gives the alert that tells an incident, as it reads now. Its labels depend only on what
// does not change while the incident lasts.
func (w Words) Alert(i monitor.Incident, now time.Time) Alert {
	a := Alert{
		Labels:       w.labels(i),
		Annotations:  w.annotations(i, now),
		StartsAt:     i.Opened,
		EndsAt:       i.Closed,
		GeneratorURL: w.BaseURL + "/",
	}
	if i.ID.Domain != "" && i.Facts.Root == nil {
		a.GeneratorURL = w.BaseURL + "/domains/" + url.PathEscape(string(i.ID.Domain))
	}
	return a.inert()
}

const (
	// longestText bounds an annotation: a TXT record may have 64 kB, and what tells of it is sent to telephones.
	longestText = 3000
	// longestWhole bounds the annotation that holds all others.
	longestWhole = 10_000
	// longestLine bounds what is shown as one line: a summary, a label.
	longestLine = 300
)

// inert makes sure that nothing in an alert is anything but text, whatever records, zones and people have written, and
// that it has a length that can be sent.
func (a Alert) inert() Alert {
	for k, v := range a.Labels {
		a.Labels[k] = cutTo(longestLine, rrset.Printable([]byte(v)))
	}
	for k, v := range a.Annotations {
		limit := map[string]int{"summary": longestLine, "description": longestWhole}[k]
		lines := strings.Split(v, "\n")
		for i := range lines {
			lines[i] = cutTo(longestText, rrset.Printable([]byte(lines[i])))
		}
		a.Annotations[k] = cutTo(cmp.Or(limit, longestText), strings.Join(lines, "\n"))
	}
	return a
}

// Sample gives an alert that looks like a real one and says that it is a test.
func (w Words) Sample(severity string, now time.Time) Alert {
	was, err := rrset.Parse(rrset.TXT, "v=spf1 include:_spf.service.example -all")
	if err != nil {
		panic(err) // it stands above
	}
	e := mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Captured}
	a := w.Alert(monitor.Incident{
		ID: monitor.RecordID{Domain: "test.example", Key: "spf"}, Name: monitor.AlertMissing, Impact: mailrec.Degraded, Opened: now,
		Facts: monitor.Facts{
			Kind: mailrec.SPF, Owner: "test.example", Type: rrset.TXT, Service: "custom", Was: was, Finding: e.Compare(was, rrset.Set{}),
			Stage: judge.AtAuthority, Deadline: now.Add(43 * time.Minute), LastDeadline: now.Add(time.Hour),
			Decision: judge.Decision{Configured: 12, Heard: 12, Allowed: 2, Servers: 2, ServersHeard: 2, ServersWrong: 2, Authority: judge.AuthorityWrong},
		},
	}, now)
	a.Labels["severity"], a.Labels[TrialLabel] = severity, "true"
	for _, text := range []string{"summary", "description"} {
		a.Annotations[text] = "TEST, nothing is wrong: " + a.Annotations[text]
	}
	return a
}

// Watchdog gives the alert that always fires, so that its absence means that
// nobody is watching.
func (w Words) Watchdog(since time.Time) Alert {
	return Alert{
		Labels: map[string]string{"alertname": string(monitor.AlertWatchdog), "severity": Silent},
		Annotations: map[string]string{
			"summary":     "maildrift is running",
			"description": "This alert always fires. Route it to a service that calls you when it stops coming.",
		},
		StartsAt: since, GeneratorURL: w.BaseURL + "/",
	}
}

func (w Words) labels(i monitor.Incident) map[string]string {
	labels := maps.Clone(i.Facts.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels["alertname"] = string(i.Name)
	labels["severity"] = severity(i)
	if i.Name == monitor.AlertQuarantined {
		labels["operator"] = i.Value
	}
	if i.ID.Domain == "" {
		return labels
	}
	labels["domain"] = string(i.ID.Domain)
	labels["record"] = i.ID.Key
	if r := i.Facts.Root; r != nil {
		labels[CauseLabel], labels["impact"] = r.String(), i.Impact.String()
		return labels
	}
	if i.Name != monitor.AlertAtRisk {
		labels["kind"], labels[CauseLabel] = i.Facts.Kind.String(), i.Facts.Cause
	}
	labels["service"] = i.Facts.Service
	labels["value"] = i.Value
	if i.Name != monitor.AlertOverdue && i.Name != monitor.AlertChangeNotMade {
		labels["impact"] = i.Impact.String()
	}
	return labels
}

func severity(i monitor.Incident) string {
	switch i.Name {
	case monitor.AlertBlind:
		return Critical
	case monitor.AlertDrifted, monitor.AlertMissing, monitor.AlertCause:
		if i.Impact >= mailrec.Degraded {
			return Critical
		}
		return Warning
	case monitor.AlertDisagreement, monitor.AlertOverdue, monitor.AlertChangeNotMade, monitor.AlertQuarantined:
		return Warning
	case monitor.AlertAtRisk:
		if i.Value == hygiene.Critical.String() {
			return Critical
		}
		return Warning
	case monitor.AlertWatchdog:
		return Silent
	}
	return Warning
}

func (w Words) annotations(i monitor.Incident, now time.Time) map[string]string {
	f := i.Facts
	out := map[string]string{"summary": summary(i), "since": utc(i.Opened)}
	if left := withdrawal(i, now); left != "" && len(i.Escalations) > 0 {
		out["summary"] += "; " + left
	}
	if !i.Episode.IsZero() {
		out[EpisodeAnnotation] = i.Episode.UTC().Format(time.RFC3339Nano)
	}
	if w.Runbooks != "" {
		out["runbook_url"] = w.Runbooks + "/" + string(i.Name) + ".md"
	}
	switch i.Name {
	case monitor.AlertAtRisk:
		return w.atRisk(i, out)
	case monitor.AlertChangeNotMade:
		return w.notMade(i, out)
	case monitor.AlertCause:
		return w.cause(i, out, now)
	case monitor.AlertDrifted, monitor.AlertMissing, monitor.AlertDisagreement, monitor.AlertOverdue, monitor.AlertBlind,
		monitor.AlertQuarantined, monitor.AlertWatchdog:
	}
	if i.ID.Domain == "" {
		out["description"] = description(out["summary"], [][2]string{{"Why", f.Reason}, {"Since", utc(i.Opened)}})
		return out
	}
	set := func(key, value string) {
		if value != "" {
			out[key] = value
		}
	}
	set("owner", string(f.Owner)+" "+f.Type.String())
	set("old", lines(f.Was))
	set("new", lines(f.Is))
	set("change", changes(f.Finding))
	set("why", f.Finding.Reason)
	set("rule", f.Finding.Rule)
	set("seen_by", seenBy(f))
	set("stage", stage(i))
	set("deadline", deadline(i, now))
	set("caches", caches(i))
	set("withdrawal", withdrawal(i, now))
	set("effect", effect(i))
	set("receivers", rulings(f))
	if x := f.Explanation; x != nil {
		set("cause", rrset.Printable([]byte(x.Cause)))
		set("fix", rrset.Printable([]byte(x.Fix)))
	}
	set("affects", affected(f))
	if f.Announced != nil {
		set("announced", announced(f.Announced))
	}
	set("publish", publish(f))
	set("ended", ended(i))
	set("domain_url", w.BaseURL+"/domains/"+url.PathEscape(string(i.ID.Domain)))
	out["description"] = description(out["summary"], [][2]string{
		{"Record", out["owner"]}, {"Since", out["since"]}, {"Change", out["change"]}, {"Was", out["old"]},
		{"Is now", cmp.Or(out["new"], nothing(i))}, {"Why it matters", out["effect"]}, {"Receivers", out["receivers"]}, {"Domains", out["affects"]},
		{"Cause", out["cause"]}, {"To do", out["fix"]}, {"Announced was", out["announced"]},
		{"Seen by", out["seen_by"]}, {"How far", out["stage"]}, {"Time left", out["deadline"]}, {"Caches", out["caches"]},
		{"Withdrawal", out["withdrawal"]}, {"Publish", out["publish"]}, {"Ended", out["ended"]}, {"More", out["domain_url"]},
	})
	return out
}

// causeSummary says in one line what makes how much go wrong.
func causeSummary(r *monitor.Root) string {
	what := map[rootcause.Kind]string{
		rootcause.Zone: "The zone %s has lost all that is watched in it", rootcause.Domain: "%s has lost all records that are watched",
		rootcause.DNSSEC: "DNSSEC of %s is broken", rootcause.Target: "What CNAME records lead to at %s is gone",
		rootcause.Dead: "Nobody answers for the zone %s", rootcause.Paused: "%s is still wrong after its pause",
	}[r.Kind]
	if r.Reason == rootcause.Undelegated {
		what = "The zone %s is no longer delegated"
	}
	if r.Reason == rootcause.Moved {
		what = "The zone %s is served by other name servers, which do not have the records"
	}
	return fmt.Sprintf(what+": %s of %s", r.Name, counted(r.Records, "record"), counted(r.Domains, "registered domain"))
}

// causeTodo says what mends a cause.
func causeTodo(r *monitor.Root) string {
	switch r.Reason {
	case rootcause.Undelegated:
		return fmt.Sprintf("Look at the registration of %s (has it expired? is it on hold?) and have its name servers entered again: whois %s; dig NS %s", r.Name, r.Name, r.Name)
	case rootcause.Moved:
		return fmt.Sprintf("If nobody of yours moved the zone, treat it as a hijack: call the registrar. If it is a move, copy the records to the new servers: dig NS %s", r.Name)
	case rootcause.Emptied:
		return "Look at the zone at your DNS host: was it replaced by an empty or an old one? Restore it from its last export, or publish the records anew."
	}
	switch r.Kind {
	case rootcause.DNSSEC:
		return fmt.Sprintf("Have the DNS host sign the zone anew, or the DS record at the parent taken back until it is: dig +dnssec DNSKEY %s; dig DS %s", r.Name, r.Name)
	case rootcause.Target:
		return "It is the provider's to mend: look at its status page and call it. Send through another key or provider until it is."
	case rootcause.Dead:
		return fmt.Sprintf("Look whether the zone's name servers are up and reachable: dig +trace NS %s", r.Name)
	case rootcause.Paused:
		return fmt.Sprintf("See what each record says and should say: maildrift domains show %s", r.Name)
	case rootcause.Zone, rootcause.Domain:
	}
	return "Look at the zone at your DNS host and publish the records anew."
}

// cause tells of what makes many records go wrong.
func (w Words) cause(i monitor.Incident, out map[string]string, now time.Time) map[string]string {
	r := i.Facts.Root
	out["why"], out["do"] = rrset.Printable([]byte(r.Detail)), causeTodo(r)
	out["affects"] = fmt.Sprintf("%s of %s", counted(r.Records, "record"), counted(r.Domains, "registered domain"))
	var worst []string
	for _, id := range r.Worst {
		worst = append(worst, id.Key+" of "+string(id.Domain))
	}
	if more := r.Records - len(worst); more > 0 {
		worst = append(worst, fmt.Sprintf("and %d more", more))
	}
	out["records"] = strings.Join(worst, "\n")
	out["effect"] = effectOf(i.Impact)
	if i.Open() && !i.Facts.Deadline.IsZero() {
		out["deadline"] = "the first caches run out of the verified records " + in(i.Facts.Deadline, now)
	}
	out["domain_url"] = w.BaseURL + "/"
	if i.Why != "" {
		out["ended"] = utc(i.Closed) + ": " + i.Why
	}
	out["description"] = description(out["summary"], [][2]string{
		{"Since", out["since"]}, {"Why", out["why"]}, {"Records", out["records"]}, {"Why it matters", out["effect"]},
		{"Time left", out["deadline"]}, {"Do", out["do"]}, {"Ended", out["ended"]}, {"More", out["domain_url"]},
	})
	return out
}

// notMade tells of an announced change whose window ended without it.
func (w Words) notMade(i monitor.Incident, out map[string]string) map[string]string {
	f := i.Facts
	out["owner"] = string(f.Owner) + " " + f.Type.String()
	out["old"], out["announced"] = lines(f.Was), announced(f.Announced)
	out["effect"] = "Mail is as it was: what was verified still stands. Both values hold until this is settled."
	out["do"] = fmt.Sprintf("Make the change, announce another window (maildrift expect %s %s … --until …), or take it back (maildrift expect %s %s --cancel).",
		i.ID.Domain, i.ID.Key, i.ID.Domain, i.ID.Key)
	out["domain_url"] = w.BaseURL + "/domains/" + url.PathEscape(string(i.ID.Domain))
	if i.Why != "" {
		out["ended"] = utc(i.Closed) + ": " + i.Why
	}
	out["description"] = description(out["summary"], [][2]string{
		{"Record", out["owner"]}, {"Since", out["since"]}, {"Is still", out["old"]}, {"Announced was", out["announced"]},
		{"Why it matters", out["effect"]}, {"Do", out["do"]}, {"Ended", out["ended"]}, {"More", out["domain_url"]},
	})
	return out
}

// announced says what was announced, by whom and why.
func announced(a *monitor.Announced) string {
	what := "no record at all"
	switch {
	case a.Successor != "":
		what = "the key of " + a.Successor + " takes its place"
	case !a.Next.Empty():
		what = lines(a.Next)
	}
	who := strings.TrimSuffix(strings.TrimSpace(a.By+": "+a.Why), ":")
	return what + "\n(until " + utc(a.Until) + "; " + rrset.Printable([]byte(who)) + ")"
}

// atRisk tells what a domain's mail stands on that fails.
func (w Words) atRisk(i monitor.Incident, out map[string]string) map[string]string {
	var found, do []string
	for _, f := range i.Facts.Hygiene {
		found = append(found, f.At+": "+f.Text)
		if f.Do != "" && !slices.Contains(do, f.Do) {
			do = append(do, f.Do)
		}
	}
	out["findings"], out["do"] = safeLines(found), safeLines(do)
	out["domain_url"] = w.BaseURL + "/domains/" + url.PathEscape(string(i.ID.Domain))
	if i.Why != "" {
		out["ended"] = utc(i.Closed) + ": " + i.Why
	}
	out["description"] = description(out["summary"], [][2]string{
		{"Since", out["since"]}, {"Found", out["findings"]}, {"Do", out["do"]}, {"Ended", out["ended"]}, {"More", out["domain_url"]},
	})
	return out
}

// safeLines makes lines that are safe to read.
func safeLines(lines []string) string {
	for i := range lines {
		lines[i] = rrset.Printable([]byte(lines[i]))
	}
	return strings.Join(lines, "\n")
}

// summary says it in one line.
func summary(i monitor.Incident) string {
	what := fmt.Sprintf("%s record of %s", kindName(i.Facts.Kind, i.ID.Key), i.ID.Domain)
	if n := i.Facts.Affects; n > 0 {
		what = fmt.Sprintf("%s record of %s, on which the SPF of %s rests,", kindName(i.Facts.Kind, ""), i.ID.Domain, counted(n, "registered domain"))
	}
	switch i.Name {
	case monitor.AlertDrifted:
		if i.Facts.Is.Equal(i.Facts.Was) && i.Facts.Finding.Reason != "" {
			return what + " no longer works: " + i.Facts.Finding.Reason
		}
		return what + " has changed: " + cmp.Or(i.Facts.Finding.Reason, "it no longer says what was verified")
	case monitor.AlertMissing:
		return what + " is gone"
	case monitor.AlertDisagreement:
		if i.Facts.Decision.Authority == judge.AuthoritySplit {
			return what + ": the zone's own servers do not agree"
		}
		if i.Facts.Decision.Bogus > 0 {
			return what + ": receivers that validate DNSSEC do not see it, since validation fails"
		}
		return what + ": part of the receivers do not see it as it should be"
	case monitor.AlertOverdue:
		return fmt.Sprintf("%s was not found as it should be for %s", what, span(i.Facts.Waiting))
	case monitor.AlertChangeNotMade:
		return what + " was to change by " + utc(i.Facts.Announced.Until) + " and has not"
	case monitor.AlertCause:
		return causeSummary(i.Facts.Root)
	case monitor.AlertBlind:
		return "maildrift cannot see: nothing is judged until it can"
	case monitor.AlertQuarantined:
		return "Resolver operator " + i.Value + " has no vote any more: it is alone with what it says"
	case monitor.AlertAtRisk:
		first := i.Facts.Hygiene[0]
		text := fmt.Sprintf("%s stands on something that fails: %s: %s", i.ID.Domain, first.At, first.Text)
		if more := len(i.Facts.Hygiene) - 1; more > 0 {
			text += fmt.Sprintf(" (and %d more)", more)
		}
		return rrset.Printable([]byte(text))
	case monitor.AlertWatchdog:
	}
	return string(i.Name)
}

// counted gives a number with its noun.
func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// affected names the domains that rest on a shared record.
func affected(f monitor.Facts) string {
	if f.Affects == 0 {
		return ""
	}
	var names []string
	for _, n := range f.Examples {
		names = append(names, string(n))
	}
	out := strings.Join(names, ", ")
	if more := f.Affects - len(names); more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}

// rulings says what receivers do, with their SMTP codes, one a line.
func rulings(f monitor.Facts) string {
	var out []string
	for _, r := range f.Rulings {
		line := r.Receiver + ": " + r.Action.String()
		if r.Code != "" {
			line += " with " + r.Code
		}
		out = append(out, line+", because "+r.Why)
	}
	return strings.Join(out, "\n")
}

// kindName is the kind as people say it, with the selector or host that tells
// several of a kind apart.
func kindName(k mailrec.Kind, key string) string {
	name := k.String()
	switch k {
	case mailrec.SPF, mailrec.DKIM, mailrec.DMARC, mailrec.MX, mailrec.CNAME, mailrec.NS, mailrec.TXT,
		mailrec.A, mailrec.AAAA, mailrec.PTR, mailrec.BIMI:
		name = strings.ToUpper(name)
	case mailrec.Ownership:
		name = "Ownership"
	case mailrec.MTASTS:
		name = "MTA-STS"
	case mailrec.TLSRPT:
		name = "TLS-RPT"
	}
	if _, host, ok := strings.Cut(key, ":"); ok {
		name += " (" + host + ")"
	}
	return name
}

// nothing stands where the present value would be.
func nothing(i monitor.Incident) string {
	if i.Name == monitor.AlertMissing {
		return "nothing"
	}
	return ""
}

func lines(s rrset.Set) string { return strings.Join(s.Lines(), "\n") }

// changes gives one line a change, "+ term" or "- term".
func changes(f mailrec.Finding) string {
	var out []string
	for _, c := range f.Changes {
		line := c.Op + " " + c.Term
		switch {
		case c.Was != "" && c.Now != "":
			line += ": " + c.Was + " → " + c.Now
		case c.Now != "" && c.Now != c.Term:
			line += ": " + c.Now
		case c.Was != "" && c.Was != c.Term:
			line += ": " + c.Was
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// seenBy says who sees it, as "3 of 12 operators (google, quad9, he); authority: 2 of 2 servers".
func seenBy(f monitor.Facts) string {
	var wrong []string
	for _, v := range f.Votes {
		if !v.Authority && (v.Stand == judge.Differs || v.Stand == judge.Absent) && !slices.Contains(wrong, string(v.Operator)) {
			wrong = append(wrong, string(v.Operator))
		}
	}
	d := f.Decision
	out := fmt.Sprintf("%d of %d resolver operators", d.Wrong, d.Heard)
	if silent := d.Configured - d.Heard; silent > 0 && d.Heard > 0 {
		out += fmt.Sprintf(" that answered (%d did not)", silent)
	}
	if len(wrong) > 0 && len(wrong) < d.Heard {
		slices.Sort(wrong)
		out += " (" + strings.Join(wrong, ", ") + ")"
	}
	if d.Bogus > 0 {
		out += fmt.Sprintf("; validation fails at %d", d.Bogus)
	}
	if d.Servers > 0 {
		out += fmt.Sprintf("; zone's own servers: %d of %d", d.ServersWrong, d.ServersHeard)
		if d.ServersHeard < d.Servers {
			out += fmt.Sprintf(" that answered (%d did not)", d.Servers-d.ServersHeard)
		}
	}
	return out
}

func stage(i monitor.Incident) string {
	if !i.Open() {
		return ""
	}
	switch i.Facts.Stage {
	case judge.AtAuthority:
		return "changed at the zone's own servers; caches still hold the verified record"
	case judge.AtReceivers:
		if i.Facts.Decision.Authority == judge.AuthorityGood {
			return "most resolvers see it, although the zone's own servers have the verified record: look at DNSSEC, the delegation and the network between"
		}
		return "most resolvers see it: receivers do too"
	case judge.Recovering:
		if a := i.Facts.Decision.Authority; a == judge.AuthoritySplit {
			return "part of the zone's own servers have the verified record again"
		} else if a != judge.AuthorityGood {
			return "part of the resolvers have the verified record again"
		}
		if last := i.Facts.LastDeadline; !last.IsZero() {
			return "mended at the zone's own servers; caches have it again by " + utc(last)
		}
		return "mended at the zone's own servers; caches follow"
	case judge.NoStage:
	}
	return ""
}

// deadline says when receivers begin to feel a change that only the zone's own servers have so far.
func deadline(i monitor.Incident, now time.Time) string {
	f := i.Facts
	if !i.Open() || f.Stage != judge.AtAuthority || f.Deadline.IsZero() {
		return ""
	}
	what := map[mailrec.Impact]string{
		mailrec.Rejected: "receivers start to reject", mailrec.Degraded: "mail starts to suffer", mailrec.Weakened: "protection starts to be lost",
		mailrec.None: "receivers start to see it",
	}[i.Impact]
	out := what + " " + in(f.Deadline, now)
	if f.LastDeadline.After(f.Deadline) {
		out += ", all of them by " + utc(f.LastDeadline)
	}
	return out
}

// in says when, and how long that is from now.
func in(t, now time.Time) string {
	if !t.After(now) {
		return "now (since " + utc(t) + ")"
	}
	return "in " + span(t.Sub(now)) + ", at " + utc(t)
}

// caches says which operators still have the verified record, and until when.
func caches(i monitor.Incident) string {
	if !i.Open() || i.Facts.Stage != judge.AtAuthority {
		return ""
	}
	var out []string
	for _, c := range i.Facts.Caches {
		out = append(out, string(c.Operator)+" until "+c.Until.UTC().Format("15:04:05"))
	}
	return strings.Join(out, ", ")
}

// withdrawal says when the mail service withdraws the domain's verification.
func withdrawal(i monitor.Incident, now time.Time) string {
	at := i.Facts.Revokes
	switch {
	case at.IsZero() || !i.Open():
		return ""
	case !at.After(now):
		return i.Facts.Service + " has withdrawn the domain's verification by now (" + utc(at) + "): verify it anew once the record is back"
	}
	return i.Facts.Service + " withdraws the domain's verification " + in(at, now)
}

// ended says how it ended.
func ended(i monitor.Incident) string {
	lost := i.Name == monitor.AlertDrifted || i.Name == monitor.AlertMissing
	switch {
	case i.Open():
		return ""
	case lost && i.Why == "recovered" && i.Facts.Reached.IsZero():
		return utc(i.Closed) + ": mended before caches ran out; no resolver that was asked ever gave the wrong answer: nothing was lost"
	}
	return utc(i.Closed) + ": " + i.Why
}

// effect says what receivers do, from the record alone.
func effect(i monitor.Incident) string {
	if i.Name == monitor.AlertOverdue {
		return "The mail service will not verify the domain until the record is published."
	}
	if i.Name == monitor.AlertDisagreement {
		return "Whoever sees it wrong treats your mail so: " + effectOf(i.Impact)
	}
	return effectOf(i.Impact)
}

// effectOf says what receivers do.
func effectOf(impact mailrec.Impact) string {
	switch impact {
	case mailrec.Rejected:
		return "Receivers refuse mail because of this, at the latest when caches have run out."
	case mailrec.Degraded:
		return "Some receivers refuse, defer or junk mail because of this."
	case mailrec.Weakened:
		return "Mail is delivered, but protection of the domain is lost."
	case mailrec.None:
		return "Receivers do not mind, but it is not what was verified."
	}
	return ""
}

// publish gives what to put into the zone, one record a line.
func publish(f monitor.Facts) string {
	if f.Affects > 0 {
		return "It is not yours to publish: ask whoever keeps it. Until it is back, take its include out of your own SPF records, or list their networks there."
	}
	if !f.Is.Empty() && f.Is.Equal(f.Was) {
		return "" // it is there; what is wrong is elsewhere
	}
	var out []string
	verified := f.Was.Lines()
	for _, v := range verified {
		out = append(out, fmt.Sprintf("%s %s %s", f.Owner.FQDN(), f.Type, v))
	}
	if len(verified) > 0 {
		return strings.Join(out, "\n")
	}
	for _, p := range f.Publish {
		out = append(out, fmt.Sprintf("%s %s %s", p.Name.FQDN(), p.Type, p.Value))
	}
	return strings.Join(out, "\n")
}

// description puts it all into one text for receivers that show only one.
func description(head string, rows [][2]string) string {
	var out strings.Builder
	out.WriteString(head + "\n")
	for _, row := range rows {
		if row[1] == "" {
			continue
		}
		value := strings.ReplaceAll(row[1], "\n", "\n    ")
		fmt.Fprintf(&out, "%s: %s\n", row[0], value)
	}
	return out.String()
}

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// span gives a duration as people say it.
func span(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= 2*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	case d >= 2*time.Minute:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	}
	return fmt.Sprintf("%d seconds", int(d.Seconds()))
}
