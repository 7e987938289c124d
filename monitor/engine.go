package monitor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
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
	shared   map[rrset.Name]*Domain
	stored   map[rrset.Name]StoredDomain
	states   map[RecordID]*RecordState
	votes    map[RecordID][]SourceVote
	upkeep   map[rrset.Name]*Upkeep
	lastSeen map[seenKey]rrset.Hash
	// servers are the zones' own that were asked before the start, of records that were not asked since.
	servers map[RecordID][]string
	closed  []Incident
	self    SelfState
	sweeps  map[string]SweepSummary
	next    map[string]time.Time
	busy    map[rrset.Name]bool
	// resumed are the domains whose pause has ended since they were last swept.
	resumed  map[rrset.Name]bool
	sweeping map[string]bool
	freed    *sync.Cond

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

// seenKey identifies the series of one record at one source.
type seenKey struct {
	id     RecordID
	source string
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
		stored: map[rrset.Name]StoredDomain{}, states: map[RecordID]*RecordState{},
		votes: map[RecordID][]SourceVote{}, upkeep: map[rrset.Name]*Upkeep{}, lastSeen: map[seenKey]rrset.Hash{}, servers: map[RecordID][]string{},
		sweeps: map[string]SweepSummary{}, next: map[string]time.Time{},
		busy: map[rrset.Name]bool{}, resumed: map[rrset.Name]bool{}, sweeping: map[string]bool{},
		closed: memory.Closed, self: memory.Self,
		tell: make(chan struct{}, 1), reschedule: make(chan struct{}, 1), reshare: make(chan struct{}, 1),
	}
	e.freed = sync.NewCond(&e.mu)
	for _, d := range memory.Domains {
		e.stored[d.Name] = d
	}
	for _, s := range memory.States {
		e.states[s.ID] = s
	}
	for _, u := range memory.Upkeep {
		e.upkeep[u.Domain] = &u
	}
	if memory.LastSeen != nil {
		if err := memory.LastSeen(e.recall); err != nil {
			return nil, fmt.Errorf("read what was heard last: %w", err)
		}
	}
	if err := e.Apply(ctx, settings, configured); err != nil {
		return nil, err
	}
	return e, nil
}

// recall takes in what a source said last before the start.
func (e *Engine) recall(iv Interval) {
	e.lastSeen[seenKey{iv.ID, iv.Source}] = iv.hash()
	if iv.Authority && iv.Mark != MarkUnasked {
		e.servers[iv.ID] = append(e.servers[iv.ID], iv.Source)
	}
}

// Apply takes new settings and a new set of configured domains, all or nothing.
// Domains added at run time stay. It fails, changing nothing, if a configured domain is
// registered at run time too or if nothing can be committed.
func (e *Engine) Apply(ctx context.Context, settings Settings, configured []*Domain) error {
	e.commits.Lock()
	defer e.commits.Unlock()
	e.mu.Lock()
	domains, batch, err := e.plan(settings, configured, time.Now())
	e.mu.Unlock()
	if err != nil {
		return err
	}
	if err := e.commitLocked(ctx, &batch); err != nil {
		return fmt.Errorf("write the new registry: %w", err)
	}
	e.mu.Lock()
	e.settings, e.domains = &settings, domains
	for name := range e.next {
		if _, ok := settings.Groups[name]; !ok {
			delete(e.next, name)
			delete(e.sweeps, name)
		}
	}
	e.applyBatch(batch)
	e.shared = sharedBy(e.domains, e.states)
	e.mu.Unlock()
	e.wake(e.reschedule)
	e.wake(e.tell)
	e.wake(e.reshare)
	return nil
}

