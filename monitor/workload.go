package monitor

import (
	"slices"
	"strings"

	"maildrift/monitor/pace"
	"maildrift/monitor/rrset"
)

// workload counts what the zones' own servers are asked in a sweep of everything, by the name of the server: each of its addresses is
// asked all of it, at a rate of its own. It is what is remembered of the records, and so known from the start on; of a record that was
// never verified it is not known where it lives.
type workload map[rrset.Name]int

// count takes in a domain. Several records that are one question count once.
func (w workload) count(states States, domain rrset.Name) {
	if states.domains == nil {
		return
	}
	list, _ := states.domains.get(domain)
	var at []rrset.Name
	n := 0
	for i := range list {
		if asksAlike(list[:i], &list[i]) {
			continue
		}
		names := list[i].servers()
		if n > 0 && !slices.Equal(names, at) {
			w.add(at, n)
			n = 0
		}
		at, n = names, n+1
	}
	w.add(at, n)
}

func (w workload) add(names []rrset.Name, n int) {
	for _, name := range names {
		w[name] += n
	}
}

// asksAlike says whether one of the others asks for the same name and type.
func asksAlike(others []filed, f *filed) bool {
	return slices.ContainsFunc(others, func(o filed) bool {
		return o.record.Name == f.record.Name && o.record.Kind.Type() == f.record.Kind.Type()
	})
}

// servers gives the names of the servers of the zone that the record lives in; nil if it is not known.
func (f *filed) servers() []rrset.Name {
	switch {
	case f.full != nil:
		return f.full.Servers
	case f.place != nil:
		return f.place.servers
	}
	return nil
}

// parties gives those that matter for how long a sweep of a load takes, all of which may be asked so many questions a second: the one
// that has most to answer, and all that cannot do it within the interval. A fleet has thousands of others.
func (w workload) parties(l pace.Load, rate float64) []pace.Party {
	var busiest rrset.Name
	for name, n := range w {
		if had := w[busiest]; n > had || n == had && name < busiest {
			busiest = name
		}
	}
	var out []pace.Party
	for name, n := range w {
		if name == busiest || l.Interval > 0 && float64(n) > rate*l.Interval.Seconds() {
			out = append(out, pace.Party{Name: rrset.Printable([]byte(name)), Fixed: n, Rate: rate})
		}
	}
	slices.SortFunc(out, func(a, b pace.Party) int { return strings.Compare(a.Name, b.Name) })
	return out
}
