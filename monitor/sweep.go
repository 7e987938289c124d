package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

// maxRounds bounds how often a sweep asks about one record: the first look, one at
// once, one after the wait, and as many for a change of mind.
const maxRounds = 6

// job is one record on its way through a sweep. Its state is a copy that
// nobody else writes: the domain is claimed.
type job struct {
	subject  Subject
	before   *RecordState
	state    RecordState
	evidence Evidence
	// heardAt is when the last of the rounds was judged; news are the answers of those before it that history does not have.
	heardAt     time.Time
	rounds      int
	news        keeping
	transitions []Transition
	rulings     []verdict.Ruling
	explanation *Explanation
	// cause is what made the record go wrong together with others; none if it did by itself.
	cause rootcause.Cause
	again judge.Again
	// turned says that a verified, holding record went bad in this sweep.
	turned bool
	// endings are of what was heard in the rounds of this sweep before the last.
	endings []ending
}

// all takes every record into a sweep.
func all(*RecordState) bool { return true }

// needsAttention takes the records that are not settled.
func needsAttention(s *RecordState) bool {
	return s.Phase != judge.Verified || s.Verdict != judge.Holding || s.Suspicion.Sightings > 0
}

// newSweep makes a sweep of some domains, which the caller has claimed.
func (e *Engine) newSweep(group string, names []rrset.Name, pacing pace.Sweep, wanted func(*RecordState) bool) *sweep {
	settings := e.currentSettings()
	sw := &sweep{
		engine: e, settings: settings, names: names, summary: SweepSummary{Group: group, Started: time.Now(), Domains: len(names)},
		inquiry: &Inquiry{Asker: e.o.Asker, Rules: settings.Rules, Pace: pacing, desks: &e.desks},
	}
	if settings.AskAuthority {
		sw.inquiry.Authorities = e.o.Authorities
	}
	if e.o.Meter != nil {
		sw.inquiry.Observed = e.o.Meter.Observed
	}
	sw.jobs = e.jobs(names, settings, wanted)
	sw.summary.Records = len(sw.jobs)
	sw.resumed = e.resumedOf(sw.jobs)
	sw.begun = make(map[*job]job)
	sw.inquiry.passed, sw.inquiry.unsure = sw.pass, sw.unsure
	if e.dissenting() {
		sw.agreed = map[resolve.Operator]bool{}
	}
	return sw
}

// claim waits until none of the domains is in another sweep, and takes them.
func (e *Engine) claim(names []rrset.Name) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for slices.ContainsFunc(names, func(n rrset.Name) bool { return e.busy[n] }) {
		e.freed.Wait()
	}
	for _, n := range names {
		e.busy[n] = true
	}
}

func (e *Engine) release(names []rrset.Name) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, n := range names {
		delete(e.busy, n)
	}
	e.freed.Broadcast()
}

// jobs makes a job of each wanted record of the claimed domains.
func (e *Engine) jobs(names []rrset.Name, settings *Settings, wanted func(*RecordState) bool) []*job {
	e.mu.Lock()
	defer e.mu.Unlock()
	var jobs []*job
	for _, name := range names {
		for _, d := range []*Domain{e.domains[name], e.shared[name]} {
			if d != nil {
				jobs = append(jobs, e.jobsOf(d, settings, wanted)...)
			}
		}
	}
	spending := &budget{
		states: e.states.get, reader: reader{},
		watched: (&sharing{domains: e.domains}).watched,
	}
	for _, j := range jobs {
		spending.apply(j)
	}
	return jobs
}

// jobsOf makes the jobs of one domain. The caller holds mu.
func (e *Engine) jobsOf(d *Domain, settings *Settings, wanted func(*RecordState) bool) []*job {
	var jobs []*job
	group := settings.Groups[d.Schedule()]
	voices := e.heard.of(d.Name)
	for _, r := range d.Records {
		s := e.states.get(RecordID{d.Name, r.Key})
		if s == nil || !wanted(s) {
			continue
		}
		subject := Subject{Domain: d, Record: r, Resolvers: group.Resolvers, Announced: e.inForce(d, s), voices: voicesOf(voices, r.Key), zone: s.Zone}
		j := e.desks.job()
		j.before, j.state, j.subject = s, *s, subject.as(s)
		jobs = append(jobs, j)
	}
	return jobs
}

