package monitor

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// finish commits what a sweep found, brings memory to it, and has it told.
func (e *Engine) finish(ctx context.Context, sw *sweep) error {
	sw.summary.Duration = time.Since(sw.summary.Started)
	sw.summary.Questions, sw.summary.Shared, sw.summary.Spared, sw.summary.Failures = sw.count.Sent, sw.count.Shared, sw.count.Spared, sw.count.Failed
	sw.summary.Withheld = sw.count.Withheld
	e.commits.Lock()
	batch := e.batch(sw)
	if !batch.empty() {
		if err := e.commitLocked(ctx, &batch); err != nil {
			e.commits.Unlock()
			e.swept(sw)
			return fmt.Errorf("keep what the sweep found: %w", err)
		}
	}
	e.mu.Lock()
	e.applyBatch(batch)
	e.see(sw, batch.States)
	if sw.concludes() {
		e.gotSweep(sw.summary)
	}
	schedules := e.schedulesOf(batch.Transitions)
	e.mu.Unlock()
	e.commits.Unlock()
	if batch.restsOnOthers() {
		e.wake(e.reshare)
	}

	e.swept(sw)
	if e.o.Meter != nil {
		for _, schedule := range schedules {
			e.o.Meter.Transitioned(schedule)
		}
	}
	sw.moves = movesOf(batch.Transitions)
	e.logMoves(sw, batch.Transitions)
	if sw.summary.Distrusted != "" {
		e.log.Warn("sweep not trusted", "of", cmp.Or(sw.summary.Group, "single domains"), "why", sw.summary.Distrusted)
	}
	for c, why := range sw.found {
		e.log.Info("cause found", "cause", c, "detail", why.Detail)
	}
	if len(batch.Incidents) > 0 {
		e.wake(e.tell)
	}
	if sw.concludes() && e.o.Heart != nil && e.delivering.Load() {
		if err := e.o.Heart.Beat(ctx); err != nil {
			e.log.Warn("heartbeat failed", "err", err)
		}
	}
	return nil
}

// concludes says whether this is the end of a sweep of a whole group that can be relied on.
func (sw *sweep) concludes() bool {
	return sw.summary.Group != "" && !sw.stage && sw.summary.Good() && sw.unseen == ""
}

func (e *Engine) swept(sw *sweep) {
	if e.o.Meter != nil && sw.summary.Group != "" && !sw.stage {
		e.o.Meter.Swept(sw.summary)
	}
}

// schedulesOf gives the schedule group of each transition's domain. The caller holds mu.
func (e *Engine) schedulesOf(transitions []Transition) []string {
	out := make([]string, len(transitions))
	for i, t := range transitions {
		out[i] = DefaultSchedule
		if d := cmp.Or(e.domains[t.ID.Domain], e.shared[t.ID.Domain]); d != nil {
			out[i] = d.Schedule()
		}
	}
	return out
}

func position(p judge.Position) string {
	if p.Phase != judge.Verified {
		return p.Phase.String()
	}
	return p.Verdict.String() + "/" + p.Stage.String()
}

// batch collects what a sweep changes. A sweep that cannot be relied on changes
// nothing about records.
func (e *Engine) batch(sw *sweep) Batch {
	var b Batch
	if sw.summary.Good() {
		e.weigh(sw)
		for _, j := range sw.jobs {
			e.batchJob(j, &b)
		}
	}
	sw.summary.Transitions += len(b.Transitions)
	if sw.summary.Group != "" && !sw.stage {
		b.Sweep = &sw.summary
	}
	if !sw.stage || !sw.summary.Good() {
		e.batchSelf(sw, &b)
	}
	if sw.summary.Good() {
		e.batchCauses(sw, &b, time.Now())
	}
	return b
}

// weigh says of what turned bad in a sweep what it does to the domains' mail, all that the
// sweep saw of them taken together.
func (e *Engine) weigh(sw *sweep) {
	e.mu.Lock()
	defer e.mu.Unlock()
	swept := map[RecordID]*RecordState{}
	for _, j := range sw.jobs {
		swept[j.state.ID] = &j.state
	}
	look := states(func(id RecordID) *RecordState {
		if s, ok := swept[id]; ok {
			return s
		}
		return e.states.get(id)
	})
	for _, j := range sw.jobs {
		// Each time anew: what was remembered of the answer is judged from the record alone.
		if j.state.Verdict == judge.Holding || j.state.Phase != judge.Verified || j.evidence.Decision.Verdict == judge.Blind {
			continue
		}
		if node := j.subject.Domain; node.Shared != nil {
			j.state.Finding.Impact, j.rulings = look.sharedImpact(node, e.domains, &j.state)
		} else {
			j.state.Finding.Impact = look.impactOf(node, j.state.ID.Key, j.state.Finding.Impact)
			j.rulings = look.outlook(node).Worse()
		}
		for i := range j.transitions {
			j.transitions[i].Finding.Impact = j.state.Finding.Impact
		}
	}
}

