package monitor

import (
	"iter"
	"maps"

	"maildrift/monitor/rrset"
)

// shards is into how many parts what is kept by domain is divided: a change costs a copy of one of them, a look at
// all a copy of that many pointers.
const shards = 256

// shardOf says in which part a domain is (FNV-1a).
func shardOf(name rrset.Name) uint8 {
	h := uint32(2166136261)
	for i := range len(name) {
		h = (h ^ uint32(name[i])) * 16777619
	}
	return uint8(h ^ h>>8 ^ h>>16 ^ h>>24) //nolint:gosec // any eight bits do
}

// byDomain is a map by domain of which a look at all costs little: looks share its parts, and a part is copied only
// when it is written after a look. The zero value is empty. A look may be read by any number of goroutines; all
// else needs the owner's lock.
type byDomain[V any] struct {
	parts [shards]*part[V]
	// own says of which parts no look knows.
	own [shards]bool
	n   int
}

// part is one of the parts of a byDomain. It is told from others by its address.
type part[V any] struct{ of map[rrset.Name]V }

func (p *part[V]) get(name rrset.Name) (V, bool) {
	if p == nil {
		var none V
		return none, false
	}
	v, ok := p.of[name]
	return v, ok
}

// all gives every value of the part, in no order.
func (p *part[V]) all() map[rrset.Name]V {
	if p == nil {
		return nil
	}
	return p.of
}

// look gives the map as it is now, for good.
func (m *byDomain[V]) look() byDomain[V] {
	m.own = [shards]bool{}
	return *m
}

func (m *byDomain[V]) get(name rrset.Name) (V, bool) {
	return m.parts[shardOf(name)].get(name)
}

func (m *byDomain[V]) put(name rrset.Name, v V) {
	part := m.writable(shardOf(name))
	before := len(part)
	part[name] = v
	m.n += len(part) - before
}

func (m *byDomain[V]) drop(name rrset.Name) {
	if _, ok := m.get(name); ok {
		delete(m.writable(shardOf(name)), name)
		m.n--
	}
}

// writable gives a part that no look knows.
func (m *byDomain[V]) writable(at uint8) map[rrset.Name]V {
	if !m.own[at] {
		fresh := map[rrset.Name]V{}
		if had := m.parts[at]; had != nil {
			fresh = maps.Clone(had.of)
		}
		m.parts[at], m.own[at] = &part[V]{fresh}, true
	}
	return m.parts[at].of
}

// all gives every value, in no order.
func (m *byDomain[V]) all() iter.Seq2[rrset.Name, V] {
	return func(yield func(rrset.Name, V) bool) {
		for _, p := range m.parts {
			for name, v := range p.all() {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}

// changed gives the domains whose values are others than in an earlier look, or gone. Its cost is by the parts that
// were written in between.
func (m *byDomain[V]) changed(since *byDomain[V], same func(a, b V) bool) iter.Seq[rrset.Name] {
	return func(yield func(rrset.Name) bool) {
		for at, p := range m.parts {
			before := since.parts[at]
			if p == before {
				continue
			}
			for name, v := range p.of {
				if had, ok := before.get(name); (!ok || !same(v, had)) && !yield(name) {
					return
				}
			}
			if before == nil {
				continue
			}
			for name := range before.of {
				if _, ok := p.get(name); !ok && !yield(name) {
					return
				}
			}
		}
	}
}
