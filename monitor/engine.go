package monitor

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maildrift/monitor/cores"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// closedFor is how long an ended incident is told again, so that its end
// survives a restart of whoever is told.
const closedFor = 24 * time.Hour

// Options are what an Engine stands on.
type Options struct {
	Asker       resolve.Asker
	Authorities Authorities
	Journal     Journal
	Notifier    Notifier
	// Presets are what specs are resolved with unless the settings name others.
	Presets preset.Set
	// Heart and Meter may be nil.
	Heart Heart
	Meter Meter
	// Explainer finds out why records are not there; nil leaves that undone.
	Explainer Explainer
	// Surveyor looks at what domains' mail stands on; nil leaves that undone.
	Surveyor Surveyor
	Logger   *slog.Logger
}

// Engine sweeps the registered domains and owns their state. Make one with New,
// call Run once. All methods may be called concurrently.
type Engine struct {
	o   Options
	log *slog.Logger

	// mu guards all below but is never held while something is asked, committed or told.
	mu       sync.Mutex
	settings *Settings
	domains  map[rrset.Name]*Domain
	// shared are the records that those of the domains rest on.
	shared map[rrset.Name]*Domain
	stored map[rrset.Name]StoredDomain
	states *stateTable
	upkeep byDomain[*Upkeep]
	// atRisk are those of upkeep with an open incident.
	atRisk map[rrset.Name]*Upkeep
	// domainList and sharedList are domains and shared in order.
	domainList, sharedList nameList
	closed                 []Incident
	self                   SelfState
	sweeps                 map[string]SweepSummary
	next                   map[string]time.Time
	busy                   map[rrset.Name]bool
	// resumed are the domains whose pause has ended since they were last swept.
	resumed map[rrset.Name]bool
	// sweeping is how far the sweeps of groups have come that run.
	sweeping map[string]Progress
	// skips are the sweeps of groups that were due while the one before still ran.
	skips map[string]Skips
	// owed is by when a sweep of each group has to have ended that can be relied on.
	owed map[string]time.Time
	// estimates are what the sweeps of groups come to, as reckoned when the last one began. The map is never written.
	estimates map[string]pace.Estimate
	freed     *sync.Cond

	// heard is what sources said, with locks of its own; they may be taken while mu is held, not the other way round.
	heard hearsay

	// pieces are where what stays of a sweep lies.
	pieces pieces

	// desks are used again from round to round.
	desks desks

	// commits serialises transactions with their effect on memory.
	commits    sync.Mutex
	generation atomic.Uint64
	// changed is closed at the next change; nil while nobody waits for one.
	changed atomic.Pointer[chan struct{}]
	// rechecking says that a recheck runs: the next one waits for it.
	rechecking atomic.Bool
	// delivering says whether the notifier took the incidents last time.
	delivering atomic.Bool
	cached     atomic.Pointer[Snapshot]

	// tell wakes the teller, reschedule the clock, reshare the look at what rests on what; each
	// holds one wake-up.
	tell       chan struct{}
	reschedule chan struct{}
	reshare    chan struct{}
	// running is the context of Run, under which background work goes; nil while Run
	// does not run. work counts that work.
	running context.Context //nolint:containedctx // it lives exactly as long as Run
	work    sync.WaitGroup
}

