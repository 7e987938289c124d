package monitor

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"time"

	"maildrift/monitor/pace"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Snapshot is a view of everything at one moment. It is shared and must not be
// changed. Taking one costs what has changed since the last, not what there is.
type Snapshot struct {
	At time.Time
	// Generation grows with every change.
	Generation uint64
	// Domains are the registered domains, sorted by name; Shared the records that theirs rest on.
	// The lists are the same ones as long as nothing is registered or removed.
	Domains []*Domain
	Shared  []*Domain
	// States are what is remembered of the records.
	States States
	// Votes are what was heard last about each record that was asked about since start.
	Votes Votes
	// Upkeep is what domains' mail stands on, of those that were looked at.
	Upkeep Upkeeps
	// Sweeps and NextSweep are by schedule group. The last sweep of a group may be from before the start.
	Sweeps    map[string]SweepSummary
	NextSweep map[string]time.Time
	// GoodSweepDue is by when a sweep of each group has to have ended that can be relied on: the one that is due next may take
	// until that after it. A group whose schedule has no more is not in it.
	GoodSweepDue map[string]time.Time
	// Estimates are what the sweeps of groups come to, as reckoned when the last one began. The map is never written.
	Estimates map[string]pace.Estimate
	// Sweeping is how far the sweeps of groups have come that run; none of a group that is not swept now.
	Sweeping map[string]Progress
	// Skipped are the sweeps of groups that were skipped since start; none of a group that had none.
	Skipped map[string]Skips
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

// Votes give what was heard last about records since the start. The zero value has heard nothing.
type Votes struct {
	said map[RecordID][]SourceVote
	// heard is where the engine remembers it: asked when somebody looks, and so possibly newer than the rest of
	// a snapshot.
	heard *hearsay
}

// NewVotes gives votes by record.
func NewVotes(said map[RecordID][]SourceVote) Votes { return Votes{said: said} }

// With gives the votes with those about one record in place of what was known.
func (v Votes) With(id RecordID, said []SourceVote) Votes {
	next := maps.Clone(v.said)
	if next == nil {
		next = map[RecordID][]SourceVote{}
	}
	next[id] = said
	return Votes{next, v.heard}
}

// Of gives what was heard last about a record, resolvers first; nil if nobody was asked since the start. It is the
// caller's own.
func (v Votes) Of(id RecordID) []SourceVote {
	if said, ok := v.said[id]; ok || v.heard == nil {
		return slices.Clone(said)
	}
	return v.heard.votes(id)
}

// Len is about how many records something was heard.
func (v Votes) Len() int {
	if v.heard == nil {
		return len(v.said)
	}
	return v.heard.len()
}

// Upkeeps are what domains' mail stands on, by domain. The zero value knows of none.
type Upkeeps struct{ domains *byDomain[*Upkeep] }

// Get gives that of a domain, and false if it was not looked at yet.
func (u Upkeeps) Get(domain rrset.Name) (*Upkeep, bool) {
	if u.domains == nil {
		return nil, false
	}
	return u.domains.get(domain)
}

// Len is how many domains were looked at.
func (u Upkeeps) Len() int {
	if u.domains == nil {
		return 0
	}
	return u.domains.n
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

// Snapshot gives the current state. It costs nothing when nothing has changed
// since the last call, and else what has changed.
func (e *Engine) Snapshot() *Snapshot {
	if s := e.cached.Load(); s != nil && s.Generation == e.generation.Load() {
		return s
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	upkeep := e.upkeep.look()
	s := &Snapshot{
		At: time.Now(), Generation: e.generation.Load(),
		States: e.states.look(), Votes: Votes{heard: &e.heard}, Upkeep: Upkeeps{&upkeep},
		Domains: e.domainList.of(e.domains), Shared: e.sharedList.of(e.shared),
		Sweeps: maps.Clone(e.sweeps), NextSweep: maps.Clone(e.next), GoodSweepDue: maps.Clone(e.owed), Estimates: e.estimates,
		Skipped: maps.Clone(e.skips), Sweeping: maps.Clone(e.sweeping),
		Open: e.openIncidents(), Self: e.self, Sources: e.settings.sources(),
		Presets: e.presets(e.settings), OverdueAfter: e.settings.Rules.OverdueAfter,
	}
	e.cached.Store(s)
	return s
}

// registered says whether a domain is registered, not only watched for others.
func (s *Snapshot) registered(name rrset.Name) bool {
	_, ok := slices.BinarySearchFunc(s.Domains, name, func(d *Domain, name rrset.Name) int { return cmp.Compare(d.Name, name) })
	return ok
}

// nameList keeps a registry as a list that is sorted by name, made anew when it is asked for after a change.
type nameList struct{ list []*Domain }

func (l *nameList) stale() { l.list = nil }

func (l *nameList) of(domains map[rrset.Name]*Domain) []*Domain {
	if l.list == nil && len(domains) > 0 {
		l.list = make([]*Domain, 0, len(domains))
		for _, d := range domains {
			l.list = append(l.list, d)
		}
		slices.SortFunc(l.list, func(a, b *Domain) int { return cmp.Compare(a.Name, b.Name) })
	}
	return l.list
}

// setDomains puts another registry in the place of the one that was, and lets go of all that belonged to that: a name that is
// kept would keep the texts of a hundred domains. The caller holds mu.
func (e *Engine) setDomains(domains map[rrset.Name]*Domain) {
	first := e.domains == nil
	e.domains = domains
	e.domainList.stale()
	for _, name := range e.states.strays(domains) {
		if d := domains[name]; d != nil {
			e.states.under(d)
		}
	}
	if first {
		return // there was none before
	}
	for _, d := range domains {
		e.heard.rename(d.Name)
		if had, ok := e.stored[d.Name]; ok {
			had.Name = d.Name
			e.stored[d.Name] = had
		}
	}
}

// setShared puts other shared records in the place of those that were. The caller holds mu.
func (e *Engine) setShared(shared map[rrset.Name]*Domain) {
	e.shared = shared
	e.sharedList.stale()
}

// register takes domains into the registry, in the place of those of the same name. The caller holds mu.
func (e *Engine) register(domains ...*Domain) {
	e.domains = maps.Clone(e.domains)
	e.domainList.stale()
	for _, d := range domains {
		e.domains[d.Name] = d
		e.states.under(d)
	}
}

// unsettledDomains gives the domains with records that are, shared ones too. The caller holds mu.
func (e *Engine) unsettledDomains() iter.Seq[*Domain] {
	return func(yield func(*Domain) bool) {
		for name := range e.states.unsettled.all() {
			for _, d := range []*Domain{e.domains[name], e.shared[name]} {
				if d != nil && e.needsAttention(d) && !yield(d) {
					return
				}
			}
		}
	}
}

func (e *Engine) needsAttention(d *Domain) bool {
	return slices.ContainsFunc(d.Records, func(r Record) bool {
		s := e.states.get(RecordID{d.Name, r.Key})
		return s != nil && needsAttention(s)
	})
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
	for _, s := range e.states.alerting {
		open = append(open, s.open()...)
	}
	for _, u := range e.atRisk {
		open = append(open, *u.Incident)
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
