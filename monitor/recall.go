package monitor

import (
	"slices"
	"sync"
	"sync/atomic"

	"maildrift/monitor/rrset"
)

// recalling takes in what is kept from before the start. It may be used concurrently, for different domains.
type recalling struct {
	engine  *Engine
	domains map[rrset.Name]*Domain
	// recent is the panel of the record before: most have the same. Keys are some that were met, by their hashes.
	recent atomic.Pointer[panel]
	keys   [64]atomic.Pointer[string]
	// mu guards the engine's states.
	mu sync.Mutex
}

// recall takes in what is kept of all records, which are those of a registry if it has them.
func (e *Engine) recall(records func(take func([]Remembered)) error, domains map[rrset.Name]*Domain) error {
	if records == nil {
		return nil
	}
	r := &recalling{engine: e, domains: domains}
	return records(r.domain)
}

// domain takes in the records of a domain.
func (r *recalling) domain(kept []Remembered) {
	if len(kept) == 0 {
		return
	}
	e, name := r.engine, kept[0].State.ID.Domain
	d := r.domains[name]
	if d != nil {
		name = d.Name // the same text, once in memory
	}
	list := make([]filed, len(kept))
	heard := make([]*voices, 0, len(kept))
	for i := range kept {
		k := &kept[i]
		list[i] = e.states.file(k.State.owned(), d.record(k.State.ID.Key), list[:i])
		if len(k.Last) > 0 {
			heard = append(heard, r.voices(list[i].record.Key, k.Last, list[i].wasVerifiedAs()))
		}
	}
	if len(heard) > 0 {
		e.heard.replace(name, heard)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.states.load(name, list)
}

// owned gives the state, or a copy of it if it is going to be kept as it is: it is only lent.
func (s *RecordState) owned() *RecordState {
	if s.brief() {
		return s
	}
	kept := *s
	return &kept
}

// voices gives what history has of a record. What is the baseline is not kept twice.
func (r *recalling) voices(key string, last []Interval, baseline rrset.Set) *voices {
	v := &voices{key: r.key(key), panel: r.panel(last), voice: make([]voice, len(last)), apart: true}
	for i := range last {
		v.voice[i].kept = v.keep(&last[i], baseline, &r.engine.states.filing)
	}
	v.words = exact(v.words)
	return v
}

// key is keyOf, which is slow beside a look at the few keys that nearly all records have.
func (r *recalling) key(text string) string {
	slot := &r.keys[int(shardOf(rrset.Name(text)))%len(r.keys)]
	if known := slot.Load(); known != nil && *known == text {
		return *known
	}
	key := keyOf(text)
	slot.Store(&key)
	return key
}

// panel gives the panel of those who are known by what they said before the start only.
func (r *recalling) panel(last []Interval) *panel {
	if p := r.recent.Load(); p != nil && slices.EqualFunc(p.members, last, func(m panelist, iv Interval) bool {
		return m.id == iv.Source && m.authority == iv.Authority
	}) {
		return p
	}
	members := make([]panelist, len(last))
	for i := range last {
		members[i] = panelist{id: last[i].Source, authority: last[i].Authority}
	}
	p := r.engine.heard.panels.of(members)
	r.recent.Store(p)
	return p
}