// New makes an engine that remembers what was committed and watches the
// domains of the configuration beside those of the memory. Records that are no longer
// expected are dropped by the first commit.
func New(ctx context.Context, o Options, memory Memory, settings Settings, configured []*Domain) (*Engine, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{
		o: o, log: o.Logger,
		stored: make(map[rrset.Name]StoredDomain, len(memory.Domains)), states: newStateTable(States{}), atRisk: map[rrset.Name]*Upkeep{},
		sweeps: map[string]SweepSummary{}, next: map[string]time.Time{},
		busy: map[rrset.Name]bool{}, resumed: map[rrset.Name]bool{}, sweeping: map[string]Progress{}, skips: map[string]Skips{},
		closed: memory.Closed, self: memory.Self,
		tell: make(chan struct{}, 1), reschedule: make(chan struct{}, 1), reshare: make(chan struct{}, 1),
	}
	e.freed = sync.NewCond(&e.mu)
	e.states.share()
	e.pieces.together = true
	e.heard.shared = &e.states.filing
	for _, d := range memory.Domains {
		e.stored[d.Name] = d
	}
	domains, err := e.registry(&settings, configured)
	if err != nil {
		return nil, err
	}
	if err := e.recall(memory.Records, domains); err != nil {
		return nil, fmt.Errorf("read what is kept of the records: %w", err)
	}
	for _, u := range memory.Upkeep {
		e.putUpkeep(u)
	}
	if err := e.recallSweeps(memory.LastSweeps, settings.Groups); err != nil {
		return nil, fmt.Errorf("read how the last sweeps went: %w", err)
	}
	e.commits.Lock()
	defer e.commits.Unlock()
	if err := e.introduce(ctx, domains, time.Now()); err != nil {
		return nil, err
	}
	if err := e.enact(ctx, settings, domains); err != nil {
		return nil, err
	}
	return e, nil
}

// recordOf gives the registry's record; nil if there is none. The caller holds mu.
func (e *Engine) recordOf(id RecordID) *Record {
	d := e.domains[id.Domain]
	if id.Key == SharedKey {
		d = e.shared[id.Domain]
	}
	return d.record(id.Key)
}

// putUpkeep takes in what a domain's mail stands on.
func (e *Engine) putUpkeep(u Upkeep) {
	e.upkeep.put(u.Domain, &u)
	delete(e.atRisk, u.Domain)
	if u.Incident != nil {
		e.atRisk[u.Domain] = &u
	}
}

// dropUpkeep forgets what a domain's mail stands on.
func (e *Engine) dropUpkeep(name rrset.Name) {
	e.upkeep.drop(name)
	delete(e.atRisk, name)
}

// Apply takes new settings and a new set of configured domains, all or nothing.
// Domains added at run time stay. It fails, changing nothing, if a configured domain is
// registered at run time too or if nothing can be committed.
func (e *Engine) Apply(ctx context.Context, settings Settings, configured []*Domain) error {
	e.commits.Lock()
	defer e.commits.Unlock()
	e.mu.Lock()
	domains, err := e.registry(&settings, configured)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	return e.enact(ctx, settings, domains)
}

// enact takes new settings and another registry, once all that follows from it is committed. The caller holds commits.
func (e *Engine) enact(ctx context.Context, settings Settings, domains map[rrset.Name]*Domain) error {
	e.mu.Lock()
	shared := sharedBy(domains, e.states)
	batch := e.plan(settings, domains, shared, time.Now())
	e.mu.Unlock()
	if err := e.commitLocked(ctx, &batch); err != nil {
		return fmt.Errorf("write the new registry: %w", err)
	}
	e.mu.Lock()
	e.oweSweeps(&settings, time.Now().Round(0))
	e.settings = &settings
	e.setDomains(domains)
	for name := range e.next {
		if _, ok := settings.Groups[name]; !ok {
			delete(e.next, name)
			delete(e.sweeps, name)
		}
	}
	if e.applyBatch(batch); batch.restsOnOthers() {
		shared = sharedBy(domains, e.states)
	}
	e.setShared(shared)
	e.mu.Unlock()
	e.wake(e.reschedule)
	e.wake(e.tell)
	e.wake(e.reshare)
	return nil
}