// plan works out what Apply will change. The caller holds mu.
func (e *Engine) plan(settings Settings, configured []*Domain, now time.Time) (map[rrset.Name]*Domain, Batch, error) {
	domains := map[rrset.Name]*Domain{}
	var batch Batch
	var problems []error
	for _, d := range configured {
		if had, ok := e.stored[d.Name]; ok && had.Spec != nil {
			problems = append(problems, fmt.Errorf("%s:%d: domain %s is registered at run time too; remove it there (maildrift domains remove %s) or here",
				d.Origin.File, d.Origin.Line, d.Name, d.Name))
			continue
		}
		amended, err := d.amend(e.stored[d.Name])
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", d.Origin.File, d.Origin.Line, err))
			continue
		}
		domains[d.Name] = amended
	}
	for name, had := range e.stored {
		if had.Spec == nil {
			continue
		}
		d, err := had.Spec.Resolve(e.presets(&settings))
		if err == nil {
			d, err = d.amend(had)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("domain %s, registered at run time: %w", name, err))
			continue
		}
		domains[name] = d
	}
	for _, d := range domains {
		if _, ok := settings.Groups[d.Schedule()]; !ok {
			problems = append(problems, fmt.Errorf("domain %s: no schedule %q is configured", d.Name, d.Schedule()))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, Batch{}, err
	}
	for _, name := range sortedKeys(domains) {
		e.planDomain(domains[name], &batch, now)
	}
	shared := sharedBy(domains, e.states)
	for id := range e.states {
		d, ok := domains[id.Domain]
		if ok {
			_, ok = d.Record(id.Key)
		}
		if _, used := shared[id.Domain]; !ok && (!used || id.Key != SharedKey) {
			e.planRemoval(id, &batch, now, "removed from the configuration", "")
		}
	}
	for name := range e.upkeep {
		if _, ok := domains[name]; !ok {
			e.planUpkeepRemoval(name, &batch, now)
		}
	}
	for name, had := range e.stored {
		if _, ok := domains[name]; !ok && had.Spec == nil {
			batch.Gone = append(batch.Gone, name)
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
	return domains, batch, nil
}

// presets gives what specs are resolved with under some settings.
func (e *Engine) presets(s *Settings) preset.Set {
	if s.Presets != nil {
		return *s.Presets
	}
	return e.o.Presets
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

// planStates gives states to records that have none or are expected otherwise. The caller
// holds mu.
func (e *Engine) planStates(d *Domain, batch *Batch, now time.Time) {
	for _, r := range d.Records {
		id := RecordID{d.Name, r.Key}
		state, ok := e.states[id]
		if ok && state.Name == r.Name && sameExpectation(state.Expectation, r.Expectation) {
			continue
		}
		if ok {
			for _, i := range state.open() {
				batch.Incidents = append(batch.Incidents, closeIncident(i, now, "the expectation was changed"))
			}
		}
		fresh := RecordState{ID: id, Name: r.Name, Expectation: r.Expectation}
		fresh.Registered, fresh.Since = now, now
		batch.States = append(batch.States, fresh)
	}
}

// sameExpectation compares as the store would read them back, where an empty
// list and none are the same.
func sameExpectation(a, b mailrec.Expectation) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// planRemoval forgets a record. The caller holds mu.
func (e *Engine) planRemoval(id RecordID, batch *Batch, now time.Time, why, by string) {
	state := e.states[id]
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
	for i := range b.States {
		e.states[b.States[i].ID] = &b.States[i]
	}
	removed := map[RecordID]bool{}
	for _, id := range b.Removed {
		delete(e.states, id)
		delete(e.votes, id)
		removed[id] = true
	}
	if len(removed) > 0 {
		maps.DeleteFunc(e.lastSeen, func(k seenKey, _ rrset.Hash) bool { return removed[k.id] })
	}
	for i := range b.Upkeep {
		e.upkeep[b.Upkeep[i].Domain] = &b.Upkeep[i]
	}
	for _, name := range b.UpkeepGone {
		delete(e.upkeep, name)
	}
	for _, iv := range b.Intervals {
		e.lastSeen[seenKey{iv.ID, iv.Source}] = iv.hash()
	}
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
	domains := make([]*Domain, len(specs))
	presets := e.Snapshot().Presets
	for i, spec := range specs {
		d, err := spec.Resolve(presets)
		if err != nil {
			return nil, atIndex(i, len(specs), err)
		}
		domains[i] = d
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
			for _, r := range d.Records {
				s := RecordState{ID: RecordID{d.Name, r.Key}, Name: r.Name, Expectation: r.Expectation}
				s.Registered, s.Since = now, now
				batch.States = append(batch.States, s)
			}
		}
		return nil
	}, func() {
		e.domains = maps.Clone(e.domains)
		for _, d := range domains {
			e.domains[d.Name] = d
		}
	})
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
	})
}

