package monitor

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// compared is how many records are asked of each lot that a stage is compared with: enough to tell a few in a hundred from the gate's
// share, and asked within seconds at any rate.
const compared = 100

// comparedLeast is how many of a lot say something about it.
const comparedLeast = 10

// guard has the gate hold the sweep's transitions back if too much turned bad at once. A stage is a small part of its sweep, and of one
// that is over the share the sweep as a whole may be far below it: 100 domains of one customer are no fault of ours. So others are asked
// before it is held. It returns an error if ctx ended meanwhile.
func (sw *sweep) guard(ctx context.Context, turned, of int) error {
	gate := sw.settings.Gate
	if sw.summary.Distrusted != "" || !gate.Closed(turned, of) || sw.engine.gateOpens(sw.summary.Group, gate.Hold) {
		return nil
	}
	also := ""
	if sw.stage && sw.summary.Group != "" {
		var alone bool
		if alone, also = sw.alone(ctx, float64(turned)/float64(of)); ctx.Err() != nil {
			return fmt.Errorf("sweep given up: %w", ctx.Err())
		}
		if alone {
			sw.engine.log.Warn("many records turned bad at once that are neighbours, and others did not: it is believed", "group", sw.summary.Group, "turned", turned, "of", of)
			return nil
		}
		sw.beside.holdBack()
	}
	sw.gated = true
	sw.summary.Distrusted = fmt.Sprintf("%d of %d records turned bad at once%s, which is more likely our fault than theirs; held back until it lasts for %s",
		turned, of, also, gate.Hold)
	return nil
}

// alone says whether it is this stage alone in which such a share of the records turned bad, and if not, why in half a sentence. What
// turned is asked once more, together with records of other stages that were well when they were asked last: from the two beside it in
// the tree, where a cause would be that is theirs together, and from all over the sweep. Only if at this one time the first are still bad
// and the others well, it is neither our network nor anything large that we do not understand.
func (sw *sweep) alone(ctx context.Context, share float64) (alone bool, why string) {
	beside, everywhere, part := sw.beside.others(sw.names)
	if beside == nil {
		return false, ""
	}
	lots := [...][]Subject{sw.turned(), sw.engine.wellOf(beside, sw.settings), sw.engine.wellOf(everywhere, sw.settings)}
	inquiry := *sw.inquiry
	inquiry.Pace.Policy, inquiry.passed = 0, nil // everybody is asked, and nothing is taken in
	evidence, count := inquiry.Round(ctx, slices.Concat(lots[0], lots[1], lots[2]), sw.disqualified(), false)
	sw.count.add(count)
	if ctx.Err() != nil {
		return false, ""
	}
	var shares [len(lots)]float64
	for i, lot := range lots {
		shares[i], evidence = badOf(evidence[:len(lot)]), evidence[len(lot):]
	}
	most := sw.settings.Gate.Share
	switch {
	case shares[0] <= 0.5:
		return false, ", and were mostly well a moment later"
	case len(lots[2]) < comparedLeast:
		return false, ", and there are too few others that were well before"
	case len(lots[1]) >= comparedLeast && shares[1] > most:
		return false, fmt.Sprintf(", and so did %.0f %% of those beside them", 100*shares[1])
	case part*share+(1-part)*shares[2] > most:
		return false, fmt.Sprintf(", and so did %.0f %% of all others", 100*shares[2])
	}
	return true, ""
}

// turned gives records that turned bad, as they were before.
func (sw *sweep) turned() []Subject {
	var out []Subject
	for _, j := range sw.jobs {
		if j.turned {
			s := j.subject.as(j.before)
			s.settled, s.voices, s.zone = false, nil, ""
			out = append(out, s)
		}
	}
	return spaced(out)
}

// wellOf gives one record of each of the domains, among those that were well when they were asked last. Others may be asking about them
// at the same time: nothing is taken from what is remembered of their answers.
func (e *Engine) wellOf(names []rrset.Name, settings *Settings) []Subject {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []Subject
	for _, name := range spaced(names) {
		d := e.domains[name]
		if d == nil {
			d = e.shared[name]
		}
		if d == nil || len(d.Records) == 0 {
			continue
		}
		first := rand.IntN(len(d.Records))
		for i := range d.Records {
			r := d.Records[(first+i)%len(d.Records)]
			if s := e.states.get(RecordID{name, r.Key}); s != nil && !needsAttention(s) {
				subject := Subject{Domain: d, Record: r, Resolvers: settings.Groups[d.Schedule()].Resolvers, Announced: e.inForce(d, s)}
				out = append(out, subject.as(s))
				break
			}
		}
	}
	return out
}

// spaced gives as many as are compared, from all over a list.
func spaced[T any](list []T) []T {
	if len(list) <= compared {
		return list
	}
	out := make([]T, compared)
	for i := range out {
		from, to := i*len(list)/compared, (i+1)*len(list)/compared
		out[i] = list[from+rand.IntN(to-from)]
	}
	return out
}

// badOf gives the share of records that are not well, of those that can be judged; all of them if most cannot.
func badOf(evidence []Evidence) float64 {
	bad, judged := 0, 0
	for i := range evidence {
		switch evidence[i].Decision.Verdict {
		case judge.Blind, judge.Unjudged:
		case judge.Holding:
			judged++
		case judge.Disagreeing, judge.Drifted, judge.Missing:
			judged++
			bad++
		}
	}
	if 2*judged <= len(evidence) {
		return 1
	}
	return float64(bad) / float64(judged)
}

// others gives the domains of the stages on both sides of one, those of all others, and what part of all domains it has. They are nil if
// there are none, or if another stage was held back before: the sweep is not relied on anyway, and a network that lies is not
// to be asked twice as much.
func (b *beside) others(stage []rrset.Name) (near, all []rrset.Name, part float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.held || len(stage) == 0 {
		return nil, nil, 1
	}
	at := slices.IndexFunc(b.stages, func(s []rrset.Name) bool { return len(s) > 0 && s[0] == stage[0] })
	for i, s := range b.stages {
		if i == at {
			continue
		}
		all = append(all, s...)
		if i == at-1 || i == at+1 {
			near = append(near, s...)
		}
	}
	return near, all, float64(len(stage)) / float64(len(stage)+len(all))
}

// holdBack takes in that a stage is held back.
func (b *beside) holdBack() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = true
}