// sweep is one pass over some records.
type sweep struct {
	engine   *Engine
	settings *Settings
	inquiry  *Inquiry
	// names are the claimed domains.
	names []rrset.Name
	// jobs are the records that anything is to be done about; once all were asked about, those that are calm are no more
	// among them, and only counted. begun are the others as they were before.
	jobs    []*job
	begun   map[*job]job
	calm    int
	summary SweepSummary
	// resumed are the domains whose pause had ended when the sweep began.
	resumed []rrset.Name
	// agreed are the operators that said, of calm records, what is right; nil if it does not matter.
	agreed map[resolve.Operator]bool
	// beside is what the other stages of the same sweep know; nil if there are none.
	beside *beside
	// turn, if it is not nil, has a place for each stage that may do anything but wait.
	turn  chan struct{}
	count Count
	// tainted operators failed the canaries, and why.
	tainted map[resolve.Operator]string
	// gated says that the gate holds this sweep's transitions back.
	gated bool
	// unseen says that most records could not be judged; empty if they could. verified counts those that were to be.
	unseen   string
	verified int
	// stage says that it is one stage of a sweep that concludes later; together is, in the conclusion, what all stages showed of
	// the operators.
	stage    bool
	together *dissent
	// moves counts the transitions that were committed.
	moves moves
	// found are the causes that the sweep's records have, with what is known of them.
	found map[rootcause.Cause]rootcause.Explanation
}

// run asks and judges until nothing is left to confirm. What has changed then is believed only if the
// canaries still pass: somebody may have begun to answer everything since they were asked. If they do not, all
// is asked once more.
func (sw *sweep) run(ctx context.Context) error {
	for range 2 {
		if err := sw.look(ctx); err != nil {
			return err
		}
		if sw.summary.Distrusted != "" || !sw.changed() {
			break
		}
		again := sw.inquiry.tasteOnce(ctx, sw.resolvers(), sw.settings.Canaries, true)
		sw.count.add(again.count)
		if again.distrusted == "" {
			break
		}
		for _, j := range sw.jobs {
			*j = sw.begun[j]
		}
		sw.summary.Distrusted = "while changes were being confirmed, " + again.distrusted
	}
	if ctx.Err() != nil {
		return fmt.Errorf("sweep given up: %w", ctx.Err())
	}
	sw.inherit(ctx)
	sw.findCauses(time.Now())
	if err := sw.doubt(ctx); err != nil {
		return err
	}
	sw.explain(ctx)
	return nil
}

// look asks the canaries and then about all records, until nothing is left to confirm.
func (sw *sweep) look(ctx context.Context) error {
	if len(sw.jobs) == 0 && sw.summary.Group == "" {
		return nil // what was to be looked at again has settled meanwhile
	}
	tasted := sw.inquiry.taste(ctx, sw.resolvers(), sw.settings.Canaries, sw.beside)
	sw.count.add(tasted.count)
	sw.summary.Distrusted, sw.tainted = tasted.distrusted, tasted.tainted
	disqualified := sw.disqualified()
	open := sw.jobs
	if sw.summary.Distrusted != "" {
		open = nil
	}
	for round := range maxRounds {
		if len(open) == 0 {
			break
		}
		open = sw.round(ctx, open, disqualified, round > 0)
		var err error
		if open, err = sw.waitForAgain(ctx, open); err != nil {
			return err
		}
	}
	return nil
}

// changed says whether anything is to be told or kept in history.
func (sw *sweep) changed() bool {
	return slices.ContainsFunc(sw.jobs, func(j *job) bool { return len(j.transitions) > 0 })
}

// resolvers gives all sources that the sweep's records are asked of, and those of its
// group if it has no records.
func (sw *sweep) resolvers() []*resolve.Source {
	byID := map[string]*resolve.Source{}
	for _, r := range sw.settings.Groups[sw.summary.Group].Resolvers {
		byID[r.ID] = r
	}
	for _, j := range sw.jobs {
		for _, r := range j.subject.Resolvers {
			byID[r.ID] = r
		}
	}
	var out []*resolve.Source
	for _, id := range sortedKeys(byID) {
		out = append(out, byID[id])
	}
	return out
}

