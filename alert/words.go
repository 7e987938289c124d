package alert

import (
	"cmp"
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
	// Language is that of the texts; the zero value is English.
	Language Language
}

func (w Words) tongue() tongue { return tongues()[w.Language] }

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
		a.Annotations[text] = w.tongue().f("TEST, nothing is wrong: %s", a.Annotations[text])
	}
	return a
}

// Watchdog gives the alert that always fires, so that its absence means that
// nobody is watching.
func (w Words) Watchdog(since time.Time) Alert {
	return Alert{
		Labels: map[string]string{"alertname": string(monitor.AlertWatchdog), "severity": Silent},
		Annotations: map[string]string{
			"summary":     w.tongue().f("maildrift is running"),
			"description": w.tongue().f("This alert always fires. Route it to a service that calls you when it stops coming."),
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
	labels["severity"] = Severity(i)
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

// Severity gives the severity of an alert, by what it is about and what receivers do.
func Severity(i monitor.Incident) string {
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
	t := w.tongue()
	out := map[string]string{"summary": t.summary(i), "since": utc(i.Opened), "priority": priority(i, now)}
	if left := t.withdrawal(i, now); left != "" && len(i.Escalations) > 0 {
		out["summary"] = t.f("%s; %s", out["summary"], left)
	}
	if !i.Episode.IsZero() {
		out[EpisodeAnnotation] = i.Episode.UTC().Format(time.RFC3339Nano)
	}
	if w.Runbooks != "" {
		out["runbook_url"] = w.Runbooks + "/" + string(i.Name) + ".md"
	}
	if i.ID.Domain != "" {
		out["silence_url"] = w.silenceURL(i)
		out["domain_url"] = w.BaseURL + "/domains/" + url.PathEscape(string(i.ID.Domain))
	}
	set := func(key, value string) string {
		if value != "" {
			out[key] = value
		}
		return value
	}
	set("ended", t.ended(i))
	var rows [][2]string
	switch {
	case i.Name == monitor.AlertAtRisk:
		rows = t.atRisk(i, set)
	case i.Name == monitor.AlertChangeNotMade:
		rows = t.notMade(i, set)
	case i.Name == monitor.AlertCause:
		out["domain_url"] = w.BaseURL + "/"
		rows = t.cause(i, set, now)
	case i.ID.Domain == "":
		rows = [][2]string{{"Why", i.Facts.Reason}, {"Since", out["since"]}}
	default:
		rows = t.record(i, set, now)
	}
	if i.ID.Domain != "" {
		rows = append(rows, [2]string{"Ended", out["ended"]}, [2]string{"More", out["domain_url"]})
	}
	out["description"] = t.description(out["summary"], rows)
	return out
}

// silenceURL leads to the form that silences an alert, filled in.
func (w Words) silenceURL(i monitor.Incident) string {
	q := url.Values{"alertname": {string(i.Name)}, "domain": {string(i.ID.Domain)}, "record": {i.ID.Key}}
	return w.BaseURL + "/silences/new?" + q.Encode()
}

// priority gives how urgent it is, for receivers that ask: P1 mail is refused now or within the hour, P2 it is or will be
// refused or suffers, or nobody is looking, P3 protection is lost, P4 it can wait, P5 nothing is wrong any more.
func priority(i monitor.Incident, now time.Time) string {
	soon := i.Facts.Stage != judge.AtAuthority || i.Facts.Deadline.IsZero() || i.Facts.Deadline.Sub(now) < time.Hour
	switch {
	case !i.Open():
		return "P5"
	case i.Name == monitor.AlertBlind:
		return "P2"
	case i.Name == monitor.AlertOverdue || i.Name == monitor.AlertChangeNotMade || i.Name == monitor.AlertQuarantined:
		return "P4"
	case i.Impact == mailrec.Rejected && soon && i.Name != monitor.AlertDisagreement:
		return "P1"
	case i.Impact >= mailrec.Degraded || len(i.Escalations) > 0:
		return "P2"
	case i.Impact == mailrec.Weakened:
		return "P3"
	}
	return "P4"
}

// record tells of one record: the annotations, and the rows of the description. Rows are titled in English here.
func (t tongue) record(i monitor.Incident, set func(key, value string) string, now time.Time) [][2]string {
	f := i.Facts
	why := t.reason(f.Finding.Reason)
	set("why", why)
	set("rule", f.Finding.Rule)
	rows := [][2]string{
		{"Record", set("owner", string(f.Owner)+" "+f.Type.String())}, {"Since", utc(i.Opened)}, {"Change", set("change", changes(f.Finding))},
		{"Was", set("old", lines(f.Was))}, {"Is now", cmp.Or(set("new", lines(f.Is)), t.nothing(i))},
		{"Why it matters", set("effect", t.effect(i))}, {"Receivers", set("receivers", t.rulings(f))}, {"Domains", set("affects", t.affected(f))},
	}
	if x := f.Explanation; x != nil {
		rows = append(rows, [2]string{"Cause", set("cause", rrset.Printable([]byte(x.Cause)))}, [2]string{"To do", set("fix", rrset.Printable([]byte(x.Fix)))})
	}
	if f.Announced != nil {
		rows = append(rows, [2]string{"Announced was", set("announced", t.announced(f.Announced))})
	}
	return append(rows,
		[2]string{"Flapping", set("flapping", t.flapping(f))},
		[2]string{"Seen by", set("seen_by", t.seenBy(f))}, [2]string{"How far", set("stage", t.stage(i))},
		[2]string{"Time left", set("deadline", t.deadline(i, now))}, [2]string{"Caches", set("caches", t.caches(i))},
		[2]string{"Withdrawal", set("withdrawal", t.withdrawal(i, now))}, [2]string{"Publish", set("publish", t.publish(f))})
}

// cause tells of what makes many records go wrong.
func (t tongue) cause(i monitor.Incident, set func(key, value string) string, now time.Time) [][2]string {
	r := i.Facts.Root
	set("affects", t.f("%s of %s", t.count(r.Records, "record"), t.count(r.Domains, "registered domain")))
	var worst []string
	for _, id := range r.Worst {
		worst = append(worst, t.f("%s of %s", id.Key, id.Domain))
	}
	if more := r.Records - len(worst); more > 0 {
		worst = append(worst, t.f("and %d more", more))
	}
	left := ""
	if i.Open() && !i.Facts.Deadline.IsZero() {
		left = t.f("the first caches run out of the verified records %s", t.in(i.Facts.Deadline, now))
	}
	return [][2]string{
		{"Since", utc(i.Opened)}, {"Why", set("why", t.causeWhy(r))}, {"Records", set("records", strings.Join(worst, "\n"))},
		{"Why it matters", set("effect", t.effectOf(i.Impact))}, {"Time left", set("deadline", left)}, {"Do", set("do", t.causeTodo(r))},
	}
}

// notMade tells of an announced change whose window ended without it.
func (t tongue) notMade(i monitor.Incident, set func(key, value string) string) [][2]string {
	f := i.Facts
	return [][2]string{
		{"Record", set("owner", string(f.Owner)+" "+f.Type.String())}, {"Since", utc(i.Opened)}, {"Is still", set("old", lines(f.Was))},
		{"Announced was", set("announced", t.announced(f.Announced))},
		{"Why it matters", set("effect", t.f("Mail is as it was: what was verified still stands. Both values hold until this is settled."))},
		{"Do", set("do", t.f("Make the change, announce another window (maildrift expect %[1]s %[2]s … --until …), or take it back (maildrift expect %[1]s %[2]s --cancel).",
			i.ID.Domain, i.ID.Key))},
	}
}

// atRisk tells what a domain's mail stands on that fails.
func (t tongue) atRisk(i monitor.Incident, set func(key, value string) string) [][2]string {
	var found, do []string
	for _, f := range i.Facts.Hygiene {
		found = append(found, f.At+": "+f.Text)
		if f.Do != "" && !slices.Contains(do, f.Do) {
			do = append(do, f.Do)
		}
	}
	return [][2]string{{"Since", utc(i.Opened)}, {"Found", set("findings", safeLines(found))}, {"Do", set("do", safeLines(do))}}
}

// safeLines makes lines that are safe to read.
func safeLines(lines []string) string {
	for i := range lines {
		lines[i] = rrset.Printable([]byte(lines[i]))
	}
	return strings.Join(lines, "\n")
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

// kindName is the kind as people say it, with the selector or host that tells
// several of a kind apart.
func (t tongue) kindName(k mailrec.Kind, key string) string {
	name := k.String()
	switch k {
	case mailrec.SPF, mailrec.DKIM, mailrec.DMARC, mailrec.MX, mailrec.CNAME, mailrec.NS, mailrec.TXT,
		mailrec.A, mailrec.AAAA, mailrec.PTR, mailrec.BIMI:
		name = strings.ToUpper(name)
	case mailrec.Ownership:
		name = t.f("Ownership")
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

func utc(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