// Accept takes what the deciding sources have now as the new baseline of a
// drifted record. It returns ErrNotFound or ErrNothingToAccept.
func (e *Engine) Accept(ctx context.Context, id RecordID, by, why string) error {
	return e.change(ctx, func(batch *Batch, now time.Time) error {
		s, ok := e.states[id]
		if !ok {
			return fmt.Errorf("record %s: %w", id, ErrNotFound)
		}
		if s.Verdict != judge.Drifted || s.Seen.Empty() || s.Stage == judge.Recovering {
			return fmt.Errorf("record %s is %s: %w", id, s.Verdict, ErrNothingToAccept)
		}
		next := *s
		t := Transition{ID: id, Old: s.Baseline, New: s.Seen, Rebased: true, Finding: s.Finding, By: by, Why: why}
		t.From, t.At = s.Position(), now
		next.Baseline, next.Seen, next.Finding.Changes = s.Seen, rrset.Set{}, nil
		next.Finding.Reason = ""
		if s.Seen.Equal(s.Baseline) {
			next.Affordable = false // accepted as too expensive: it is no news again
		}
		next.State, next.Past = next.Settled(now), Past{}
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

// Snapshot is a view of everything at one moment. It is shared and must not be
// changed.
type Snapshot struct {
	At time.Time
	// Generation grows with every change.
	Generation uint64
	// Domains are the registered domains, sorted by name; Shared the records that theirs rest on.
	Domains []*Domain
	Shared  []*Domain
	States  map[RecordID]*RecordState
	// Upkeep is what domains' mail stands on, of those that were looked at.
	Upkeep map[rrset.Name]*Upkeep
	// Votes are what was heard last about each record that was asked about since start.
	Votes map[RecordID][]SourceVote
	// Sweeps and NextSweep are by schedule group.
	Sweeps    map[string]SweepSummary
	NextSweep map[string]time.Time
	// Open are the incidents that last, causes first, in order of their opening.
	Open []Incident
	Self SelfState
	// Sources are all configured resolvers, sorted by ID.
	Sources []*resolve.Source
	// Presets are what specs are resolved with.
	Presets preset.Set
	// OverdueAfter is how long a record may take to be verified before somebody is told.
	OverdueAfter time.Duration
}

// touch says that the state has changed.
func (e *Engine) touch() {
	e.generation.Add(1)
	if waiting := e.changed.Swap(nil); waiting != nil {
		close(*waiting)
	}
}

// Changed gives a channel that is closed when the state changes next. Who wants to miss nothing takes the channel
// first and looks at the state then. It may be called from any number of goroutines, and costs the engine nothing
// while nobody waits.
func (e *Engine) Changed() <-chan struct{} {
	for {
		if waiting := e.changed.Load(); waiting != nil {
			return *waiting
		}
		fresh := make(chan struct{})
		if e.changed.CompareAndSwap(nil, &fresh) {
			return fresh
		}
	}
}

// Snapshot gives the current state. It costs little when nothing has changed
// since the last call.
func (e *Engine) Snapshot() *Snapshot {
	if s := e.cached.Load(); s != nil && s.Generation == e.generation.Load() {
		return s
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	s := &Snapshot{
		At: time.Now(), Generation: e.generation.Load(),
		States: maps.Clone(e.states), Votes: maps.Clone(e.votes), Upkeep: maps.Clone(e.upkeep),
		Sweeps: maps.Clone(e.sweeps), NextSweep: maps.Clone(e.next),
		Open: e.openIncidents(), Self: e.self, Sources: e.settings.sources(),
		Presets: e.presets(e.settings), OverdueAfter: e.settings.Rules.OverdueAfter,
	}
	for _, name := range sortedKeys(e.domains) {
		s.Domains = append(s.Domains, e.domains[name])
	}
	for _, name := range sortedKeys(e.shared) {
		s.Shared = append(s.Shared, e.shared[name])
	}
	e.cached.Store(s)
	return s
}

// boolOrder puts true first.
func boolOrder(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// openIncidents gives the incidents that last, causes first: they hold others back. The caller holds mu.
func (e *Engine) openIncidents() []Incident {
	var open []Incident
	for _, s := range e.states {
		open = append(open, s.open()...)
	}
	for _, u := range e.upkeep {
		if u.Incident != nil {
			open = append(open, *u.Incident)
		}
	}
	if e.self.Blind != nil {
		open = append(open, *e.self.Blind)
	}
	open = append(open, e.self.Causes...)
	open = append(open, e.self.quarantines()...)
	slices.SortFunc(open, func(a, b Incident) int {
		return cmp.Or(boolOrder(a.Name == AlertCause, b.Name == AlertCause), a.Opened.Compare(b.Opened), a.ID.Compare(b.ID))
	})
	return open
}

// sources gives all resolvers of all groups once.
func (s *Settings) sources() []*resolve.Source {
	byID := map[string]*resolve.Source{}
	for _, g := range s.Groups {
		for _, r := range g.Resolvers {
			byID[r.ID] = r
		}
	}
	var out []*resolve.Source
	for _, id := range sortedKeys(byID) {
		out = append(out, byID[id])
	}
	return out
}
