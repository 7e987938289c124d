package monitor

import (
	"fmt"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// budget reckons what SPF records cost with all that they lead to. Receivers give up on more
// than ten lookups (RFC 7208 section 4.6.4), so a record that nobody touched can break when
// something that it includes grows.
type budget struct {
	states states
	// watched says where the SPF record of a registered domain's name is kept.
	watched func(rrset.Name) (RecordID, bool)
	reader  reader
}

// cost gives the lookups of a record, and whether all that it leads to is known.
func (b *budget) cost(set rrset.Set, above map[rrset.Name]bool) (lookups int, known bool) {
	own := b.reader.read(set)
	lookups, known = own.lookups, true
	for _, ref := range own.refs {
		id, ok := b.watched(ref.name)
		if !ok {
			id = RecordID{ref.name, SharedKey}
		}
		node := b.states(id)
		if node == nil || node.Phase != judge.Verified || above[ref.name] || len(above) == maxReach {
			known = false
			continue
		}
		above[ref.name] = true
		n, all := b.cost(node.Baseline, above)
		delete(above, ref.name)
		lookups, known = lookups+n, known && all
	}
	return lookups, known
}

// apply tells a job whether its SPF record has come to cost too much since it was known to be
// affordable. One that always did is not news: it was verified so.
func (b *budget) apply(j *job) {
	if j.subject.Record.Kind != mailrec.SPF || !j.subject.Verified || j.subject.Domain.Shared != nil {
		return
	}
	lookups, known := b.cost(j.state.Baseline, map[rrset.Name]bool{})
	switch {
	case lookups > spf.MaxLookups && j.state.Affordable:
		j.subject.Overspent = fmt.Sprintf("with all that it includes the record needs %d DNS lookups and at most %d are allowed: receivers give up with permerror", lookups, spf.MaxLookups)
	case lookups <= spf.MaxLookups && known:
		j.state.Affordable = true
	}
}
