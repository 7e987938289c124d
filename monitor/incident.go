package monitor

import (
	"cmp"
	"context"
	"slices"
	"time"

	"maildrift/monitor/judge"
)

// AlertFor gives the alert that a state calls for; false if none.
func AlertFor(s judge.State) (AlertName, string, bool) {
	switch s.Phase {
	case judge.Pending:
		return "", "", false
	case judge.Overdue:
		return AlertOverdue, "", true
	case judge.Verified:
	}
	switch s.Verdict {
	case judge.Drifted:
		return AlertDrifted, s.Meaning.String()[:8], true
	case judge.Missing:
		return AlertMissing, "", true
	case judge.Disagreeing:
		return AlertDisagreement, "", true
	case judge.Holding, judge.Unjudged, judge.Blind:
	}
	return "", "", false
}

// incidents opens, updates or closes the job's incident as its new state asks for,
// and gives what is to be written. An incident that stays the same one is
// written again only when there is something new to tell.
func (j *job) incidents(now time.Time) []Incident {
	name, value, wanted := AlertFor(j.state.State)
	if j.subject.Domain.Shared != nil && name == AlertOverdue {
		wanted = false // nobody here asked for it to be published
	}
	open := j.state.Incident
	if j.paused(now) && wanted && (open == nil || open.Name != name || open.Value != value) {
		return nil // what is wrong when the pause ends is told then
	}
	var out []Incident
	var episode time.Time
	if open != nil && (!wanted || open.Name != name || open.Value != value) {
		why := "recovered"
		if wanted {
			why, episode = "replaced", cmp.Or(open.Episode, open.Opened)
		}
		out = append(out, closeIncident(*open, now, why))
		j.state.Incident, open = nil, nil
	}
	switch {
	case !wanted:
	case open == nil:
		j.state.Incident = &Incident{ID: j.state.ID, Name: name, Value: value, Impact: j.state.Finding.Impact, Opened: now, Episode: episode, Facts: j.facts(now)}
		out = append(out, *j.state.Incident)
	case j.newsFor(open):
		updated := *open
		updated.Facts = j.facts(now)
		// They are labels of the alert, by which it is known: an edit of the domain must not make it another.
		updated.Facts.Labels, updated.Facts.Service, updated.Facts.Cause = open.Facts.Labels, open.Facts.Service, open.Facts.Cause
		if len(j.rulings) == 0 {
			updated.Facts.Rulings = open.Facts.Rulings
		}
		if len(updated.Facts.Caches) == 0 && j.state.Stage == judge.AtAuthority {
			updated.Facts.Caches = open.Facts.Caches
		}
		updated.Facts.Revokes = open.Facts.Revokes
		if !open.Facts.Reached.IsZero() {
			updated.Facts.Reached = open.Facts.Reached
		}
		if j.explanation == nil {
			updated.Facts.Explanation = open.Facts.Explanation
		}
		j.state.Incident = &updated
		out = append(out, updated)
	}
	return out
}

// newsFor says whether an open incident has something new to tell: another
// stage, another count of operators, another deadline.
func (j *job) newsFor(open *Incident) bool {
	f := open.Facts
	if j.state.Phase == judge.Overdue {
		return !f.Is.Equal(j.state.Seen) || f.Finding.Reason != j.state.Finding.Reason
	}
	if len(j.evidence.Heard) == 0 || j.evidence.Decision.Verdict == judge.Blind {
		return false
	}
	d := j.evidence.Decision
	return f.Flips != j.state.Flapping.Flips || f.Stage != j.state.Stage || f.Decision.Wrong != d.Wrong || f.Decision.Heard != d.Heard ||
		f.Decision.Authority != d.Authority || !f.Deadline.Equal(j.state.Deadline)
}

// facts gathers what there is to tell about the record.
func (j *job) facts(now time.Time) Facts {
	r, d := j.subject.Record, j.subject.Domain
	f := Facts{
		Kind: r.Kind, Owner: r.Name, Type: r.Kind.Type(), Service: d.Service(), Purpose: r.Purpose, Labels: d.Spec.Labels,
		Was: j.state.Baseline, Is: j.state.Seen, Finding: j.state.Finding,
		Stage: j.state.Stage, Decision: j.evidence.Decision, Votes: j.evidence.Votes(),
		Deadline: j.state.Deadline, LastDeadline: j.state.LastDeadline, Publish: r.Publish, Rulings: j.rulings,
		Explanation: j.explanation, Cause: j.cause.String(),
	}
	if j.state.Stage == judge.AtAuthority {
		f.Caches = j.evidence.Caches()
	}
	if j.evidence.Decision.Wrong > 0 {
		f.Reached = now
	}
	if after := r.Withdrawn; after > 0 && j.state.Verdict.Lost() {
		f.Revokes = j.state.Since.Add(after)
	}
	f.Flips, f.FlappingSince = j.state.Flapping.Flips, j.state.Flapping.Since
	if shared := j.subject.Domain.Shared; shared != nil {
		f.Affects, f.Examples = shared.Count, shared.Examples
	}
	if j.state.Phase == judge.Overdue {
		f.Waiting = now.Sub(j.state.Registered)
	}
	if c := j.state.Change; c != nil && !c.Settling {
		f.Announced = c.told()
	}
	return f
}

func closeIncident(i Incident, now time.Time, why string) Incident {
	i.Closed, i.Why = now, why
	if now.Before(i.Opened) {
		i.Closed = i.Opened // the clock was set back
	}
	return i
}

// Tell hands all open and lately closed incidents to the notifier once. A daemon
// calls it before Run, so that the notifier has them all before it speaks.
func (e *Engine) Tell(ctx context.Context) error {
	err := e.o.Notifier.Notify(ctx, e.toTell(time.Now()))
	e.delivering.Store(err == nil)
	if e.o.Meter != nil {
		e.o.Meter.Notified(err)
	}
	return err
}

// keepTelling calls Tell at start, whenever something changed, and regularly.
func (e *Engine) keepTelling(ctx context.Context) {
	for ctx.Err() == nil {
		wait := e.currentSettings().Resend
		if wait <= 0 {
			wait = defaultResend
		}
		if err := e.Tell(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("notifier does not take incidents", "err", err)
			wait = min(wait, 5*time.Second)
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-e.tell:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// toTell gives the incidents that are open, and those that ended lately.
func (e *Engine) toTell(now time.Time) []Incident {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i := range e.closed {
		if c := &e.closed[i]; c.Closed.After(now) { // the clock was ahead when it ended
			c.Closed = now
			if c.Opened.After(now) {
				c.Opened = now
			}
		}
	}
	e.closed = slices.DeleteFunc(e.closed, func(i Incident) bool { return now.Sub(i.Closed) > closedFor })
	return append(slices.Clone(e.closed), e.openIncidents()...)
}
