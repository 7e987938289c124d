package monitor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

const (
	// stageDomains is how many domains a stage of a sweep has: what a sweep needs in memory is bounded by it, and what
	// is found is told when its stage is over.
	stageDomains = 250
	// askingStages is how many stages ask and judge side by side, so that none waits for the last answers of another. Of
	// openStages all others wait to confirm what they saw.
	askingStages, openStages = 4, 24
	// spreadJitter is by how much of its place in the interval a stage may begin later.
	spreadJitter = 0.5
)

// sweepDomains asks about the wanted records of domains, confirms what seems to
// have changed, commits and tells, a stage after the other. A sweep of a whole group is named after it, a
// check of single domains has no name. It returns an error if ctx ended or
// nothing could be committed; then nothing has changed, but by the stages that are over.
func (e *Engine) sweepDomains(ctx context.Context, group string, domains []*Domain, wanted func(*RecordState) bool) error {
	_, err := e.sweepThrough(ctx, group, domains, wanted)
	return err
}

// sweepThrough is sweepDomains, and says why nothing that the sweep saw counts, or that a part of it saw; empty if all of it does.
func (e *Engine) sweepThrough(ctx context.Context, group string, domains []*Domain, wanted func(*RecordState) bool) (distrusted string, err error) {
	stages := stagesOf(domains)
	w := &whole{beside: besides(stages), engine: e, group: group, wanted: wanted, started: time.Now(), several: len(stages) > 1, turn: make(chan struct{}, askingStages)}
	w.prepare(domains, stages)
	room := make(chan struct{}, openStages)
	var work sync.WaitGroup
	for i, stage := range stages {
		if !sleep(ctx, time.Until(w.begins(i, len(stages)))) {
			break
		}
		room <- struct{}{}
		w.turn <- struct{}{}
		work.Go(func() {
			defer func() { <-room }()
			w.stage(ctx, stage)
			w.beside.over(stage)
			w.stageOver(stage)
		})
	}
	work.Wait()
	distrusted = w.sum.summary.Distrusted
	if err = w.conclude(ctx, len(domains)); err != nil {
		return distrusted, err
	}
	w.report()
	return distrusted, nil
}

// stagesOf parts domains into stages.
func stagesOf(domains []*Domain) [][]rrset.Name {
	names := make([]rrset.Name, 0, len(domains))
	for _, d := range domains {
		names = append(names, d.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	if len(names) > stageDomains {
		slices.SortFunc(names, func(a, b rrset.Name) int { return strings.Compare(backwards(a), backwards(b)) })
	}
	if len(names) == 0 {
		return [][]rrset.Name{nil} // a group without domains is swept too: its canaries are asked
	}
	var stages [][]rrset.Name
	for len(names) > 0 {
		n := stageOf(names)
		stages, names = append(stages, names[:n:n]), names[n:]
	}
	return stages
}

// stageOf says how many of the domains that are left go into the next stage. All are of like size: in a small rest too few
// records could turn for the gate to hold them back. What is below one registrable domain stays together, since a zone
// that is gone is one cause only where all of it is seen to be gone, unless it is too much for one stage.
func stageOf(left []rrset.Name) int {
	stages := (len(left) + stageDomains - 1) / stageDomains
	n := (len(left) + stages - 1) / stages
	for n < len(left) && n < 2*stageDomains && mailrec.Registrable(left[n]) == mailrec.Registrable(left[n-1]) {
		n++
	}
	if len(left)-n < stageDomains/2 {
		return len(left)
	}
	return n
}

// beside is what the stages of a sweep know of each other. It may be used concurrently; nil is a sweep of one stage.
type beside struct {
	mu sync.Mutex
	// ahead are the domains of stages that are not over yet. What is remembered of them is from before: where a zone is lost, it
	// says nothing about whether all of it is.
	ahead map[rrset.Name]bool
	// targets are the zones that aliases of domains lead to where there is nothing any more, as far as it was seen once.
	targets map[rrset.Name]map[rrset.Name]bool
	// stages are all of them; held says that one was held back by the gate.
	stages [][]rrset.Name
	held   bool
	// vain says that a stage waited for canaries to pass and they did not, and have not passed since.
	vain bool
}

func besides(stages [][]rrset.Name) *beside {
	if len(stages) < 2 {
		return nil
	}
	b := &beside{stages: stages, ahead: map[rrset.Name]bool{}, targets: map[rrset.Name]map[rrset.Name]bool{}}
	for _, stage := range stages {
		for _, name := range stage {
			b.ahead[name] = true
		}
	}
	return b
}

// over takes in that a stage is over.
func (b *beside) over(stage []rrset.Name) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, name := range stage {
		delete(b.ahead, name)
	}
}

// awaits says whether a domain is still to be asked about.
func (b *beside) awaits(name rrset.Name) bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ahead[name]
}

