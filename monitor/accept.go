package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// Accept takes what the deciding sources have now as the new baseline of a
// drifted record. It returns ErrNotFound or ErrNothingToAccept.
func (e *Engine) Accept(ctx context.Context, id RecordID, by, why string) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		s := e.states.get(id)
		if s == nil {
			return fmt.Errorf("record %s: %w", id, ErrNotFound)
		}
		if s.Verdict != judge.Drifted || s.Seen.Empty() || s.Stage == judge.Recovering {
			return fmt.Errorf("record %s is %s: %w", id, s.Verdict, ErrNothingToAccept)
		}
		next := *s
		t := Transition{ID: id, Old: s.Baseline, New: s.Seen, Rebased: true, Finding: s.Finding, By: by, Why: why}
		t.From, t.At = s.Position(), now
		next.Past = s.pastOnceAccepted(e.heard.lastWords(id), now)
		next.Baseline, next.Seen, next.Finding.Changes = s.Seen, rrset.Set{}, nil
		next.Finding.Reason = ""
		if s.Seen.Equal(s.Baseline) {
			next.Affordable = false // accepted as too expensive: it is no news again
		}
		next.State = next.Settled(now)
		next.Deadline, next.LastDeadline = time.Time{}, time.Time{}
		t.To = next.Position()
		batch.Incidents = append(batch.Incidents, next.dropChange(now, "another value was accepted by "+by)...)
		batch.note(now, by, "accept", id, why, strings.Join(next.Baseline.Lines(), "\n"))
		if next.Incident != nil {
			batch.Incidents = append(batch.Incidents, closeIncident(*next.Incident, now, "accepted by "+by))
			next.Incident = nil
		}
		batch.States = append(batch.States, next)
		batch.Transitions = append(batch.Transitions, t)
		return nil
	}, nil)
}

// pastOnceAccepted gives what caches may go on to hold once what is seen is the baseline: the former one, for as long as its
// TTL was, what the record was in between, what was announced, and what was heard last, which heard are. Whoever accepts a change
// in the minutes after it was told must not be woken by the caches that have not followed yet.
func (s *RecordState) pastOnceAccepted(heard []lastWord, now time.Time) Past {
	next := Past{Until: s.Past.Until, Sources: s.Past.Sources}
	if !s.Standing().Lost() {
		next = Past{Until: now.Add(time.Duration(s.OldTTL) * time.Second)} // it flaps, and was good just now
	}
	between := slices.DeleteFunc(slices.Clone(s.Past.Wrong), func(h rrset.Hash) bool { return h == s.Meaning })
	if until := now.Add(time.Duration(s.Past.WrongTTL) * time.Second); len(between) > 0 && until.After(next.Until) {
		next.Until = until
	}
	others := []rrset.Set{s.Baseline}
	if c := s.Change; c != nil && !c.Next.Empty() {
		others = append(others, c.Next)
	}
	for _, w := range heard {
		others = append(others, w.set)
	}
	accepted := s.Expectation.Compare(s.Seen, s.Seen).Meaning
	for _, set := range others {
		// What is expected is no contradiction as long as it is expected; often that is put right next.
		if f := s.Expectation.Compare(s.Seen, set); f.Class == mailrec.Absent {
			next = next.alsoWrong(rrset.Hash{})
		} else if f.Meaning != accepted {
			next = next.alsoWrong(f.Meaning)
		}
	}
	if next = next.alsoWrong(between...); len(next.Wrong) == 0 {
		return Past{}
	}
	return next
}

// contradicting gives what a set says that contradicts a baseline; nothing if it does not.
func (s *RecordState) contradicting(baseline, set rrset.Set) []rrset.Hash {
	switch f := s.Expectation.Compare(baseline, set); f.Class {
	case mailrec.Differs:
		return []rrset.Hash{f.Meaning}
	case mailrec.Absent:
		return []rrset.Hash{{}}
	case mailrec.Same:
	}
	return nil
}
