package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/rrset"
)

// SharedKey is the key of a record that domains' SPF records include or redirect to: it is
// watched once, however many domains rest on it.
const SharedKey = "include"

// maxReach bounds how many records one SPF record is followed to. Receivers give up at ten.
const maxReach = 20

// maxExamples is how many domains that rest on a record are named.
const maxExamples = 5

// Shared says who rests on a record that is nobody's own. Such a record is watched as a
// domain of its own that nobody registered, with one record under SharedKey.
type Shared struct {
	// Count is how many registered domains do; Examples are some of them, in order.
	Count    int
	Examples []rrset.Name
	// Redirect says that somebody's redirect leads here, so that what the record says about
	// strangers counts too.
	Redirect bool
}

// reference is a term of an SPF record that leads to another record.
type reference struct {
	name     rrset.Name
	redirect bool
}

// branch is what an SPF record contributes to a tree.
type branch struct {
	// lookups counts its own terms that look something up.
	lookups int
	refs    []reference
}

// reader reads SPF records, each content once.
type reader map[rrset.Hash]branch

func (m reader) read(set rrset.Set) branch {
	hash := set.Hash()
	b, ok := m[hash]
	if !ok {
		if r, usable := mailrec.ReadSPF(set); usable {
			b = branch{lookups: r.Lookups(), refs: references(r)}
		}
		m[hash] = b
	}
	return b
}

// references gives the records that an SPF record leads to, but for those that depend on the
// message.
func references(r spf.Record) []reference {
	var out []reference
	for _, t := range r.Terms() {
		leads := t.Name == "include" && !t.IsModifier() || t.Name == "redirect"
		if !leads || strings.Contains(t.Domain, "%") {
			continue
		}
		if name, err := rrset.ParseName(t.Domain); err == nil {
			out = append(out, reference{name, t.Name == "redirect"})
		}
	}
	return out
}

// sharing finds the records that the registered domains' verified SPF records rest on.
type sharing struct {
	domains map[rrset.Name]*Domain
	states  *stateTable
	found   map[rrset.Name]*Domain
	reader  reader
	// reach are the records that those of the domain that is looked at lead to, as far as they were followed.
	reach []rrset.Name
}

// sharedBy gives a domain for each record that others rest on.
func sharedBy(domains map[rrset.Name]*Domain, states *stateTable) map[rrset.Name]*Domain {
	s := &sharing{domains: domains, states: states, found: map[rrset.Name]*Domain{}, reader: reader{}}
	for _, name := range sortedKeys(domains) {
		d := domains[name]
		s.reach = s.reach[:0]
		for i := range d.Records {
			if r := &d.Records[i]; r.Kind == mailrec.SPF {
				s.follow(d, RecordID{name, r.Key})
			}
		}
	}
	return s.found
}

// follow adds all that a record leads to. What is not verified leads nowhere yet.
func (s *sharing) follow(d *Domain, id RecordID) {
	baseline, verified := s.states.verified(id)
	if !verified {
		return
	}
	for _, ref := range s.reader.read(baseline).refs {
		if slices.Contains(s.reach, ref.name) || len(s.reach) == maxReach {
			continue
		}
		s.reach = append(s.reach, ref.name)
		if own, ok := s.watched(ref.name); ok {
			s.follow(d, own) // it tells of itself
			continue
		}
		s.count(d, ref)
		s.follow(d, RecordID{ref.name, SharedKey})
	}
}

// watched says whether a registered domain watches the SPF record of a name already.
func (s *sharing) watched(name rrset.Name) (RecordID, bool) {
	d, ok := s.domains[name]
	if !ok {
		return RecordID{}, false
	}
	i := slices.IndexFunc(d.Records, func(r Record) bool { return r.Kind == mailrec.SPF && r.Name == name })
	if i < 0 {
		return RecordID{}, false
	}
	return RecordID{name, d.Records[i].Key}, true
}

func (s *sharing) count(d *Domain, ref reference) {
	node, ok := s.found[ref.name]
	if !ok {
		node = &Domain{
			Name: ref.name, Spec: Spec{Domain: string(ref.name), Schedule: d.Spec.Schedule}, Shared: &Shared{},
			Records: []Record{{
				Key: SharedKey, Name: ref.name, Purpose: "others' SPF records rest on it",
				Expectation: mailrec.Expectation{Kind: mailrec.SPF, Match: mailrec.Maintained},
			}},
		}
		s.found[ref.name] = node
	}
	node.Shared.Count++
	node.Shared.Redirect = node.Shared.Redirect || ref.redirect
	if len(node.Shared.Examples) < maxExamples {
		node.Shared.Examples = append(node.Shared.Examples, d.Name)
	}
}

// refreshShared brings the shared records to what the registered domains rest on now, and
// has new ones looked at.
func (e *Engine) refreshShared(ctx context.Context) error {
	e.commits.Lock()
	var batch Batch
	var fresh []*Domain
	e.mu.Lock()
	shared := sharedBy(e.domains, e.states)
	for _, name := range sortedKeys(shared) {
		before := len(batch.States)
		e.planStates(shared[name], &batch, time.Now())
		if len(batch.States) > before {
			fresh = append(fresh, shared[name])
		}
	}
	for _, name := range sortedKeys(e.shared) {
		// One that was found by a reload and is gone again before it was looked at has no state yet.
		id := RecordID{name, SharedKey}
		if _, ok := shared[name]; !ok && e.states.has(id) {
			e.planRemoval(id, &batch, time.Now(), "no registered domain rests on it any more", "")
		}
	}
	e.mu.Unlock()
	if !batch.empty() {
		if err := e.commitLocked(ctx, &batch); err != nil {
			e.commits.Unlock()
			return fmt.Errorf("keep which records others rest on: %w", err)
		}
	}
	e.mu.Lock()
	e.setShared(shared)
	e.applyBatch(batch)
	e.mu.Unlock()
	e.commits.Unlock()
	if len(fresh) > 0 {
		e.background(func(ctx context.Context) {
			if err := e.sweepDomains(ctx, "", fresh, all); err != nil && ctx.Err() == nil {
				e.log.Error("first look at records that others rest on failed", "err", err)
			}
		})
	}
	return nil
}

// restsOnOthers says whether a batch changes what records rest on which.
func (b Batch) restsOnOthers() bool {
	return len(b.Removed) > 0 || len(b.Domains) > 0 || slices.ContainsFunc(b.States, func(s RecordState) bool {
		return s.Expectation.Kind == mailrec.SPF
	})
}
