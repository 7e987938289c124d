package monitor

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

// CauseKey stands where incidents about records have the record's key.
const CauseKey = "cause"

// maxWorst is how many records an alert about a cause names.
const maxWorst = 10

// rememberZone keeps the zone that a record lives in while it is well, to tell later whether that has changed.
func (j *job) rememberZone() {
	z := j.evidence.Zone
	if len(z.Servers) == 0 {
		return
	}
	if names := serverNames(z); j.state.Zone != z.Apex || !slices.Equal(j.state.Servers, names) {
		j.state.Zone, j.state.Servers = z.Apex, names
	}
}

// serverNames gives the names of a zone's servers, each once.
func serverNames(z resolve.Zone) []rrset.Name {
	var out []rrset.Name
	for _, s := range z.Servers {
		name, _, _ := strings.Cut(s.ID, "/") // a server has an ID for each of its addresses
		out = append(out, rrset.Name(name))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// bad says whether a job is about a verified record that cannot be well by itself.
func (j *job) bad(now time.Time, after time.Duration) bool {
	return j.state.Phase == judge.Verified && shareOf(&j.state, now, after) != rootcause.Well
}

// shareOf says how a record is, as far as others may share its fate.
func shareOf(s *RecordState, now time.Time, after time.Duration) rootcause.State {
	if !s.BlindSince.IsZero() && now.Sub(s.BlindSince) >= after {
		return rootcause.Unreachable // whatever it was before: what is not lost must not seem to be well for its sake
	}
	return lossOf(s)
}

// lossOf is shareOf as long as anything is heard of the record.
func lossOf(s *RecordState) rootcause.State {
	switch {
	case s.Verdict.Lost() && s.Stage != judge.Recovering:
		return rootcause.Lost
	case s.Verdict == judge.Disagreeing && s.Finding.Rule == bogusFinding().Rule && s.Seen.Empty():
		return rootcause.Bogus
	}
	return rootcause.Well
}

// findCauses asks what the sweep's bad records have in common, with each other and with those that were bad
// before.
func (sw *sweep) findCauses(now time.Time) {
	after := sw.settings.Rules.DisagreementAfter
	sw.found = map[rootcause.Cause]rootcause.Explanation{}
	defer sw.digestPauses()
	together := sw.engine.together(sw.summary.Group)
	near := neighbourhood{domains: map[rrset.Name]bool{}, zones: map[rrset.Name]bool{}}
	for _, j := range sw.jobs {
		if j.bad(now, after) {
			near.domains[j.state.ID.Domain] = true
			if j.state.Zone != "" {
				near.zones[j.state.Zone] = true
			}
		}
	}
	if len(near.domains) == 0 {
		return
	}
	e := sw.engine
	var records []rootcause.Record
	var jobs []*job
	swept := map[RecordID]bool{}
	for _, j := range sw.jobs {
		swept[j.state.ID] = true
		if j.state.Phase == judge.Verified && j.subject.Domain.Shared == nil {
			records, jobs = append(records, j.fate(now, after, together)), append(jobs, j)
		}
	}
	e.mu.Lock()
	for s := range e.states.near(near) {
		if s.Phase == judge.Verified && !swept[s.ID] && s.ID.Key != SharedKey && !sw.beside.awaits(s.ID.Domain) {
			swept[s.ID] = true
			records = append(records, rootcause.Record{
				Domain: s.ID.Domain, Name: s.Name, State: shareOf(s, now, after), Zone: s.Zone, Servers: s.Servers, TargetZone: s.toldTarget(together, now),
			})
		}
	}
	records = append(records, e.alsoLost(records, swept, now, together)...)
	e.mu.Unlock()
	own := map[rrset.Name]bool{}
	for _, j := range jobs {
		own[j.state.ID.Domain] = true
	}
	records = append(records, sw.beside.losses(own)...)
	for i, c := range rootcause.Find(records)[:len(jobs)] {
		if c == (rootcause.Cause{}) {
			c = jobs[i].hadCause()
		}
		if c == (rootcause.Cause{}) || c.Kind == rootcause.Dead && jobs[i].paused(now) {
			continue // what nobody answers for has no alert of its own that a pause could keep quiet
		}
		if jobs[i].cause = c; sw.found[c] == (rootcause.Explanation{}) {
			sw.found[c] = rootcause.Explain(c, records)
		}
	}
}

// digestPauses takes together what is wrong with a domain whose pause has just ended, so that it is told as one.
func (sw *sweep) digestPauses() {
	if sw.summary.Distrusted != "" {
		return // it tells nothing
	}
	e := sw.engine
	e.mu.Lock()
	defer e.mu.Unlock()
	begin := map[rrset.Name][]*job{}
	for _, j := range sw.jobs {
		_, _, wrong := AlertFor(j.state.State)
		if slices.Contains(sw.resumed, j.state.ID.Domain) && wrong && j.state.Incident == nil && j.cause == (rootcause.Cause{}) {
			begin[j.state.ID.Domain] = append(begin[j.state.ID.Domain], j)
		}
	}
	for _, name := range sw.resumed {
		delete(e.resumed, name) // its records may all be well
	}
	for domain, jobs := range begin {
		c := rootcause.Cause{Kind: rootcause.Paused, Name: domain}
		told := slices.ContainsFunc(e.self.Causes, func(i Incident) bool { return i.Facts.Root.Cause == c })
		if len(jobs) < 2 || told {
			continue // an alert that was told after an earlier pause would hold them back, and tells nobody again
		}
		sw.found[c] = rootcause.Explain(c, nil)
		for _, j := range jobs {
			j.cause = c
		}
	}
}

// resumedOf gives the domains of jobs whose pause has ended since they were last swept.
func (e *Engine) resumedOf(jobs []*job) []rrset.Name {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.resumed) == 0 {
		return nil
	}
	var out []rrset.Name
	for _, j := range jobs {
		if e.resumed[j.state.ID.Domain] {
			out = append(out, j.state.ID.Domain)
		}
	}
	return slices.Compact(out)
}

// fate is a job's record as causes see it.
func (j *job) fate(now time.Time, after, together time.Duration) rootcause.Record {
	out := rootcause.Record{
		Domain: j.state.ID.Domain, Name: j.state.Name, State: shareOf(&j.state, now, after),
		Zone: j.state.Zone, Servers: j.state.Servers,
	}
	// A delegation that could not be found out says nothing: only one that was found elsewhere has moved.
	if z := j.evidence.Zone; len(z.Servers) > 0 && !z.Unsure {
		out.Now, out.ServersNow = j.evidence.Zone.Apex, serverNames(j.evidence.Zone)
	}
	if out.State == rootcause.Unreachable && !unanswered(j.evidence.Decision) {
		out.State = lossOf(&j.state)
	}
	if out.State == rootcause.Lost && j.state.lostWithin(together, now) {
		out.TargetZone = j.missedTarget()
	}
	return out
}

// together is within how long of each other records go wrong that have a provider's name as their common cause, but for the time that
// caches need: within two sweeps of a group. In a large fleet there are always some whose aliases lead to nothing, since their owners
// have left the provider one by one: who leaves today has nothing to do with them.
func (e *Engine) together(group string) time.Duration {
	e.mu.Lock()
	defer e.mu.Unlock()
	return 2 * cmp.Or(e.estimates[group].Interval, time.Hour)
}

// lostWithin says whether the record is not known to be lost for longer than that, and the time that caches had it for.
func (s *RecordState) lostWithin(d time.Duration, now time.Time) bool {
	if s.Verdict == judge.Holding {
		return true
	}
	since := s.Since
	if s.Incident != nil {
		since = s.Incident.Opened
	}
	return now.Sub(since) <= d+time.Duration(s.OldTTL)*time.Second
}

// alsoLost gives records that were lost lately, wherever in the fleet they are, because what their aliases lead to is not there: as far as
// that is what some of those records lead to, and they are not among them. The caller holds mu.
func (e *Engine) alsoLost(records []rootcause.Record, among map[RecordID]bool, now time.Time, together time.Duration) []rootcause.Record {
	targets := map[rrset.Name]bool{}
	for _, r := range records {
		if r.TargetZone != "" {
			targets[r.TargetZone] = true
		}
	}
	if len(targets) == 0 {
		return nil
	}
	var out []rootcause.Record
	for id, s := range e.states.alerting {
		if target := s.toldTarget(together, now); targets[target] && !among[id] {
			out = append(out, rootcause.Record{Domain: id.Domain, State: rootcause.Lost, TargetZone: target})
		}
	}
	return out
}

// toldTarget is the missedTarget of a record of which it was told lately that it is lost; else it is empty.
func (s *RecordState) toldTarget(together time.Duration, now time.Time) rrset.Name {
	if s.Incident == nil || !s.Verdict.Lost() || s.Stage == judge.Recovering || !s.lostWithin(together, now) {
		return ""
	}
	var target rrset.Name
	for _, v := range s.Incident.Facts.Votes {
		if v.Stand == judge.Absent && len(v.Chain) > 0 && (target == "" || v.Authority) {
			target = mailrec.Registrable(v.Chain[len(v.Chain)-1])
		}
	}
	return target
}

// hadCause gives the provider's name that is the cause of what was told of a record, if that is still so: it was found when others went
// with it. Else it is the zero Cause.
func (j *job) hadCause() rootcause.Cause {
	target := rootcause.Cause{Kind: rootcause.Target, Name: j.missedTarget()}
	if in := j.state.Incident; in == nil || target.Name == "" || in.Facts.Cause != target.String() {
		return rootcause.Cause{}
	}
	return target
}

// missedTarget gives the zone that a verified record's aliases lead to, if there is nothing there; else it is empty.
func (j *job) missedTarget() rrset.Name {
	h, ok := j.evidence.first(func(h Heard) bool { return h.Stand == judge.Absent && len(h.Chain) > 0 })
	if !ok || !j.subject.Verified {
		return ""
	}
	return mailrec.Registrable(h.Chain[len(h.Chain)-1])
}

// unanswered says whether it is the zone that is silent. Where its servers answer and too few resolvers do, it is
// the resolvers that fail, or our way to them.
func unanswered(d judge.Decision) bool {
	return d.Authority == judge.AuthoritySilent || d.Authority == judge.AuthorityUnasked && d.Heard == 0
}

// batchCauses opens, updates and closes the incidents about causes as the records that have them ask for.
func (e *Engine) batchCauses(sw *sweep, b *Batch, now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(sw.found) == 0 && len(e.self.Causes) == 0 {
		return
	}
	self := e.self
	if b.Self != nil {
		self = *b.Self
	}
	members := e.membersAfter(b)
	var causes []Incident
	known := map[string]bool{}
	for _, had := range self.Causes {
		id := had.Facts.Root.String()
		known[id] = true
		m := members[id]
		if len(m) == 0 {
			b.Incidents = append(b.Incidents, closeIncident(had, now, "recovered"))
			continue
		}
		if next, news := had.withMembers(m); news {
			b.Incidents = append(b.Incidents, next)
			had = next
		}
		causes = append(causes, had)
	}
	for _, c := range sortedCauses(sw.found) {
		if m := members[c.String()]; !known[c.String()] && len(m) > 0 {
			in, _ := Incident{ID: RecordID{c.Name, CauseKey}, Name: AlertCause, Value: string(c.Kind), Opened: now, Facts: Facts{
				Root: &Root{Cause: c, Explanation: sw.found[c]},
			}}.withMembers(m)
			causes, b.Incidents = append(causes, in), append(b.Incidents, in)
		}
	}
	self.Causes = causes
	b.Self = &self
}

func sortedCauses(found map[rootcause.Cause]rootcause.Explanation) []rootcause.Cause {
	var out []rootcause.Cause
	for c := range found {
		out = append(out, c)
	}
	slices.SortFunc(out, func(a, b rootcause.Cause) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// member is a record that a cause makes go wrong.
type member struct {
	id       RecordID
	impact   mailrec.Impact
	deadline time.Time
}

// membersAfter gives the records of each cause as they are once the batch is committed: those whose open alert
// names it, and those of a zone that nobody answers for. The caller holds mu.
func (e *Engine) membersAfter(b *Batch) map[string][]member {
	out := map[string][]member{}
	seen := map[RecordID]bool{}
	take := func(s *RecordState) {
		if i := s.Incident; i != nil && i.Facts.Cause != "" {
			out[i.Facts.Cause] = append(out[i.Facts.Cause], member{s.ID, i.Impact, s.Deadline})
		}
		if !s.BlindSince.IsZero() && s.Incident == nil {
			c := rootcause.Cause{Kind: rootcause.Dead, Name: s.Zone}.String()
			out[c] = append(out[c], member{s.ID, mailrec.Rejected, time.Time{}})
		}
	}
	for i := range b.States {
		seen[b.States[i].ID] = true
		take(&b.States[i])
	}
	for _, id := range b.Removed {
		seen[id] = true
	}
	for s := range e.states.eventful() {
		if !seen[s.ID] {
			take(s)
		}
	}
	return out
}

// withMembers gives a cause's incident with what it makes go wrong, and says whether that is news. Its impact is
// that of its worst record when it began.
func (i Incident) withMembers(m []member) (Incident, bool) {
	slices.SortFunc(m, func(a, b member) int { return cmp.Or(cmp.Compare(b.impact, a.impact), a.id.Compare(b.id)) })
	root := *i.Facts.Root
	domains := map[rrset.Name]bool{}
	var worst []RecordID
	var first time.Time
	for _, x := range m {
		domains[x.id.Domain] = true
		if len(worst) < maxWorst {
			worst = append(worst, x.id)
		}
		if !x.deadline.IsZero() && (first.IsZero() || x.deadline.Before(first)) {
			first = x.deadline
		}
	}
	if root.Records == 0 {
		i.Impact = m[0].impact
	}
	news := root.Records != len(m) || root.Domains != len(domains) || !i.Facts.Deadline.Equal(first)
	root.Records, root.Domains, root.Worst = len(m), len(domains), worst
	i.Facts.Root, i.Facts.Deadline = &root, first
	return i, news
}