// round asks about the open jobs once and takes each a step further. It gives those that are not calm.
func (sw *sweep) round(ctx context.Context, open []*job, tainted map[resolve.Operator]string, fresh bool) []*job {
	now := time.Now()
	evidence := sw.inquiry.desks.evidence(len(open))
	defer sw.inquiry.desks.heard(evidence)
	for i, j := range open {
		j.subject.settled = !fresh && j.settledNow()
		evidence[i].Subject = j.subject
	}
	sw.inquiry.Pace.Now = now
	sw.count.add(sw.inquiry.round(ctx, evidence, tainted, fresh))
	if ctx.Err() != nil {
		return nil // what was not heard because we stop is no evidence of anything
	}
	now = time.Now()
	together := sw.engine.together(sw.summary.Group)
	left := open[:0:0]
	for i, j := range open {
		if evidence[i].Calm {
			j.evidence.Calm = true
			continue
		}
		if _, known := sw.begun[j]; !known {
			j.recallTTL()
			sw.begun[j] = *j
		}
		left = append(left, j)
		j.evidence, j.heardAt = evidence[i], now
		j.rounds++
		if target := j.missedTarget(); target != "" && j.state.lostWithin(together, now) {
			sw.beside.lost(target, j.state.ID.Domain)
		}
		if j.step(now, sw.settings.Rules); j.again.Wanted && j.rounds < maxRounds {
			j.fold()
		}
	}
	if len(left) < len(open) {
		sw.jobs = slices.DeleteFunc(sw.jobs, sw.calmed)
	}
	return left
}

// calmed lets go of a job that is calm, and says whether it is.
func (sw *sweep) calmed(j *job) bool {
	if !j.evidence.Calm {
		return false
	}
	if _, known := sw.begun[j]; !known {
		sw.inquiry.desks.done(j)
	}
	return true
}

// pass takes in that a record is calm.
func (sw *sweep) pass(e *Evidence) {
	sw.calm++
	sw.engine.heard.stampAll(e.Subject.ID(), e)
	if sw.agreed == nil {
		return
	}
	for k, source := range e.inquest.panel[:e.inquest.resolvers] {
		if v := e.Subject.voices; v.words[v.voice[k].word-1].said.voted == judge.Good {
			sw.agreed[source.Operator] = true
		}
	}
}

// waitForAgain keeps the jobs that want to be asked again and waits until they
// are due. Others may have their turn meanwhile.
func (sw *sweep) waitForAgain(ctx context.Context, jobs []*job) ([]*job, error) {
	var open []*job
	var due time.Time
	for _, j := range jobs {
		if !j.again.Wanted {
			continue
		}
		open = append(open, j)
		if j.again.At.After(due) {
			due = j.again.At
		}
	}
	wait := time.Until(due)
	if len(open) == 0 || wait <= 0 {
		return open, nil
	}
	if sw.turn != nil {
		<-sw.turn
		defer func() { sw.turn <- struct{}{} }()
		sw.engine.onward(sw.summary.Group, func(p *Progress) { p.Waiting++ })
		defer sw.engine.onward(sw.summary.Group, func(p *Progress) { p.Waiting-- })
	}
	if !sleep(ctx, wait) {
		return nil, fmt.Errorf("sweep given up: %w", ctx.Err())
	}
	return open, nil
}

// doubt asks whether the sweep as a whole can be believed, and whether it saw
// enough to be called seeing. It returns an error if ctx ended meanwhile.
func (sw *sweep) doubt(ctx context.Context) error {
	verified, blind, turned := sw.calm, 0, 0
	causes := map[rootcause.Cause]int{}
	for _, j := range sw.jobs {
		if j.before.Phase != judge.Verified {
			continue
		}
		verified++
		if j.evidence.Decision.Verdict == judge.Blind {
			blind++
		}
		if !j.turned {
			continue
		}
		if turned++; j.cause != (rootcause.Cause{}) {
			causes[j.cause]++
		}
	}
	sw.summary.Blind = blind
	of := verified
	if sw.summary.Group == "" {
		of = sw.engine.verifiedRecords() // a recheck takes only what is suspected already
	}
	// What turned by one cause turned once: a zone or a provider that is gone is no fault of ours, however
	// many records it takes along.
	for _, n := range causes {
		turned, of = turned-n+1, of-n+1
	}
	// Records that cannot be judged do not taint those that can. But somebody must be told that most of them cannot.
	if sw.verified = verified; !sw.stage {
		sw.unseen = sw.settings.Gate.unseen(blind, verified)
	}
	return sw.guard(ctx, turned, of)
}

