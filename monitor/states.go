package monitor

import (
	"iter"
	"slices"
	"strings"

	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// States are the states of all records at one moment. The zero value has none. It is immutable; making another one
// of it costs what changes, not what there is.
type States struct {
	domains *byDomain[[]*RecordState]
	// unsettled are those of the domains' states that are.
	unsettled *byDomain[[]*RecordState]
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

func (c *Counts) add(s *RecordState, n int) {
	if s.ID.Key == SharedKey {
		c.Shared[s.Phase][s.Verdict] += n
		return
	}
	c.Records[s.Phase][s.Verdict] += n
	if !s.BlindSince.IsZero() {
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
	list, _ := s.domains.get(id.Domain)
	return stateOf(list, id.Key)
}

// Of gives the states of a domain's records, sorted by their keys. They are shared.
func (s States) Of(domain rrset.Name) []*RecordState {
	if s.domains == nil {
		return nil
	}
	list, _ := s.domains.get(domain)
	return list
}

// All gives every state, those of a domain one after the other and else in no order.
func (s States) All() iter.Seq[*RecordState] { return each(s.domains) }

// Unsettled gives the states that RecordState.Unsettled says it of, as All does. Its cost is by their number.
func (s States) Unsettled() iter.Seq[*RecordState] { return each(s.unsettled) }

// Counts gives the numbers, which are kept.
func (s States) Counts() Counts { return s.counts }

// Len is how many states there are.
func (s States) Len() int { return s.counts.Records.Sum() + s.counts.Shared.Sum() }

// With gives states of which some are new or others than before.
func (s States) With(states ...*RecordState) States {
	t := newStateTable(s)
	for _, state := range states {
		t.put(state)
	}
	return t.look()
}

// Without gives the states but for one.
func (s States) Without(id RecordID) States {
	t := newStateTable(s)
	t.drop(id)
	return t.look()
}

func each(m *byDomain[[]*RecordState]) iter.Seq[*RecordState] {
	return func(yield func(*RecordState) bool) {
		if m == nil {
			return
		}
		for _, list := range m.all() {
			for _, s := range list {
				if !yield(s) {
					return
				}
			}
		}
	}
}

// find says where in a list that is sorted by key a state is or belongs.
func find(list []*RecordState, key string) (int, bool) {
	return slices.BinarySearchFunc(list, key, func(s *RecordState, key string) int { return strings.Compare(s.ID.Key, key) })
}

func stateOf(list []*RecordState, key string) *RecordState {
	if i, ok := find(list, key); ok {
		return list[i]
	}
	return nil
}

// stateTable is where the engine keeps the states. The lists in it are never written, since looks share them.
type stateTable struct {
	domains, unsettled byDomain[[]*RecordState]
	counts             Counts
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

func (t *stateTable) get(id RecordID) *RecordState {
	list, _ := t.domains.get(id.Domain)
	return stateOf(list, id.Key)
}

// of gives the states of a domain, sorted by key, to be read only.
func (t *stateTable) of(name rrset.Name) []*RecordState {
	list, _ := t.domains.get(name)
	return list
}

func (t *stateTable) all() iter.Seq[*RecordState]          { return each(&t.domains) }
func (t *stateTable) allUnsettled() iter.Seq[*RecordState] { return each(&t.unsettled) }

// put takes in a state, which is the table's from now on.
func (t *stateTable) put(s *RecordState) {
	t.forget(s.ID)
	t.counts.add(s, 1)
	insert(&t.domains, s)
	if s.Unsettled() {
		insert(&t.unsettled, s)
	}
	if len(s.open()) > 0 {
		t.alerting[s.ID] = s
	}
}

func (t *stateTable) drop(id RecordID) {
	t.forget(id)
	remove(&t.domains, id)
}

// forget takes a state out of all but the states themselves.
func (t *stateTable) forget(id RecordID) {
	had := t.get(id)
	if had == nil {
		return
	}
	t.counts.add(had, -1)
	remove(&t.unsettled, id)
	delete(t.alerting, id)
}

func insert(m *byDomain[[]*RecordState], s *RecordState) {
	list, _ := m.get(s.ID.Domain)
	at, ok := find(list, s.ID.Key)
	fresh := make([]*RecordState, 0, len(list)+1)
	fresh = append(append(fresh, list[:at]...), s)
	if ok {
		at++
	}
	m.put(s.ID.Domain, append(fresh, list[at:]...))
}

func remove(m *byDomain[[]*RecordState], id RecordID) {
	list, _ := m.get(id.Domain)
	at, ok := find(list, id.Key)
	switch {
	case !ok:
	case len(list) == 1:
		m.drop(id.Domain)
	default:
		m.put(id.Domain, slices.Concat(list[:at], list[at+1:]))
	}
}

// look gives the states as they are now, for good.
func (t *stateTable) look() States {
	domains, unsettled := t.domains.look(), t.unsettled.look()
	return States{domains: &domains, unsettled: &unsettled, counts: t.counts}
}
