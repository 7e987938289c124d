package monitor

import (
	"iter"
	"slices"
	"strings"
	"sync"

	"maildrift/monitor/cores"
	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// States are the states of all records at one moment. The zero value has none. It is immutable; making another one
// of it costs what changes, not what there is. A state that it gives is either shared or made for the caller:
// either way it is not to be changed.
type States struct {
	domains *byDomain[[]filed]
	// unsettled are the domains that have unsettled records.
	unsettled *byDomain[struct{}]
	counts    Counts
}

// Counts are records in numbers.
type Counts struct {
	// Records are those of registered domains, Shared those that theirs rest on, by phase and verdict.
	Records, Shared Positions
	// Blind counts registered domains' records about which too little is heard.
	Blind int
}

// Positions counts records by phase and verdict.
type Positions [judge.Overdue + 1][judge.Blind + 1]int

// Sum gives how many there are in all.
func (p Positions) Sum() int {
	n := 0
	for _, verdicts := range p {
		for _, count := range verdicts {
			n += count
		}
	}
	return n
}

func (c *Counts) add(f *filed, n int) {
	phase, verdict := f.position()
	if f.record.Key == SharedKey {
		c.Shared[phase][verdict] += n
		return
	}
	c.Records[phase][verdict] += n
	if f.blind() {
		c.Blind += n
	}
}

// Unsettled says whether there is anything to be said about the record: it is not verified and holding, changes are
// suspected or announced, too little is heard, or somebody is alerted.
func (s *RecordState) Unsettled() bool {
	return needsAttention(s) || s.Incident != nil || s.Change != nil || !s.BlindSince.IsZero()
}

// Get gives a record's state; nil if it has none.
func (s States) Get(id RecordID) *RecordState {
	if s.domains == nil {
		return nil
	}
	return stateOf(s.domains, id)
}

// All gives every state, those of a domain one after the other and else in no order.
func (s States) All() iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		if s.domains == nil {
			return
		}
		each(s.domains)(yield)
	}
}

// Unsettled gives the states that RecordState.Unsettled says it of, as All does. Its cost is by their number.
func (s States) Unsettled() iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		if s.domains == nil {
			return
		}
		eachUnsettled(s.domains, s.unsettled)(yield)
	}
}

// countTTLs counts the TTLs of a domain's good records, where they are known.
func (s States) countTTLs(domain rrset.Name, into map[uint32]int) {
	if s.domains == nil {
		return
	}
	list, _ := s.domains.get(domain)
	for i := range list {
		ttl := list[i].oldTTL
		if full := list[i].full; full != nil {
			ttl = full.OldTTL
		}
		if ttl > 0 {
			into[ttl]++
		}
	}
}

// Changed gives the domains that have records whose states are others than they were in earlier states of the same
// engine, or that are gone. Its cost is by what was changed in between.
func (s States) Changed(since States) iter.Seq[rrset.Name] {
	now, before := s.domains, since.domains
	if now == nil {
		now = &byDomain[[]filed]{}
	}
	if before == nil {
		before = &byDomain[[]filed]{}
	}
	return now.changed(before, func(a, b []filed) bool { return len(a) == len(b) && &a[0] == &b[0] })
}

// Of gives the states of a domain's records, sorted by key.
func (s States) Of(domain rrset.Name) iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		if s.domains == nil {
			return
		}
		list, _ := s.domains.get(domain)
		for i := range list {
			if !yield(list[i].state(domain)) {
				return
			}
		}
	}
}

// Glance is where a record stands, without all else of its state.
type Glance struct {
	Domain  rrset.Name
	Key     string
	Phase   judge.Phase
	Verdict judge.Verdict
	// Blind says that too little is heard about it.
	Blind bool
}

// Glances gives where the unsettled records stand, as Unsettled does and at a tenth of its cost: of a fleet that was just
// registered that is all of them.
func (s States) Glances() iter.Seq[Glance] {
	return func(yield func(Glance) bool) {
		if s.domains == nil {
			return
		}
		for name := range s.unsettled.all() {
			list, _ := s.domains.get(name)
			for i := range list {
				if f := &list[i]; f.unsettled() {
					phase, verdict := f.position()
					if !yield(Glance{name, f.record.Key, phase, verdict, f.blind()}) {
						return
					}
				}
			}
		}
	}
}

// Counts gives the numbers, which are kept.
func (s States) Counts() Counts { return s.counts }

// Len is how many states there are.
func (s States) Len() int { return s.counts.Records.Sum() + s.counts.Shared.Sum() }

