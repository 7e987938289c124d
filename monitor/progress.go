package monitor

import (
	"time"

	"maildrift/monitor/rrset"
)

// Progress is how far the sweep of a schedule group has come that runs.
type Progress struct {
	// Started is when it began.
	Started time.Time
	// Domains are the registered ones that it asks about, Done those whose stage is over: what was found about them is told.
	Domains, Done int
	// Stages are what it goes in, Over those that are over, Waiting those that wait to ask again about what seems to have changed.
	Stages, Over, Waiting int
	// Unsure are those that wait whether more resolvers answer the canary questions, since too few did.
	Unsure int
	// Takes is how long it takes by the estimate, what is asked again apart; 0 if nobody is asked, or the estimate is not made yet.
	Takes time.Duration
}

// Left is how much of it is left by the estimate; 0 if that is over.
func (p Progress) Left(now time.Time) time.Duration {
	return max(p.Takes-now.Sub(p.Started), 0)
}

// sweepsNow says whether a sweep of a group runs. The caller holds mu.
func (e *Engine) sweepsNow(group string) bool {
	_, runs := e.sweeping[group]
	return runs
}

// onward takes in how far the sweep of a group has come, a few times a stage; that of single domains is not followed.
func (e *Engine) onward(group string, change func(p *Progress)) {
	if group == "" {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if p, runs := e.sweeping[group]; runs {
		change(&p)
		e.sweeping[group] = p
		e.touch()
	}
}

// registeredOf counts the names that are registered domains: the records of others that these rest on are asked about in the same
// sweep, and are none. The caller holds mu.
func (e *Engine) registeredOf(names []rrset.Name) int {
	n := 0
	for _, name := range names {
		if _, registered := e.domains[name]; registered {
			n++
		}
	}
	return n
}

// estimated takes in what a sweep comes to, once that is known.
func (w *whole) estimated(takes time.Duration, stages [][]rrset.Name) {
	// The last stage begins when the spread is nearly over, and asks its share.
	takes = max(takes, w.spread+takes/time.Duration(len(stages)))
	w.engine.onward(w.group, func(p *Progress) {
		p.Takes, p.Stages, p.Domains = takes, len(stages), 0
		for _, stage := range stages {
			p.Domains += w.engine.registeredOf(stage)
		}
	})
}

// stageOver takes in that a stage is over.
func (w *whole) stageOver(names []rrset.Name) {
	w.engine.onward(w.group, func(p *Progress) {
		p.Over++
		p.Done = min(p.Done+w.engine.registeredOf(names), p.Domains) // a reload may have changed what is registered
	})
}

// unsure takes in that a stage waits whether canaries pass after all, or that it does not any more.
func (sw *sweep) unsure(waits bool) {
	sw.engine.onward(sw.summary.Group, func(p *Progress) {
		if p.Unsure--; waits {
			p.Unsure += 2
		}
	})
}

// recallSweeps takes in how the last sweeps of the configured groups went.
func (e *Engine) recallSweeps(last func(groups []string) ([]SweepSummary, error), groups map[string]Group) error {
	if last == nil {
		return nil
	}
	kept, err := last(sortedKeys(groups))
	if err != nil {
		return err
	}
	for _, s := range kept {
		e.sweeps[s.Group] = s
	}
	return nil
}