// step takes the job's state over its evidence.
func (j *job) step(now time.Time, rules judge.Rules) {
	before, stood := j.state.Position(), j.state.Standing()
	var moves []judge.Transition
	j.state.State, moves, j.again = judge.Step(j.state.State, j.evidence.Decision, now, rules)
	if before.Verdict == judge.Holding && len(moves) > 0 && j.state.Verdict != judge.Holding {
		j.turned = true
	}
	j.remember(before)
	j.rememberPast(stood, now)
	for _, move := range moves {
		j.transitions = append(j.transitions, j.tell(move))
	}
	j.noticeChange(now)
	j.subject = j.subject.as(&j.state)
}

// rememberPast keeps what caches may go on to hold once the record changes, and marks the change. Before a record is
// verified, resolvers may have been asked for it by others and keep that it was not there.
func (j *job) rememberPast(stood judge.Verdict, now time.Time) {
	stands := j.state.Standing()
	if stands != stood && (stands == judge.Holding || stands.Lost() && !stood.Lost()) {
		j.state.Past = j.state.Past.turned(stands, j.state.OldTTL, append(j.endings, endings(j.evidence.held())...), now)
	}
	switch {
	case stands != judge.Holding && j.evidence.Decision.Verdict != judge.Blind:
		j.state.Past = j.state.Past.seeing(j.evidence.held())
	case stands == judge.Holding && j.state.Past.over(now):
		j.state.Past = Past{}
	}
}

// remember keeps what the deciding sources have. The verified data becomes the
// baseline at the moment of verification and stays it.
func (j *job) remember(before judge.Position) {
	d := j.evidence.Decision
	heard, ok := j.evidence.Decisive()
	switch {
	case before.Phase != judge.Verified && j.state.Phase == judge.Verified && ok:
		j.state.Baseline = heard.Finding.Seen
		j.state.Seen, j.state.Finding = rrset.Set{}, heard.Finding
		j.state.Finding.Seen = rrset.Set{}
		j.state.OldTTL = j.goodTTL(heard)
		j.rememberZone()
	case j.state.Phase != judge.Verified:
		j.rememberWaiting()
	case d.Verdict == judge.Blind:
	case j.state.Verdict == judge.Holding && d.Verdict == judge.Holding:
		j.state.Seen, j.state.Finding = rrset.Set{}, heard.Finding
		j.state.Finding.Seen = rrset.Set{}
		j.state.Deadline, j.state.LastDeadline = time.Time{}, time.Time{}
		if d.Authority == judge.AuthorityGood && ok {
			j.state.OldTTL = j.goodTTL(heard)
		}
		j.rememberZone()
		j.follow(heard, ok)
	case j.state.Stage == judge.Recovering:
		j.state.Deadline, j.state.LastDeadline = time.Time{}, j.evidence.Mended()
	case d.Verdict == j.state.Verdict && d.Meaning == j.state.Meaning && ok:
		j.state.Seen, j.state.Finding = heard.Finding.Seen, heard.Finding
		j.rememberDeadline()
	case d.Verdict == judge.Disagreeing && j.state.Verdict == judge.Disagreeing && d.Bogus > 0:
		j.state.Seen, j.state.Finding = rrset.Set{}, bogusFinding()
	}
}

// goodTTL gives how long caches may hold a good record, by the decisive answer. While two values are good that is the longer one, and
// where it is a cache's, what others have left.
func (j *job) goodTTL(heard Heard) uint32 {
	ttl := heard.TTL
	if heard.Source.Role == resolve.Recursive {
		var left []uint32
		for _, h := range j.evidence.Heard {
			if h.Stand == judge.Good {
				left = append(left, h.TTL)
			}
		}
		ttl = longestLeft(left)
	}
	if heard.Announced {
		return max(ttl, j.state.OldTTL)
	}
	return ttl
}