// With gives states of which some are new or others than before.
func (s States) With(states ...*RecordState) States {
	t := newStateTable(s)
	for _, state := range states {
		t.put(state, nil)
	}
	return t.look()
}

// Without gives the states but for one.
func (s States) Without(id RecordID) States {
	t := newStateTable(s)
	t.drop(id)
	return t.look()
}

func each(m *byDomain[[]filed]) iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		for name, list := range m.all() {
			for i := range list {
				if !yield(list[i].state(name)) {
					return
				}
			}
		}
	}
}

func eachUnsettled(m *byDomain[[]filed], unsettled *byDomain[struct{}]) iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		for name := range unsettled.all() {
			list, _ := m.get(name)
			for i := range list {
				if list[i].unsettled() && !yield(list[i].state(name)) {
					return
				}
			}
		}
	}
}

// find says where in a list that is sorted by key a state is or belongs.
func find(list []filed, key string) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(f filed, key string) int { return strings.Compare(f.record.Key, key) })
}

func stateOf(m *byDomain[[]filed], id RecordID) *RecordState {
	list, _ := m.get(id.Domain)
	if i, ok := find(list, id.Key); ok {
		return list[i].state(id.Domain)
	}
	return nil
}

// stateTable is where the engine keeps the states. The lists in it are never written, since looks share them.
type stateTable struct {
	filing
	domains   byDomain[[]filed]
	unsettled byDomain[struct{}]
	counts    Counts
	// alerting are those with open incidents.
	alerting map[RecordID]*RecordState
}

func newStateTable(from States) *stateTable {
	t := &stateTable{counts: from.counts, alerting: map[RecordID]*RecordState{}}
	if from.domains != nil {
		// Nothing of it is the table's own: a look's parts are not to be written.
		t.domains, t.unsettled = *from.domains, *from.unsettled
	}
	return t
}

func (t *stateTable) get(id RecordID) *RecordState { return stateOf(&t.domains, id) }

// is says whether a state that get gave is still the record's.
func (t *stateTable) is(s *RecordState) bool {
	list, _ := t.domains.get(s.ID.Domain)
	i, ok := find(list, s.ID.Key)
	return ok && list[i].is(s)
}

// has says whether a record has a state.
func (t *stateTable) has(id RecordID) bool {
	list, _ := t.domains.get(id.Domain)
	_, ok := find(list, id.Key)
	return ok
}

// knows says whether a domain has states.
func (t *stateTable) knows(name rrset.Name) bool {
	_, ok := t.domains.get(name)
	return ok
}

// baseline gives the baseline of a record; the zero Set if it has none.
func (t *stateTable) baseline(id RecordID) rrset.Set {
	list, _ := t.domains.get(id.Domain)
	if i, ok := find(list, id.Key); ok {
		return list[i].wasVerifiedAs()
	}
	return rrset.Set{}
}

// isOf says whether a record has a state that is about the registry's record as it is.
func (t *stateTable) isOf(id RecordID, r *Record) bool {
	list, _ := t.domains.get(id.Domain)
	i, ok := find(list, id.Key)
	return ok && list[i].isOf(r)
}

// matches says whether the states of a domain are those of all of its records and of no others, by the registry's own records: so it is
// of nearly all domains, and seen without comparing anything.
func (d *Domain) matches(list []filed) bool {
	if d == nil || len(list) != len(d.Records) {
		return false
	}
	for i := range list {
		if list[i].record != &d.Records[i] {
			return false
		}
	}
	return true
}

// hasAll says whether all records of a domain have states that are about them as they are.
func (t *stateTable) hasAll(d *Domain) bool {
	list, _ := t.domains.get(d.Name)
	if d.matches(list) {
		return true
	}
	for i := range d.Records {
		if !t.isOf(RecordID{d.Name, d.Records[i].Key}, &d.Records[i]) {
			return false
		}
	}
	return true
}

// strays gives the domains that have other states than those of the registry's records. It looks at all of them, on all cores.
func (t *stateTable) strays(domains map[rrset.Name]*Domain) []rrset.Name {
	var mu sync.Mutex
	var out []rrset.Name
	_ = cores.Ranges(shards, func(from, to int) error { // nothing can fail
		for _, p := range t.domains.parts[from:to] {
			for name, list := range p.all() {
				if domains[name].matches(list) {
					continue
				}
				mu.Lock()
				out = append(out, name)
				mu.Unlock()
			}
		}
		return nil
	})
	return out
}

// verified gives the baseline of a record that is verified, and whether it is.
func (t *stateTable) verified(id RecordID) (rrset.Set, bool) {
	list, _ := t.domains.get(id.Domain)
	i, ok := find(list, id.Key)
	if !ok {
		return rrset.Set{}, false
	}
	if phase, _ := list[i].position(); phase != judge.Verified {
		return rrset.Set{}, false
	}
	return t.baseline(id), true
}