// plan works out what another registry changes; shared are the records that its own rest on. The caller holds mu.
func (e *Engine) plan(settings Settings, domains, shared map[rrset.Name]*Domain, now time.Time) Batch {
	var batch Batch
	for _, d := range e.unplanned(domains) {
		e.planDomain(d, &batch, now)
	}
	for _, name := range e.states.strays(domains) {
		d := domains[name]
		list, _ := e.states.domains.get(name)
		for i := range list {
			key := list[i].record.Key
			if _, used := shared[name]; d.record(key) == nil && (!used || key != SharedKey) {
				e.planRemoval(RecordID{name, key}, &batch, now, "removed from the configuration", "")
			}
		}
	}
	for name := range e.upkeep.all() {
		if _, ok := domains[name]; !ok {
			e.planUpkeepRemoval(name, &batch, now)
		}
	}
	for name, had := range e.stored {
		if _, ok := domains[name]; !ok && had.Spec == nil {
			batch.Gone = append(batch.Gone, name)
		} else if next, changed := had.unretired(domains[name]); changed {
			batch.Domains = append(batch.Domains, next)
		}
	}
	for _, group := range sortedKeys(e.self.BlindGroups) {
		if _, ok := settings.Groups[group]; !ok {
			self := e.self
			if batch.Self != nil {
				self = *batch.Self
			}
			batch.setSelf(self.without(group), now)
		}
	}
	return batch
}

// presets gives what specs are resolved with under some settings.
func (e *Engine) presets(s *Settings) preset.Set {
	if s.Presets != nil {
		return *s.Presets
	}
	return e.o.Presets
}

// unplanned gives the domains, by name, that are not known or have records without states, or with other ones; of a fleet these are few.
// The others know when they were registered. The caller holds mu.
func (e *Engine) unplanned(domains map[rrset.Name]*Domain) []*Domain {
	list := slices.Collect(maps.Values(domains))
	known := make([]bool, len(list))
	_ = cores.Ranges(len(list), func(from, to int) error { // nothing can fail
		for i, d := range list[from:to] {
			had, stored := e.stored[d.Name]
			d.Registered = had.Registered
			known[from+i] = stored && e.states.hasAll(d)
		}
		return nil
	})
	var out []*Domain
	for i, d := range list {
		if !known[i] {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b *Domain) int { return strings.Compare(string(a.Name), string(b.Name)) })
	return out
}

// planDomain gives states to the records of a domain that have none, or whose
// expectation changed, and sets the time when it was first registered. The caller holds mu.
func (e *Engine) planDomain(d *Domain, batch *Batch, now time.Time) {
	had, known := e.stored[d.Name]
	if !known {
		had = StoredDomain{Name: d.Name, Registered: now}
		batch.Domains = append(batch.Domains, had)
	}
	d.Registered = had.Registered
	e.planStates(d, batch, now)
}

// planStates gives states to records that have none or are expected otherwise, and cannot be as before. The caller
// holds mu.
func (e *Engine) planStates(d *Domain, batch *Batch, now time.Time) {
	for i := range d.Records {
		r, id := &d.Records[i], RecordID{d.Name, d.Records[i].Key}
		if e.states.isOf(id, r) {
			continue
		}
		if state := e.states.get(id); state != nil {
			if next, ok := state.expecting(r, e.heard.lastWords(id), now); ok {
				batch.States = append(batch.States, next)
				continue
			}
			for _, i := range state.open() {
				batch.Incidents = append(batch.Incidents, closeIncident(i, now, "the expectation was changed"))
			}
		}
		batch.States = append(batch.States, r.registered(d.Name, now))
	}
}

// expecting gives the state of a record of which something else is expected; false if it starts anew. Where what was verified is what
// is expected now, it does not: nobody would be told of its loss until it had been waited for, and what is told of it already
// would seem to be over. Caches may hold what was as good by the former expectation.
func (s *RecordState) expecting(r *Record, heard []lastWord, now time.Time) (RecordState, bool) {
	if s.Phase != judge.Verified || s.Name != r.Name || s.Expectation.Kind != r.Kind || r.Match == mailrec.Maintained ||
		r.Check(s.Baseline).Class != mailrec.Same {
		return RecordState{}, false
	}
	next := *s
	next.Expectation = r.Expectation
	if s.Standing() == judge.Holding {
		good := slices.DeleteFunc(heard, func(w lastWord) bool { return s.Expectation.Compare(s.Baseline, w.set).Class != mailrec.Same })
		next.Past = next.pastWith(good, nil, now.Add(time.Duration(s.OldTTL)*time.Second), now)
	}
	return next, true
}

