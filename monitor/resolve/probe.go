package resolve

import (
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// barrenAfter is how many questions in a row a resolver may leave unanswered, although it lives, before it is found out whether it
	// answers anything that it is asked; barrenSamples is with how many that is.
	barrenAfter, barrenSamples = 2 * downAfter, 8
	// fruitfulFor is for how long a resolver that has answered something of many is asked whatever is to be confirmed.
	fruitfulFor = 10 * time.Minute
)

// probe is one time that it is found out whether a source lives. It may be used concurrently.
type probe struct {
	questions []Question
	// found is 0 until that is known, then one more than the life.
	found atomic.Int32
}

// end takes in what was found out.
func (p *probe) end(found life) { p.found.Store(int32(found) + 1) }

// over gives what was found out; false while it is not known.
func (p *probe) over() (life, bool) {
	n := p.found.Load()
	return life(max(0, n-1)), n > 0
}

// tryWith finds out whether a source answers other questions than those that it was silent about. It does not
// wait for that. The breaker is told of answers only: what others found out stands.
func (c *Client) tryWith(l *lane, samples []Question) *probe {
	p := &probe{questions: samples}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		p.end(unsure)
		return p
	}
	c.soundings.Go(func() {
		found := c.findOut(l, samples)
		if found >= refusing {
			l.alive()
		}
		p.end(found)
	})
	return p
}

// permit says what to do with questions of the batch. A zone's server that is left alone may be silent about one of its zones only:
// before questions are withheld from it, it is tried with some of them. That is once for a batch whose server is silent throughout.
// The caller holds mu.
func (a *asking) permit(now time.Time) permit {
	l := a.lane
	if l.source.Role == Recursive {
		if p := a.client.permit(l, now, a.own); p != granted {
			return p
		}
		return a.fruitful()
	}
	if a.probe != nil {
		switch found, over := a.probe.over(); {
		case !over:
			return awaiting
		case found < refusing && l.breaker.open():
			return denied
		}
		a.probe = nil
	}
	switch p := l.breaker.ask(now, a.client.patience(l)); p {
	case sounding:
		a.probe = a.client.soundOut(l, l.samples(a.own))
	case denied:
		a.probe = a.client.tryWith(l, l.samples(a.own))
	case granted, awaiting:
		return p
	}
	return awaiting
}

// fruitful is permit for a resolver that lives. One that is cut off may answer what it has had for long, such as the root's servers, and
// nothing else: each question would be waited for as long as any can be, and the sweep with them. So once nothing was answered for a
// while it is tried with some of the batch's questions, drawn by lot, and if it answers none of them the rest is withheld. Where
// it is zones that are dead, there are others beside them; any answer ends it. The caller holds mu.
func (a *asking) fruitful() permit {
	l := a.lane
	if l.barren.Load() < barrenAfter {
		return granted
	}
	if a.probe == nil {
		a.probe = a.client.tryWith(l, drawn(a.own))
		return awaiting
	}
	switch found, over := a.probe.over(); {
	case !over:
		return awaiting
	case found == mute:
		return denied
	}
	a.probe = nil
	l.barren.Store(0)
	return granted
}

// drawn gives some of the questions of a batch.
func drawn(batch []Query) []Question {
	var out []Question
	for _, i := range rand.Perm(len(batch))[:min(barrenSamples, len(batch))] {
		out = append(out, batch[i].Question)
	}
	return out
}

// allowed is permit for who does not hold mu.
func (a *asking) allowed(now time.Time) permit {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.permit(now)
}

// allowance gives what says whether a question may go out that is asked with care. What is to be confirmed is not withheld from a resolver that
// has answered lately: when many zones are dead nearly all that is asked again is theirs, and what else was lost must be confirmed too.
func (a *asking) allowance(q *Query) func(time.Time) permit {
	if !q.Fresh || a.source.Role != Recursive || time.Since(time.Unix(0, a.lane.fruit.Load())) > fruitfulFor {
		return a.allowed
	}
	return func(now time.Time) permit { return a.client.permit(a.lane, now, a.own) }
}

// hopeless says whether what got no answer is not asked again, since the source is dead.
func (a *asking) hopeless() bool {
	if !a.lane.breaker.open() || a.source.Role == Recursive {
		return a.lane.breaker.open()
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.probe == nil {
		return false
	}
	found, over := a.probe.over()
	return over && found < refusing
}

// tried puts right what becomes of a question that is withheld: if the source was tried with it, it went out.
func (a *asking) tried(o *Observation) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.probe == nil || !slices.Contains(a.probe.questions, o.Question) {
		return
	}
	if found, _ := a.probe.over(); found == mute {
		o.Withheld, o.Outcome, o.Detail, o.Tries = false, Timeout, "", a.source.signs()
	}
}

// signs is how often a source is asked a question to find out whether it lives.
func (s *Source) signs() int {
	if s.Transport == UDP {
		return 2
	}
	return 1
}