// eventful gives the states of which there is more to say than where the record stands: those with a change that was
// announced or is suspected, an incident, or too little that is heard are among them.
func (t *stateTable) eventful() iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		for name := range t.unsettled.all() {
			list, _ := t.domains.get(name)
			for i := range list {
				if s := list[i].full; s != nil && !yield(s) {
					return
				}
			}
		}
	}
}

// neighbourhood is where records may share the fate of one that is bad: its domain and its zone.
type neighbourhood struct {
	domains, zones map[rrset.Name]bool
}

// hold says whether one of the records of a domain is in one of the zones. Most of them have one place, which is looked at once: this is done
// for the whole fleet wherever a record is bad.
func (n neighbourhood) hold(list []filed) bool {
	var at *place
	for i := range list {
		f := &list[i]
		if f.full == nil && f.place == at {
			continue
		}
		if at = f.place; n.zones[f.zone()] {
			return true
		}
	}
	return false
}

// near gives the states of a neighbourhood; of a large fleet these are few, and the others are not put together.
func (t *stateTable) near(n neighbourhood) iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		for domain, list := range t.domains.all() {
			if !n.domains[domain] && !n.hold(list) {
				continue
			}
			for i := range list {
				if f := &list[i]; (n.domains[domain] || n.zones[f.zone()]) && !yield(f.state(domain)) {
					return
				}
			}
		}
	}
}

// put takes in a state, which is the table's from now on. Record is the registry's that it is about; nil if that is
// not known.
func (t *stateTable) put(s *RecordState, record *Record) {
	t.putAll([]*RecordState{s}, func(RecordID) *Record { return record })
}

// putAll takes in states of one domain. Its list is made anew once for all of them.
func (t *stateTable) putAll(states []*RecordState, record func(RecordID) *Record) {
	name := states[0].ID.Domain
	list, _ := t.domains.get(name)
	missing := 0
	for _, s := range states {
		if _, had := find(list, s.ID.Key); !had {
			missing++
		}
	}
	fresh := append(make([]filed, 0, len(list)+missing), list...)
	for _, s := range states {
		f := t.file(s, record(s.ID), fresh)
		at, had := find(fresh, s.ID.Key)
		if had {
			t.counts.add(&fresh[at], -1)
			fresh[at] = f
		} else {
			fresh = slices.Insert(fresh, at, f)
		}
		t.counts.add(&f, 1)
		delete(t.alerting, s.ID)
		if len(s.open()) > 0 {
			t.alerting[s.ID] = s
		}
	}
	t.set(name, fresh)
}

// load takes in the states of a domain that has none yet, sorted by key.
func (t *stateTable) load(name rrset.Name, list []filed) {
	for i := range list {
		t.counts.add(&list[i], 1)
		if s := list[i].full; s != nil && len(s.open()) > 0 {
			t.alerting[s.ID] = s
		}
	}
	t.set(name, list)
}

func (t *stateTable) drop(id RecordID) {
	list, _ := t.domains.get(id.Domain)
	at, ok := find(list, id.Key)
	if !ok {
		return
	}
	t.counts.add(&list[at], -1)
	delete(t.alerting, id)
	t.set(id.Domain, slices.Concat(list[:at], list[at+1:]))
}

// set puts a list in the place of a domain's.
func (t *stateTable) set(name rrset.Name, list []filed) {
	if len(list) == 0 {
		t.domains.drop(name)
		t.unsettled.drop(name)
		return
	}
	t.domains.put(name, list)
	if slices.ContainsFunc(list, func(f filed) bool { return f.unsettled() }) {
		t.unsettled.put(name, struct{}{})
	} else {
		t.unsettled.drop(name)
	}
}

// under lets the states of a domain have the registry's records in place of their own copies.
func (t *stateTable) under(d *Domain) {
	list, _ := t.domains.get(d.Name)
	if !slices.ContainsFunc(list, func(f filed) bool { r := d.record(f.record.Key); return r != nil && r != f.record }) {
		return
	}
	fresh := slices.Clone(list)
	for i := range fresh {
		if r := d.record(fresh[i].record.Key); r != nil {
			fresh[i] = fresh[i].under(r)
		}
	}
	t.domains.put(d.Name, fresh)
}

// look gives the states as they are now, for good.
func (t *stateTable) look() States {
	domains, unsettled := t.domains.look(), t.unsettled.look()
	return States{domains: &domains, unsettled: &unsettled, counts: t.counts}
}
