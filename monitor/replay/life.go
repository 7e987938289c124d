package replay

import (
	"slices"
	"time"

	"maildrift/monitor"
	"maildrift/monitor/judge"
)

const (
	// maxLooks bounds how often one moment is looked at, as a sweep bounds its rounds.
	maxLooks = 6
	// sameRound is how near a recorded round may be to a wanted confirmation to be taken for it: asking takes
	// its time.
	sameRound = 10 * time.Second
)

// Run gives the alerts that a record's history would have raised, in the order of their opening.
func Run(c Course, r Record) []Page {
	moments := r.moments(c.Pauses, c.End)
	var moves []monitor.Transition
	for _, m := range moments {
		moves = append(moves, m.transitions...)
	}
	l := &life{course: c, id: r.State.ID, voices: newVoices(r.State.Expectation)}
	state, baseline, from := r.origin(c.Begin, moves)
	l.state, l.now = state, from
	l.voices.against(baseline, state.Phase == judge.Verified)
	n := 0
	for ; n < len(moments) && moments[n].at.Before(from); n++ {
		l.hear(moments[n])
	}
	l.settle()
	l.next = nextAsked(moments[n:])
	for ; n < len(moments); n++ {
		l.until(moments[n].at, moments[n].asked)
		l.next = nextAsked(moments[n+1:])
		l.live(moments[n])
	}
	l.until(c.End, false)
	return l.pages
}

// nextAsked gives the first moment at which the record was judged; zero if there is none.
func nextAsked(moments []moment) time.Time {
	for _, m := range moments {
		if m.asked {
			return m.at
		}
	}
	return time.Time{}
}

// life is one record on its way through its history.
type life struct {
	course Course
	id     monitor.RecordID
	state  judge.State
	voices *voices
	// now is the last moment that was looked at; again is when a confirmation is wanted after it.
	now   time.Time
	again judge.Again
	// next is the next moment at which the record was judged; zero if there is none.
	next  time.Time
	pages []Page
	// open says that the last page lasts.
	open bool
	// sweep is the next of the course's sweeps to look at.
	sweep int
}

func (l *life) hear(m moment) {
	for _, iv := range m.intervals {
		l.voices.answers[iv.Source] = iv
	}
}

// settle completes the state that the replay begins with: what a drifted record said is not in its position, but
// in the answers.
func (l *life) settle() {
	if l.state.Verdict == judge.Drifted {
		if d, _ := l.voices.decide(l.course); d.Verdict == judge.Drifted {
			l.state.Meaning = d.Meaning
		}
	}
	l.tell(l.now)
}

// live takes the record through one recorded moment.
func (l *life) live(m moment) {
	l.hear(m)
	if m.asked {
		l.look(m.at)
	}
	l.now = m.at
	for _, t := range m.transitions {
		l.follow(t)
	}
	l.tell(m.at)
}

// look judges what stands, and again at once where that is what judging wants.
func (l *life) look(now time.Time) {
	for range maxLooks {
		d, ref := l.voices.decide(l.course)
		before := l.state
		l.state, _, l.again = judge.Step(l.state, d, now, l.course.Rules)
		if before.Phase != judge.Verified && l.state.Phase == judge.Verified {
			l.voices.against(l.voices.good(ref, l.course), true)
		}
		l.tell(now)
		if !l.again.Wanted || l.again.At.After(now) || l.state == before {
			break
		}
		if l.state.Suspicion.Sightings == 1 && !l.next.IsZero() && l.next.Sub(now) <= sameRound {
			break // what was heard when it was asked again at once is on record
		}
	}
	l.now = now
}

// follow takes what people and the record's owners did with its baseline.
func (l *life) follow(t monitor.Transition) {
	if !t.Rebased || l.state.Phase != judge.Verified {
		return
	}
	l.voices.against(t.New, true)
	if t.From.Verdict.Lost() && t.To.Verdict == judge.Holding { // a person accepted what was there
		l.state, l.again = l.state.Settled(t.At), judge.Again{}
	}
}

// until lets time pass to the next recorded moment: only a record that waits for something changes by time.
func (l *life) until(next time.Time, asked bool) {
	for l.waiting() {
		at := l.nextLook(next, asked)
		if at.IsZero() {
			return
		}
		l.again = judge.Again{}
		l.look(at)
	}
}

func (l *life) waiting() bool {
	return l.state.Phase == judge.Pending || l.state.Suspicion.Sightings > 0 || !l.state.Flapping.Calm.IsZero()
}

// nextLook gives the next moment before the next recorded one at which the record was asked, or would have been;
// zero if there is none.
func (l *life) nextLook(next time.Time, asked bool) time.Time {
	near := min(sameRound, l.course.Rules.ConfirmWait/2)
	var first time.Time
	take := func(at time.Time) {
		if at.After(l.now) && at.Before(next) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	if l.again.Wanted && (!asked || next.Sub(l.again.At) > near) {
		take(l.again.At)
	}
	take(l.nextSweep(next))
	take(l.nextRecheck(next))
	return first
}

// nextSweep gives the beginning of the next sweep in which the record was asked without any news.
func (l *life) nextSweep(next time.Time) time.Time {
	sweeps := l.course.Agenda.sweeps
	for l.sweep < len(sweeps) && (!sweeps[l.sweep].start.After(l.now) || sweeps[l.sweep].start.Before(l.due())) {
		l.sweep++
	}
	if l.sweep == len(sweeps) || !next.After(sweeps[l.sweep].end) {
		return time.Time{}
	}
	return sweeps[l.sweep].start
}

// nextRecheck gives the next recheck, reckoned backwards from the next recorded moment. Rechecks leave no trace
// unless they find something, and the last one before something was found found nothing: so none of these can
// come later than the real one of its turn, nor change what the real one did not.
func (l *life) nextRecheck(next time.Time) time.Time {
	every := l.course.Recheck
	if every <= 0 {
		return time.Time{}
	}
	due := l.due()
	if due.Before(l.now) {
		due = l.now
	}
	if !next.After(due) {
		return time.Time{}
	}
	next = next.Add(-min(sameRound, every/4)) // asking does not always take the same time
	turns := (next.Sub(due) - 1) / every
	at := next.Add(-turns * every)
	if turns <= 0 || !l.course.Agenda.up(at) {
		return time.Time{}
	}
	return at
}

// due is the earliest time at which a look that hears nothing new can change something.
func (l *life) due() time.Time {
	if l.state.Suspicion.Sightings > 0 || l.state.Flapping.On() {
		return l.now
	}
	return l.state.Registered.Add(l.course.Rules.OverdueAfter)
}

// tell opens and closes pages as the state asks for.
func (l *life) tell(now time.Time) {
	name, value, wanted := monitor.AlertFor(l.state)
	if l.id.Key == monitor.SharedKey && name == monitor.AlertOverdue {
		wanted = false // nobody here asked for it to be published
	}
	last := len(l.pages) - 1
	same := l.open && l.pages[last].Name == name && l.pages[last].Value == value
	if wanted == l.open && (same || !wanted) || wanted && !same && l.paused(now) {
		return
	}
	if l.open {
		l.pages[last].Closed, l.open = now, false
	}
	if wanted {
		l.pages, l.open = append(l.pages, Page{ID: l.id, Name: name, Value: value, Opened: now}), true
	}
}

func (l *life) paused(now time.Time) bool {
	return slices.ContainsFunc(l.course.Pauses, func(p monitor.Pause) bool {
		return (p.Record == "" || p.Record == l.id.Key) && !now.Before(p.Since) && now.Before(p.Until)
	})
}