// recallTTL takes the TTL of the good record from what was heard last of it. In the state there is the one from when that was last
// written, and an answer with another TTL is none that is worth writing.
func (j *job) recallTTL() {
	if j.state.Phase != judge.Verified || j.state.Standing() != judge.Holding {
		return
	}
	verified, announced := j.subject.voices.goodTTL()
	j.state.OldTTL = max(cmp.Or(verified, j.state.OldTTL), announced)
}

// bogusFinding is what validating resolvers make of a record whose chain of trust is broken.
func bogusFinding() mailrec.Finding {
	return mailrec.Finding{
		Class: mailrec.Differs, Impact: mailrec.Degraded, Rule: "RFC 4035 section 5.5",
		Reason: "DNSSEC validation fails: resolvers that validate answer SERVFAIL, although the zone's servers have the record",
	}
}

// follow takes what a record that others maintain says now as its baseline, once all who were
// heard agree on it.
func (j *job) follow(heard Heard, ok bool) {
	if !ok || j.subject.Record.Match != mailrec.Maintained || heard.Finding.Seen.Equal(j.state.Baseline) {
		return
	}
	for _, h := range j.evidence.Heard {
		if h.Stand == judge.Differs || h.Stand == judge.Absent || h.Stand == judge.Good && h.Finding.Meaning != heard.Finding.Meaning {
			return
		}
	}
	t := Transition{
		ID: j.state.ID, Old: j.state.Baseline, New: heard.Finding.Seen, Finding: heard.Finding,
		Decision: j.evidence.Decision, Votes: j.evidence.Votes(), Why: "changed by whoever maintains it",
	}
	t.From, t.To, t.At, t.Rebased = j.state.Position(), j.state.Position(), j.heardAt, true
	j.transitions = append(j.transitions, t)
	j.state.Baseline, j.subject.Baseline = heard.Finding.Seen, heard.Finding.Seen
}

// rememberWaiting keeps what is published instead of what was asked for, to be
// shown to whoever waits.
func (j *job) rememberWaiting() {
	h, ok := j.evidence.first(func(h Heard) bool { return h.Stand == judge.Differs || h.Stand == judge.Absent })
	if !ok {
		h, ok = j.evidence.first(func(h Heard) bool { return h.Stand == judge.Good })
	}
	if ok {
		j.state.Seen, j.state.Finding = h.Finding.Seen, h.Finding
	}
}

// rememberDeadline keeps the earliest moment at which a cache runs out of the
// good record, and the latest.
func (j *job) rememberDeadline() {
	first, last := j.evidence.Deadlines()
	if j.state.Deadline.IsZero() || !first.IsZero() && first.Before(j.state.Deadline) {
		j.state.Deadline = first
	}
	// Somebody's cache may have been filled a moment before the change.
	if oldest := j.state.Since.Add(time.Duration(j.state.OldTTL) * time.Second); !first.IsZero() && oldest.After(last) {
		last = oldest
	}
	if last.After(j.state.LastDeadline) {
		j.state.LastDeadline = last
	}
}

// tell makes the transition that history keeps of a move.
func (j *job) tell(move judge.Transition) Transition {
	t := Transition{
		ID: j.state.ID, Transition: move, Old: j.before.Baseline, New: j.state.Seen,
		Finding: j.state.Finding, Decision: j.evidence.Decision, Votes: j.evidence.Votes(), Deadline: j.state.Deadline,
	}
	switch {
	case move.Value:
		t.Old = j.before.Seen
	case move.Flap && j.state.Standing() == judge.Holding:
		t.Old, t.New = j.state.Seen, j.state.Baseline
	case move.To.Verdict == judge.Holding && move.From.Phase == judge.Verified:
		t.Old, t.New = j.before.Seen, j.state.Baseline
	case move.To.Phase == judge.Verified && move.From.Phase != judge.Verified:
		t.Old, t.New, t.Rebased = rrset.Set{}, j.state.Baseline, true
	}
	return t
}