// waitInVain takes in that canaries did not pass although it was waited for that, or that they passed.
func (b *beside) waitInVain(vain bool) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.vain = vain
}

// waitedInVain says whether that is so.
func (b *beside) waitedInVain() bool {
	if b == nil {
		return false
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.vain
}

// lost takes in that an alias of a domain seems to lead to nothing in a zone.
func (b *beside) lost(target, domain rrset.Name) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.targets[target] == nil {
		b.targets[target] = map[rrset.Name]bool{}
	}
	b.targets[target][domain] = true
}

// losses gives what lost took in, of domains that are not among those.
func (b *beside) losses(but map[rrset.Name]bool) []rootcause.Record {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []rootcause.Record
	for target, domains := range b.targets {
		for domain := range domains {
			if !but[domain] {
				out = append(out, rootcause.Record{Domain: domain, State: rootcause.Lost, TargetZone: target})
			}
		}
	}
	return out
}

// backwards gives a name with its labels in the order of the tree.
func backwards(n rrset.Name) string {
	labels := strings.Split(string(n), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".")
}

// whole is a sweep over all its stages.
type whole struct {
	engine  *Engine
	group   string
	wanted  func(*RecordState) bool
	started time.Time
	beside  *beside
	// several says that there is more than one stage.
	several bool
	// turn is held by the stages that do anything but wait.
	turn   chan struct{}
	pacing pace.Sweep
	// spread is over how long the stages begin.
	spread time.Duration

	mu  sync.Mutex
	sum stageSum
	err error
}

// stageSum adds up what stages came to.
type stageSum struct {
	summary         SweepSummary
	verified, blind int
	gated           bool
	dissent         dissent
	moves           moves
}

// prepare finds out how fast and how thoroughly the sweep can ask, and says so if it will not be done in time.
func (w *whole) prepare(domains []*Domain, stages [][]rrset.Name) {
	e := w.engine
	settings := e.currentSettings()
	group, ok := settings.Groups[w.group]
	if !ok {
		return
	}
	now := w.started.Round(0)
	next := group.Schedule.Next(now)
	estimate := e.estimate(settings, group, domains, now)
	w.pacing = pace.Sweep{Policy: estimate.Pace, Next: next}
	takes := estimate.Takes
	if e.heard.len() == 0 {
		takes = estimate.Full
	} else if w.several { // the first look is taken as quickly as it goes
		w.spread = time.Duration(settings.Spread * float64(next.Sub(now)))
	}
	w.estimated(takes, stages)
	e.mu.Lock()
	had, again := e.estimates[w.group]
	if !again {
		e.oweFirst(w.group, w.started, estimate.Full)
	}
	e.estimates = maps.Clone(e.estimates)
	if e.estimates == nil {
		e.estimates = map[string]pace.Estimate{}
	}
	e.estimates[w.group] = estimate
	e.mu.Unlock()
	e.touch()
	if !estimate.Fits() && had.Fits() {
		e.log.Warn("sweeps do not fit into their interval", "group", w.group, "numbers", estimate.String(), "help", strings.Join(estimate.Helps(), "; "))
	}
}

// begins is when a stage begins at the earliest.
func (w *whole) begins(i, n int) time.Time {
	if w.spread <= 0 || i == 0 {
		return w.started
	}
	place := (float64(i) + spreadJitter*rand.Float64()) / float64(n)
	return w.started.Add(time.Duration(place * float64(w.spread)))
}

