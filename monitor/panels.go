package monitor

import (
	"hash/maphash"
	"slices"
	"sync"

	"maildrift/monitor/resolve"
)

// panel is who was asked about a record, and whose word about it is remembered from before: first those, in the order of
// asking. It is immutable and shared.
type panel struct{ members []panelist }

// find gives the place of a source; -1 if it has none.
func (p *panel) find(id string) int {
	return slices.IndexFunc(p.members, func(m panelist) bool { return m.id == id })
}

// panelist is one source of a panel.
type panelist struct {
	id        string
	authority bool
	// source is nil while it is known from before the start only.
	source *resolve.Source
}

func panelistOf(s *resolve.Source) panelist {
	return panelist{s.ID, s.Role == resolve.Authoritative, s}
}

// is says whether the member is that source, configured in the same way.
func (m panelist) is(s *resolve.Source) bool {
	return m.source == s || m.source != nil && sameSource(m.source, s)
}

// sameSource says whether two sources are the same and asked in the same way.
func sameSource(a, b *resolve.Source) bool {
	x, y := *a, *b
	x.Addrs, y.Addrs = nil, nil
	return slices.Equal(a.Addrs, b.Addrs) && x.ID == y.ID && x.Role == y.Role && x.Operator == y.Operator &&
		x.Transport == y.Transport && x.ServerName == y.ServerName && x.URL == y.URL && x.Rate == y.Rate && x.Window == y.Window &&
		x.Timeout == y.Timeout && x.Direct == y.Direct && x.RootCAFile == y.RootCAFile
}

// panels keeps each panel once, as long as a record has it. The zero value has none.
type panels struct {
	interned[panel]

	once sync.Once
	seed maphash.Seed
}

// of gives the panel of these members, in this order.
func (p *panels) of(members []panelist) *panel {
	p.once.Do(func() { p.seed = maphash.MakeSeed() })
	return p.get(p.hash(members), func(had *panel) bool { return slices.EqualFunc(had.members, members, sameMember) },
		func() *panel { return &panel{slices.Clip(members)} })
}

func sameMember(a, b panelist) bool {
	return a.id == b.id && a.authority == b.authority &&
		(a.source == b.source || a.source != nil && b.source != nil && sameSource(a.source, b.source))
}

func (p *panels) hash(members []panelist) uint64 {
	hash := uint64(0)
	for _, m := range members {
		hash = hash*mixing ^ maphash.String(p.seed, m.id) ^ uint64(bit(m.source == nil))
	}
	return hash
}