func (b Batch) empty() bool {
	return len(b.States) == 0 && len(b.Removed) == 0 && len(b.Transitions) == 0 && len(b.Intervals) == 0 &&
		len(b.Incidents) == 0 && b.Sweep == nil && len(b.Domains) == 0 && len(b.Gone) == 0 && len(b.Upkeep) == 0 && len(b.UpkeepGone) == 0 && b.Self == nil && len(b.Audit) == 0
}

// batchJob adds what one record's job changes: its state if that is different,
// its transitions, new answers, and its incident.
func (e *Engine) batchJob(j *job, b *Batch) {
	e.mu.Lock()
	current := e.states.is(j.before)
	e.mu.Unlock()
	if !current {
		return // replaced while we asked: accepted, removed, or registered anew
	}
	b.Transitions = append(b.Transitions, j.transitions...)
	b.Intervals = append(b.Intervals, e.newIntervals(j)...)
	b.Incidents = append(b.Incidents, j.incidents(time.Now())...)
	if j.state.differs(j.before) {
		b.States = append(b.States, j.state)
	}
}

// differs says whether the state is worth writing. What was merely heard again,
// such as a TTL that went down, is not.
func (s *RecordState) differs(o *RecordState) bool {
	return s.State != o.State || s.Name != o.Name || !s.Baseline.Equal(o.Baseline) || !s.Seen.Equal(o.Seen) ||
		s.Finding.Reason != o.Finding.Reason || s.Affordable != o.Affordable || s.Inherited != o.Inherited || s.OldTTL != o.OldTTL && o.OldTTL == 0 ||
		!s.Deadline.Equal(o.Deadline) || s.Incident != o.Incident || s.Change != o.Change || !s.Past.Equal(o.Past) ||
		s.Zone != o.Zone || !slices.Equal(s.Servers, o.Servers)
}

// see takes what was heard into the live view; states are what has changed. The caller holds mu.
func (e *Engine) see(sw *sweep, states []RecordState) {
	fresh := map[rrset.Name]bool{}
	for i := range states {
		fresh[states[i].ID.Domain] = true
	}
	for _, j := range sw.jobs {
		if len(j.evidence.Heard) > 0 && e.states.has(j.state.ID) {
			if e.heard.hear(j.state.ID, j.subject, j.evidence.Heard, j.evidence.authority) {
				fresh[j.state.ID.Domain] = true
			}
		}
	}
	e.gather(sw.names, sw.summary.Group != "", fresh)
	e.touch()
}

// batchSelf adds what a sweep says about the monitor itself. Only sweeps of
// whole groups do; one check of one domain proves nothing.
func (e *Engine) batchSelf(sw *sweep, b *Batch) {
	group := sw.summary.Group
	if group == "" {
		return
	}
	e.mu.Lock()
	self := e.self
	_, exists := e.settings.Groups[group]
	e.mu.Unlock()
	if !exists {
		return // a reload took the group away while it was swept
	}
	now := time.Now()
	if reason := cmp.Or(sw.summary.Distrusted, sw.unseen); reason == "" {
		self = self.without(group)
		self.LastGoodSweep = now
		var incidents []Incident
		self, incidents = self.hearing(sw.dissent(len(self.Dissenters) > 0), sw.settings, now)
		b.Incidents = append(b.Incidents, incidents...)
	} else {
		self = self.with(group, reason, sw.gated, now)
	}
	b.setSelf(self, now)
}

// setSelf takes the monitor's own state into the batch, and opens or closes its
// incident as that asks for.
func (b *Batch) setSelf(self SelfState, now time.Time) {
	switch {
	case len(self.BlindGroups) > 0 && self.Blind == nil:
		reason := self.BlindGroups[sortedKeys(self.BlindGroups)[0]]
		self.Blind = &Incident{Name: AlertBlind, Opened: now, Facts: Facts{Reason: reason}}
		b.Incidents = append(b.Incidents, *self.Blind)
	case len(self.BlindGroups) > 0:
		if reason := self.BlindGroups[sortedKeys(self.BlindGroups)[0]]; reason != self.Blind.Facts.Reason {
			updated := *self.Blind
			updated.Facts.Reason = reason
			self.Blind = &updated
			b.Incidents = append(b.Incidents, updated)
		}
	case self.Blind != nil:
		b.Incidents = append(b.Incidents, closeIncident(*self.Blind, now, "recovered"))
		self.Blind = nil
	}
	b.Self = &self
}

// gateOpens says whether what the gate holds back from a group has lasted so long
// that it must be believed. A check of single domains goes by the group that has
// waited longest.
func (e *Engine) gateOpens(group string, hold time.Duration) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	since := e.self.GateSince
	if group != "" {
		since = e.self.Gates[group]
	}
	return !since.IsZero() && time.Since(since) >= hold
}

// verifiedRecords counts the verified records of the whole registry.
func (e *Engine) verifiedRecords() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	n := 0
	for verdict := range judge.Blind + 1 {
		n += e.states.counts.Records[judge.Verified][verdict] + e.states.counts.Shared[judge.Verified][verdict]
	}
	return n
}
