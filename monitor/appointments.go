package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"maildrift/monitor/rrset"
)

// appointmentTick is how often it is looked what has come due by the clock alone: windows, pauses, escalations.
const appointmentTick = 15 * time.Second

// keepAppointments does what is due at a time rather than at a sweep, until ctx ends.
func (e *Engine) keepAppointments(ctx context.Context) {
	tick := time.NewTicker(appointmentTick)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		e.endPauses(ctx)
		e.endWindows(ctx)
		if err := e.escalate(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("escalation could not be kept", "err", err)
		}
	}
}

// lookAgain sweeps a domain in the background of something that a person did.
func (e *Engine) lookAgain(ctx context.Context, name rrset.Name) {
	if err := e.CheckNow(ctx, name); err != nil && ctx.Err() == nil {
		e.log.Error("domain could not be looked at", "domain", name, "err", err)
	}
}

// errNotSeen is that a look could not be relied on, and has shown nothing.
var errNotSeen = errors.New("not seen: the look cannot be relied on")

// lookAtAll sweeps several domains in one go; those that have left the registry are passed over. It returns errNotSeen if
// that is no ground to decide on.
func (e *Engine) lookAtAll(ctx context.Context, names []rrset.Name) error {
	e.mu.Lock()
	var domains []*Domain
	for _, name := range names {
		if d, ok := e.domains[name]; ok {
			domains = append(domains, d)
		}
	}
	e.mu.Unlock()
	if len(domains) == 0 {
		return nil
	}
	distrusted, err := e.sweepThrough(ctx, "", domains, all)
	if err == nil && distrusted != "" {
		return fmt.Errorf("%w: %s", errNotSeen, distrusted)
	}
	return err
}

// endPauses ends the pauses whose time is over, and looks at what they kept quiet.
func (e *Engine) endPauses(ctx context.Context) {
	over := func(p Pause, now time.Time) bool { return !now.Before(p.Until) }
	e.mu.Lock()
	var due []rrset.Name
	for name, had := range e.stored {
		if slices.ContainsFunc(had.Pauses, func(p Pause) bool { return over(p, time.Now()) }) {
			due = append(due, name)
		}
	}
	e.mu.Unlock()
	slices.Sort(due)
	for _, name := range due {
		err := e.amend(ctx, name, func(_ *Domain, had *StoredDomain, batch *Batch, now time.Time) error {
			had.Pauses = slices.DeleteFunc(slices.Clone(had.Pauses), func(p Pause) bool {
				if over(p, now) {
					batch.note(now, p.By, "resume", RecordID{name, p.Record}, "the pause is over", "")
				}
				return over(p, now)
			})
			e.resumed[name] = true
			return nil
		})
		if err != nil {
			e.log.Error("pause could not be ended", "domain", name, "err", err)
		}
	}
	if err := e.lookAtAll(ctx, due); err != nil && ctx.Err() == nil && !errors.Is(err, errNotSeen) {
		e.log.Error("domains could not be looked at after their pause", "err", err)
	}
}

// windowOver says whether something has to be decided about a record's announced change. In a pause nobody is to be told that it
// was not made. The caller holds mu.
func (e *Engine) windowOver(id RecordID, now time.Time) bool {
	s := e.states.get(id)
	if s == nil || s.Change == nil || now.Before(s.Change.Until) || !s.BlindSince.IsZero() {
		return false
	}
	c := s.Change
	if d := e.domains[id.Domain]; !c.Late && (d == nil || d.paused(id.Key, now) == nil) {
		return true
	}
	return c.Made || c.Settling || c.Successor != "" && e.isVerified(RecordID{id.Domain, c.Successor})
}

// endWindows decides on the announced changes whose windows are over. It looks before it decides: what was made
// in the last minute was made.
func (e *Engine) endWindows(ctx context.Context) {
	e.mu.Lock()
	due := map[string][]rrset.Name{} // by schedule group: the resolvers of one may be dead, and others need not wait for that
	for s := range e.states.eventful() {
		if d := e.domains[s.ID.Domain]; d != nil && e.windowOver(s.ID, time.Now()) {
			due[d.Schedule()] = append(due[d.Schedule()], d.Name)
		}
	}
	e.mu.Unlock()
	for _, group := range sortedKeys(due) {
		names := slices.Compact(slices.Sorted(slices.Values(due[group])))
		if err := e.lookAtAll(ctx, names); err != nil {
			continue // it is tried again; nothing is decided on old knowledge
		}
		e.decideWindows(ctx, names)
	}
}

// decideWindows decides on the windows of some domains that are over.
func (e *Engine) decideWindows(ctx context.Context, names []rrset.Name) {
	for _, name := range names {
		err := e.amend(ctx, name, func(d *Domain, had *StoredDomain, batch *Batch, now time.Time) error {
			for _, r := range d.Records {
				e.decideWindow(d, r, had, batch, now)
			}
			return nil
		})
		if err != nil {
			e.log.Error("end of an announced change could not be kept", "domain", name, "err", err)
		}
	}
}

// decideWindow decides on one record's window if it is over. The caller holds mu.
func (e *Engine) decideWindow(d *Domain, r Record, had *StoredDomain, batch *Batch, now time.Time) {
	id := RecordID{d.Name, r.Key}
	if !e.windowOver(id, now) {
		return
	}
	s := e.states.get(id)
	c := s.Change
	gone := c.Next.Empty() && !c.Settling
	if gone && (c.Successor == "" && c.Made || c.Successor != "" && e.isVerified(RecordID{d.Name, c.Successor})) {
		e.retire(id, had, batch, now)
		return
	}
	next := *s
	next.endWindow(d, r, e.heard.lastWords(id), batch, now)
	if next.Change != s.Change {
		batch.States = append(batch.States, next)
	}
}