// sameExpectation compares as the store would read them back, where an empty
// list and none are the same.
func sameExpectation(a, b mailrec.Expectation) bool {
	if a.Kind == b.Kind && a.Match == b.Match && a.MatchPreference == b.MatchPreference && a.AllowInvalid == b.AllowInvalid && a.Usable == b.Usable &&
		slices.Equal(a.Want, b.Want) && slices.EqualFunc(a.Alternatives, b.Alternatives, slices.Equal) {
		return true
	}
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// planRemoval forgets a record. The caller holds mu.
func (e *Engine) planRemoval(id RecordID, batch *Batch, now time.Time, why, by string) {
	state := e.states.get(id)
	if state == nil {
		return // it was never begun
	}
	batch.Removed = append(batch.Removed, id)
	for _, i := range state.open() {
		batch.Incidents = append(batch.Incidents, closeIncident(i, now, "removed"))
	}
	t := Transition{ID: id, Old: state.Baseline, Why: why, By: by}
	t.From, t.To, t.At = state.Position(), state.Position(), now
	batch.Transitions = append(batch.Transitions, t)
}

// commitLocked writes a batch. The caller holds commits.
func (e *Engine) commitLocked(ctx context.Context, batch *Batch) error {
	began := time.Now()
	// A batch that was decided on is written even if the daemon is being stopped
	// or the caller has gone away.
	err := e.o.Journal.Commit(context.WithoutCancel(ctx), *batch)
	if e.o.Meter != nil {
		e.o.Meter.Committed(time.Since(began), err)
	}
	return err
}

// applyBatch brings memory to what was committed. The caller holds mu.
func (e *Engine) applyBatch(b Batch) {
	for from := 0; from < len(b.States); {
		var some []*RecordState
		domain := b.States[from].ID.Domain
		for ; from < len(b.States) && b.States[from].ID.Domain == domain; from++ {
			some = append(some, b.States[from].owned()) // one that stays must not keep the others of its batch
		}
		e.states.putAll(some, e.recordOf)
	}
	for _, id := range b.Removed {
		e.states.drop(id)
		e.heard.forget(id)
	}
	for _, u := range b.Upkeep {
		e.putUpkeep(u)
	}
	for _, name := range b.UpkeepGone {
		e.dropUpkeep(name)
	}
	e.heard.keep(b.Intervals)
	for _, d := range b.Domains {
		e.stored[d.Name] = d
	}
	for _, name := range b.Gone {
		delete(e.stored, name)
	}
	for _, in := range b.Incidents {
		if !in.Open() {
			e.closed = append(e.closed, in)
		}
	}
	if b.Self != nil {
		e.self = *b.Self
	}
	if b.Sweep != nil {
		e.sweeps[b.Sweep.Group] = *b.Sweep
	}
	e.touch()
}

// change runs one transaction that a person asked for: plan under the lock,
// commit, apply.
func (e *Engine) change(ctx context.Context, plan func(batch *Batch, now time.Time) error, after func()) error {
	e.commits.Lock()
	defer e.commits.Unlock()
	var batch Batch
	e.mu.Lock()
	err := plan(&batch, time.Now())
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if err := e.commitLocked(ctx, &batch); err != nil {
		return err
	}
	e.mu.Lock()
	e.applyBatch(batch)
	if after != nil {
		after()
	}
	if batch.restsOnOthers() {
		e.wake(e.reshare)
	}
	e.mu.Unlock()
	e.wake(e.tell)
	return nil
}

// Add registers a domain at run time and begins to look for its records at once.
// It returns a *FieldError for a spec that cannot be, and ErrExists.
func (e *Engine) Add(ctx context.Context, spec Spec, by string) (*Domain, error) {
	added, err := e.AddAll(ctx, []Spec{spec}, by)
	if err != nil {
		return nil, err
	}
	return added[0], nil
}

// AddAll registers several domains in one transaction: all of them or, with an
// error that names the first bad one by its index, none.
func (e *Engine) AddAll(ctx context.Context, specs []Spec, by string) ([]*Domain, error) {
	domains, problems := ResolveAll(specs, e.Snapshot().Presets)
	for i, err := range problems {
		if err != nil {
			return nil, atIndex(i, len(specs), err)
		}
	}
	err := e.change(ctx, func(batch *Batch, now time.Time) error {
		batchNames := map[rrset.Name]bool{}
		for i, d := range domains {
			if had, ok := e.domains[d.Name]; ok || batchNames[d.Name] {
				return atIndex(i, len(specs), existsError(d.Name, had))
			}
			if _, ok := e.settings.Groups[d.Schedule()]; !ok {
				return atIndex(i, len(specs), fieldErr("schedule", fmt.Errorf("no schedule %q is configured", d.Schedule())))
			}
			batchNames[d.Name] = true
			d.Registered = now
			batch.note(now, by, "add", RecordID{Domain: d.Name}, "", "")
			batch.Domains = append(batch.Domains, StoredDomain{Name: d.Name, Spec: &specs[i], Registered: now, By: by})
			for i := range d.Records {
				batch.States = append(batch.States, d.Records[i].registered(d.Name, now))
			}
		}
		return nil
	}, func() { e.register(domains...) })
	if err != nil {
		return nil, err
	}
	e.background(func(ctx context.Context) {
		if err := e.sweepDomains(ctx, "", domains, all); err != nil && ctx.Err() == nil {
			e.log.Error("first check failed", "err", err)
		}
	})
	return domains, nil
}

func existsError(name rrset.Name, had *Domain) error {
	if had != nil && had.Origin.ReadOnly() {
		return fmt.Errorf("domain %s: %w in %s:%d", name, ErrExists, had.Origin.File, had.Origin.Line)
	}
	return fmt.Errorf("domain %s: %w", name, ErrExists)
}

func atIndex(i, n int, err error) error {
	if n == 1 {
		return err
	}
	return fieldErr(fmt.Sprintf("[%d]", i), err)
}

// Remove forgets a domain that was added at run time; its open incidents end as
// removed. It returns ErrNotFound, ErrReadOnly or ErrHasSenders.
func (e *Engine) Remove(ctx context.Context, name rrset.Name, by string) error {
	return e.remove(ctx, name, by, (*Domain).keepsSenders)
}

// ForceRemove forgets a domain even if it has sender addresses.
func (e *Engine) ForceRemove(ctx context.Context, name rrset.Name, by string) error {
	return e.remove(ctx, name, by, func(*Domain) error { return nil })
}

func (e *Engine) remove(ctx context.Context, name rrset.Name, by string, guard func(*Domain) error) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		d, err := e.changeable(name)
		if err != nil {
			return err
		}
		if err := guard(d); err != nil {
			return err
		}
		batch.Gone = append(batch.Gone, name)
		batch.note(now, by, "remove", RecordID{Domain: name}, "", "")
		for _, r := range d.Records {
			e.planRemoval(RecordID{name, r.Key}, batch, now, "removed from the registry", by)
		}
		e.planUpkeepRemoval(name, batch, now)
		return nil
	}, func() {
		e.domains = maps.Clone(e.domains)
		delete(e.domains, name)
		e.domainList.stale()
	})
}

// CheckNow sweeps one domain and returns when it is done, confirmations
// included.
func (e *Engine) CheckNow(ctx context.Context, name rrset.Name) error {
	e.mu.Lock()
	d, ok := e.domains[name]
	if !ok {
		d, ok = e.shared[name]
	}
	e.mu.Unlock()
	if !ok {
		return fmt.Errorf("domain %s: %w", name, ErrNotFound)
	}
	return e.sweepDomains(ctx, "", []*Domain{d}, all)
}

func (e *Engine) wake(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default: // a wake-up is already waiting
	}
}
