package web

import (
	"slices"
	"strings"
	"sync/atomic"

	"maildrift/monitor"
	"maildrift/monitor/rrset"
	"maildrift/monitor/web/wire"
)

// labelsListed bounds how many labels are offered to choose from.
const labelsListed = 200

// indexer keeps what follows from the last snapshot, so that it is worked out once for
// all who look at the same one.
type indexer struct {
	engine Engine
	last   atomic.Pointer[index]
}

// current gives the index of the current snapshot. Two callers may work it out at
// the same time; either's is right.
func (x *indexer) current() *index {
	snap := x.engine.Snapshot()
	if had := x.last.Load(); had != nil && had.snap == snap {
		return had
	}
	made := newIndex(snap, x.last.Load())
	x.last.Store(made)
	return made
}

// index is a snapshot with what is asked of it often.
type index struct {
	snap *monitor.Snapshot
	// standing is that of each domain that does not hold.
	standing             map[rrset.Name]wire.Standing
	domainsBy, recordsBy map[string]int
	records              int
	choices
}

// choices are what domains can be chosen by.
type choices struct {
	services, schedules []string
	// labels are those that domains have, as name=value; some of them, if there are very many.
	labels []string
}

// newIndex looks at the records that are not settled, and at the domains if there are others than in the index before,
// which may be nil.
func newIndex(snap *monitor.Snapshot, before *index) *index {
	x := &index{snap: snap, standing: map[rrset.Name]wire.Standing{}, domainsBy: map[string]int{}, recordsBy: map[string]int{}}
	x.records = snap.States.Counts().Records.Sum()
	domains, records := make([]int, len(wire.Standings())), make([]int, len(wire.Standings()))
	records[wire.Holding] = x.records
	for s := range snap.States.Glances() {
		if standing := wire.StandingAt(s.Phase, s.Verdict, s.Blind); s.Key != monitor.SharedKey && standing != wire.Holding {
			records[standing]++
			records[wire.Holding]--
			x.standing[s.Domain] = max(x.standing[s.Domain], standing)
		}
	}
	for _, standing := range x.standing {
		domains[standing]++
	}
	domains[wire.Holding] = len(snap.Domains) - len(x.standing)
	for _, s := range wire.Standings() {
		x.domainsBy[s.String()], x.recordsBy[s.String()] = domains[s], records[s]
	}
	if before != nil && sameList(before.snap.Domains, snap.Domains) {
		x.choices = before.choices
	} else {
		x.choices = newChoices(snap.Domains)
	}
	return x
}

// sameList says whether two lists are one, without a look into them: a registry's list is made anew when it changes.
func sameList(a, b []*monitor.Domain) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

func newChoices(domains []*monitor.Domain) choices {
	services, schedules, labels := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, d := range domains {
		services[d.Service()], schedules[d.Schedule()] = true, true
		for name, value := range d.Spec.Labels {
			if len(labels) < labelsListed {
				labels[name+"="+value] = true
			}
		}
	}
	return choices{sortedKeys(services), sortedKeys(schedules), sortedKeys(labels)}
}

// find gives the registered domain with that name, or the record of that name that
// others rest on, and false if there is neither.
func (x *index) find(name rrset.Name) (*monitor.Domain, bool) {
	for _, domains := range [][]*monitor.Domain{x.snap.Domains, x.snap.Shared} {
		if i, ok := slices.BinarySearchFunc(domains, name, func(d *monitor.Domain, name rrset.Name) int {
			return strings.Compare(string(d.Name), string(name))
		}); ok {
			return domains[i], true
		}
	}
	return nil, false
}

// filter selects domains. The zero filter selects all.
type filter struct {
	// text is looked for in names, notes, services and labels, in any case.
	text              string
	standing          string
	service, schedule string
	// label is name=value, or a name alone.
	label string
}

func (f filter) matches(d *monitor.Domain, s wire.Standing) bool {
	return (f.standing == "" || f.standing == s.String()) &&
		(f.service == "" || f.service == d.Service()) &&
		(f.schedule == "" || f.schedule == d.Schedule()) &&
		(f.label == "" || f.labelled(d)) &&
		(f.text == "" || f.foundIn(d))
}

func (f filter) labelled(d *monitor.Domain) bool {
	name, value, exact := strings.Cut(f.label, "=")
	has, ok := d.Spec.Labels[name]
	return ok && (!exact || has == value)
}

func (f filter) foundIn(d *monitor.Domain) bool {
	text := strings.ToLower(f.text)
	if strings.Contains(string(d.Name), text) || strings.Contains(d.Service(), text) ||
		strings.Contains(strings.ToLower(d.Spec.Note), text) || strings.Contains(strings.ToLower(d.Name.Unicode()), text) {
		return true
	}
	for name, value := range d.Spec.Labels {
		if strings.Contains(strings.ToLower(name+"="+value), text) {
			return true
		}
	}
	return false
}

// list gives a page of the domains that match, by name, from after the cursor on. The cursor
// is the name of the last one before, so that pages fit together while domains come and go.
func (x *index) list(f filter, cursor string, limit int) wire.Page {
	page := wire.Page{Domains: []wire.Summary{}}
	for _, d := range x.snap.Domains {
		if !f.matches(d, x.standing[d.Name]) {
			continue
		}
		page.Total++
		switch {
		case string(d.Name) <= cursor:
		case len(page.Domains) < limit:
			page.Domains = append(page.Domains, wire.SummaryOf(x.snap, d))
		case page.Next == "":
			page.Next = string(page.Domains[limit-1].Name)
		}
	}
	return page
}

func sortedKeys(m map[string]bool) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
