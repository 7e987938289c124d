package replay

import (
	"cmp"
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Record is all that was recorded of one record. The rows may come in any order.
type Record struct {
	State       monitor.RecordState
	Intervals   []monitor.Interval
	Transitions []monitor.Transition
}

// Course is what a record is replayed under.
type Course struct {
	Rules        judge.Rules
	AskAuthority bool
	// Recheck is how often records that are not settled are asked between sweeps; 0 means never.
	Recheck time.Duration
	// Resolvers are those that vote: of the record's group, and known to history.
	Resolvers []*resolve.Source
	// Agenda holds the reliable sweeps of the record's schedule.
	Agenda *Agenda
	Pauses []monitor.Pause
	// Begin is from when on history is whole, End the last moment that it knows.
	Begin, End time.Time
}

// Page is an alert about a record as the rules would raise it.
type Page struct {
	ID    monitor.RecordID
	Name  monitor.AlertName
	Value string
	// Opened is when it was decided on; Closed is zero while it lasts.
	Opened time.Time
	Closed time.Time
}

// moment is a time at which something is known of a record.
type moment struct {
	at time.Time
	// asked says that the record was judged then.
	asked       bool
	intervals   []monitor.Interval
	transitions []monitor.Transition
}

// moments sorts what was recorded into moments. What was recorded before the record was begun anew is about
// another expectation: of that only the answers still stand.
func (r Record) moments(pauses []monitor.Pause, end time.Time) []moment {
	found := map[int64]*moment{}
	at := func(t time.Time) *moment {
		m, ok := found[t.UnixNano()]
		if !ok {
			m = &moment{at: t.UTC()}
			found[t.UnixNano()] = m
		}
		return m
	}
	for _, iv := range r.Intervals {
		m := at(iv.From)
		m.asked, m.intervals = true, append(m.intervals, iv)
	}
	for _, t := range r.Transitions {
		if t.At.Before(r.State.Registered) {
			continue
		}
		m := at(t.At)
		m.asked, m.transitions = m.asked || len(t.Votes) > 0, append(m.transitions, t)
	}
	for _, p := range pauses {
		if !p.Until.After(end) {
			at(p.Until).asked = true // what is wrong when a pause ends is told then
		}
	}
	out := make([]moment, 0, len(found))
	for _, m := range found {
		slices.SortFunc(m.intervals, func(a, b monitor.Interval) int {
			return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Mark, b.Mark), compareSets(a.Set, b.Set))
		})
		slices.SortFunc(m.transitions, func(a, b monitor.Transition) int { return cmp.Compare(a.Seq, b.Seq) })
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b moment) int { return a.at.Compare(b.at) })
	return out
}

func compareSets(a, b rrset.Set) int {
	x, y := a.Hash(), b.Hash()
	return slices.Compare(x[:], y[:])
}

// origin is how the record stood when the replay begins: its state, its baseline, and from when on its
// history counts.
func (r Record) origin(begin time.Time, moves []monitor.Transition) (judge.State, rrset.Set, time.Time) {
	s := judge.State{Registered: r.State.Registered, Since: r.State.Registered}
	if !r.State.Registered.Before(begin) {
		return s, rrset.Set{}, r.State.Registered
	}
	n := slices.IndexFunc(moves, func(t monitor.Transition) bool { return !t.At.Before(begin) })
	if n < 0 {
		n = len(moves)
	}
	at := r.State.Position()
	switch {
	case n > 0:
		before := moves[n-1]
		at, s.Since = before.To, before.At
		s.FromAuthority = before.Decision.Authority == judge.AuthorityWrong
	case n < len(moves):
		at = moves[n].From
	default:
		s = r.State.State
	}
	s.Phase, s.Verdict, s.Stage, s.Suspicion = at.Phase, at.Verdict, at.Stage, judge.Suspicion{}
	return s, r.baselineAt(n, moves), begin
}

// baselineAt gives the baseline before the n-th move.
func (r Record) baselineAt(n int, moves []monitor.Transition) rrset.Set {
	for _, t := range slices.Backward(moves[:n]) {
		if t.Rebased {
			return t.New
		}
	}
	for _, t := range moves[n:] {
		if t.Rebased {
			return t.Old
		}
	}
	return r.State.Baseline
}
