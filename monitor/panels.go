package monitor

import (
	"slices"
	"strings"
	"sync"
	"weak"

	"maildrift/monitor/resolve"
)

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
	mu    sync.Mutex
	known map[string]weak.Pointer[panel]
	// tidyAt is how many there may be until those that nobody has any more are dropped.
	tidyAt int
}

// minPanels is below how many panels nothing is tidied up.
const minPanels = 64

// of gives the panel of these members, in this order.
func (p *panels) of(members []panelist) *panel {
	key := panelKey(members)
	p.mu.Lock()
	defer p.mu.Unlock()
	if had := p.known[key].Value(); had != nil && slices.EqualFunc(had.members, members, sameMember) {
		return had
	}
	if p.known == nil {
		p.known = map[string]weak.Pointer[panel]{}
	}
	fresh := &panel{slices.Clip(members)}
	p.known[key] = weak.Make(fresh)
	p.tidy()
	return fresh
}

func (p *panels) tidy() {
	if len(p.known) < max(p.tidyAt, minPanels) {
		return
	}
	for key, w := range p.known {
		if w.Value() == nil {
			delete(p.known, key)
		}
	}
	p.tidyAt = 2 * len(p.known)
}

func sameMember(a, b panelist) bool {
	return a.id == b.id && a.authority == b.authority &&
		(a.source == b.source || a.source != nil && b.source != nil && sameSource(a.source, b.source))
}

func panelKey(members []panelist) string {
	var out strings.Builder
	for _, m := range members {
		out.WriteString(m.id)
		if m.source == nil {
			out.WriteByte('?')
		}
		out.WriteByte(0)
	}
	return out.String()
}
