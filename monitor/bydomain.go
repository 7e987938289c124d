package monitor

import (
	"iter"

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
	parts [shards]map[rrset.Name]V
	// own says of which parts no look knows.
	own [shards]bool
	n   int
}

// look gives the map as it is now, for good.
func (m *byDomain[V]) look() byDomain[V] {
	m.own = [shards]bool{}
	return *m
}

func (m *byDomain[V]) get(name rrset.Name) (V, bool) {
	v, ok := m.parts[shardOf(name)][name]
	return v, ok
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
		had := m.parts[at]
		fresh := make(map[rrset.Name]V, len(had)+1)
		for k, v := range had {
			fresh[k] = v
		}
		m.parts[at], m.own[at] = fresh, true
	}
	return m.parts[at]
}

// all gives every value, in no order.
func (m *byDomain[V]) all() iter.Seq2[rrset.Name, V] {
	return func(yield func(rrset.Name, V) bool) {
		for _, part := range m.parts {
			for name, v := range part {
				if !yield(name, v) {
					return
				}
			}
		}
	}
}
