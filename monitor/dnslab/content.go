package dnslab

import (
	"maps"

	"maildrift/monitor/rrset"
)

// negativeTTL is how long absence may be cached in a new zone, in seconds.
const negativeTTL = 3

// content is what a zone holds.
type content struct {
	apex    rrset.Name
	serial  uint32
	minimum uint32
	// chosen are the hosts that serve it; nil means all.
	chosen []rrset.Name
	sets   map[setKey]entry
	// nodes counts the sets at each name and below it, so that it is known at once
	// whether a name exists.
	nodes map[rrset.Name]int
}

type setKey struct {
	name rrset.Name
	typ  rrset.Type
}

// entry is a published RRset. Its bytes never change.
type entry struct {
	set rrset.Set
	ttl uint32
}

func newContent(apex rrset.Name) *content {
	return &content{apex: apex, serial: 1, minimum: negativeTTL, sets: map[setKey]entry{}, nodes: map[rrset.Name]int{}}
}

func (c *content) put(k setKey, e entry) {
	if _, ok := c.sets[k]; !ok {
		countUp(c.nodes, k.name, 1)
	}
	c.sets[k] = e
}

// remove says whether there was anything to remove.
func (c *content) remove(k setKey) bool {
	_, ok := c.sets[k]
	if ok {
		countUp(c.nodes, k.name, -1)
		delete(c.sets, k)
	}
	return ok
}

func (c *content) clone() *content {
	out := *c
	out.sets, out.nodes = maps.Clone(c.sets), maps.Clone(c.nodes)
	return &out
}

// countUp adds n at a name and all above it.
func countUp(nodes map[rrset.Name]int, name rrset.Name, n int) {
	for ; ; name = name.Parent() {
		if nodes[name] += n; nodes[name] == 0 {
			delete(nodes, name)
		}
		if name == rrset.Root {
			return
		}
	}
}
