package monitor

import (
	"context"
	"slices"
	"time"

	"maildrift/monitor/judge"
)

// escalations are how much of the time until a mail service withdraws a verification must have passed before it is
// said again, more urgently, in percent.
var escalations = []int{50, 80, 95} //nolint:gochecknoglobals // a constant list

// due gives the levels that an open incident has reached and that were not told yet.
func (i *Incident) due(now time.Time) []Escalation {
	if i.Facts.Revokes.IsZero() || !i.Open() {
		return nil
	}
	span := i.Facts.Revokes.Sub(i.Opened)
	var out []Escalation
	for n, percent := range escalations {
		if at := i.Opened.Add(span * time.Duration(percent) / 100); n >= len(i.Escalations) && !now.Before(at) {
			out = append(out, Escalation{percent, now})
		}
	}
	return out
}

// escalate tells again, more urgently, of what nobody has mended as its time runs out. What is being mended is
// left alone.
func (e *Engine) escalate(ctx context.Context) error {
	e.mu.Lock()
	due := func(s *RecordState) []Escalation {
		if s.Incident == nil || s.Stage == judge.Recovering {
			return nil
		}
		return s.Incident.due(time.Now())
	}
	nothing := true
	for _, s := range e.states.alerting {
		nothing = nothing && len(due(s)) == 0
	}
	e.mu.Unlock()
	if nothing {
		return nil
	}
	return e.change(ctx, func(batch *Batch, _ time.Time) error {
		for _, s := range e.states.alerting {
			levels := due(s)
			if len(levels) == 0 {
				continue
			}
			next, in := *s, *s.Incident
			in.Escalations = append(slices.Clone(in.Escalations), levels...)
			next.Incident = &in
			batch.States, batch.Incidents = append(batch.States, next), append(batch.Incidents, in)
		}
		return nil
	}, nil)
}