// stage sweeps some of the domains. It has its turn, and gives it back while it waits and when it is over.
func (w *whole) stage(ctx context.Context, names []rrset.Name) {
	e := w.engine
	defer func() { <-w.turn }()
	e.claim(names)
	defer e.release(names)
	sw := e.newSweep(w.group, names, w.pacing, w.wanted)
	sw.turn, sw.stage, sw.beside = w.turn, w.several, w.beside
	err := sw.run(ctx)
	if err == nil {
		err = e.finish(ctx, sw)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.err = errors.Join(w.err, err)
	w.sum.add(sw)
}

// add takes in a stage.
func (s *stageSum) add(sw *sweep) {
	a, b := &s.summary, &sw.summary
	a.Records, a.Questions, a.Shared, a.Spared = a.Records+b.Records, a.Questions+b.Questions, a.Shared+b.Shared, a.Spared+b.Spared
	a.Withheld += b.Withheld
	s.moves.add(sw.moves)
	a.Failures, a.Blind, a.Transitions = a.Failures+b.Failures, a.Blind+b.Blind, a.Transitions+b.Transitions
	a.Distrusted = cmp.Or(a.Distrusted, b.Distrusted)
	s.verified, s.blind, s.gated = s.verified+sw.verified, s.blind+b.Blind, s.gated || sw.gated
	if sw.stage {
		s.dissent = s.dissent.with(sw.dissent(true))
	}
}

// conclude ends a sweep of a group that had several stages: what it says of itself, and of the operators, comes of all of them
// together.
func (w *whole) conclude(ctx context.Context, domains int) error {
	if w.err != nil || ctx.Err() != nil {
		return errors.Join(w.err, ctx.Err())
	}
	if !w.several || w.group == "" {
		return nil
	}
	e := w.engine
	sw := e.newSweep(w.group, nil, w.pacing, w.wanted)
	sum := w.sum
	sum.summary.Group, sum.summary.Started, sum.summary.Domains = w.group, w.started, domains
	sw.summary, sw.gated, sw.together = sum.summary, sum.gated, &sum.dissent
	sw.count = Count{Sent: sum.summary.Questions, Shared: sum.summary.Shared, Spared: sum.summary.Spared, Withheld: sum.summary.Withheld, Failed: sum.summary.Failures}
	sw.unseen = sw.settings.Gate.unseen(sum.blind, sum.verified)
	return e.finish(ctx, sw)
}

// unseen says that most records cannot be judged; empty if they can. If those that cannot are few, it is their zones that are
// dead, which is told of them.
func (g Gate) unseen(blind, verified int) string {
	if blind < max(g.MinRecords, 1) || blind*2 <= verified {
		return ""
	}
	return fmt.Sprintf("%d of %d records cannot be judged: too few sources answer for their zones", blind, verified)
}

// estimate reckons what the sweeps of a group come to.
func (e *Engine) estimate(settings *Settings, group Group, domains []*Domain, now time.Time) pace.Estimate {
	load := pace.Load{Group: group.Name, Policy: settings.Pace, Unvouched: !settings.AskAuthority, TTLs: map[uint32]int{}}
	load.Interval, load.Daily = pace.Rhythm(group.Schedule.Next, now)
	questions, asked := 0, workload{}
	snapshot := e.Snapshot()
	states := snapshot.States
	for _, d := range domains {
		questions += d.questions()
		if d.Shared != nil && snapshot.registered(d.Name) {
			continue // the states of that name are counted with it
		}
		states.countTTLs(d.Name, load.TTLs)
		if settings.AskAuthority {
			asked.count(states, d.Name)
		}
	}
	parties := map[resolve.Operator]*pace.Party{}
	for _, source := range group.Resolvers {
		p := parties[source.Operator]
		if p == nil {
			p = &pace.Party{Name: string(source.Operator)}
			parties[source.Operator] = p
		}
		p.Questions, p.Fixed = p.Questions+questions, p.Fixed+len(settings.Canaries)
		p.Rate = max(p.Rate, cmp.Or(source.Rate, settings.Rate, defaultRate))
	}
	for _, name := range sortedKeys(parties) {
		load.Parties = append(load.Parties, *parties[name])
	}
	load.Parties = append(load.Parties, asked.parties(load, cmp.Or(settings.Rate, defaultRate))...)
	return load.Estimate()
}

// defaultRate is how many questions a second a source gets if nothing says otherwise, as resolve has it.
const defaultRate = 20

// questions counts the different questions about a domain's records.
func (d *Domain) questions() int {
	n := 0
	for i, r := range d.Records {
		if !slices.ContainsFunc(d.Records[:i], func(o Record) bool { return o.Name == r.Name && o.Kind.Type() == r.Kind.Type() }) {
			n++
		}
	}
	return n
}

// with gives what two stages showed of the operators together.
func (d dissent) with(o dissent) dissent {
	if d.heard == nil {
		return o
	}
	for op, why := range o.alone {
		d.alone[op] = cmp.Or(d.alone[op], why)
	}
	maps.Copy(d.wrong, o.wrong)
	maps.Copy(d.heard, o.heard)
	return d
}
