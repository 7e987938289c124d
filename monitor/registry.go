package monitor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"maildrift/monitor/cores"
	"maildrift/monitor/preset"
	"maildrift/monitor/rrset"
)

// registry makes the registry of the configured domains and of those that were registered at run time. The caller holds mu.
func (e *Engine) registry(settings *Settings, configured []*Domain) (map[rrset.Name]*Domain, error) {
	domains := make(map[rrset.Name]*Domain, len(configured)+len(e.stored))
	var problems []error
	for _, d := range configured {
		had, ok := e.stored[d.Name]
		if ok && had.Spec != nil {
			problems = append(problems, fmt.Errorf("%s:%d: domain %s is registered at run time too; remove it there (maildrift domains remove %s) or here",
				d.Origin.File, d.Origin.Line, d.Name, d.Name))
			continue
		}
		if ok && e.domains == nil { // at the start, after which setDomains sees to it
			had.Name = d.Name // the same text, once in memory
			e.stored[d.Name] = had
		}
		amended, err := d.amend(had)
		if err != nil {
			problems = append(problems, fmt.Errorf("%s:%d: %w", d.Origin.File, d.Origin.Line, err))
			continue
		}
		domains[d.Name] = amended
	}
	problems = append(problems, e.addStored(settings, domains)...)
	for _, d := range domains {
		if _, ok := settings.Groups[d.Schedule()]; !ok {
			problems = append(problems, fmt.Errorf("domain %s: no schedule %q is configured", d.Name, d.Schedule()))
		}
	}
	return domains, errors.Join(problems...)
}

// addStored adds the domains that were registered at run time and says what is wrong with them. The caller holds mu.
func (e *Engine) addStored(settings *Settings, domains map[rrset.Name]*Domain) []error {
	var names []rrset.Name
	var specs []*Spec
	for name, had := range e.stored {
		if had.Spec != nil {
			names, specs = append(names, name), append(specs, had.Spec)
		}
	}
	written, problems := resolveAll(len(specs), func(i int) *Spec { return specs[i] }, e.presets(settings))
	for i, name := range names {
		had, d, err := e.stored[name], written[i], problems[i]
		if err == nil {
			if name == d.Name {
				name = d.Name // what is a key is in memory too
			}
			had.Name, had.Spec = d.Name, &d.Spec // which says the same, in less memory
			e.stored[name] = had
			d, err = d.amend(had)
		}
		if domains[name] = d; err != nil {
			problems[i] = fmt.Errorf("domain %s, registered at run time: %w", name, err)
			delete(domains, name)
		}
	}
	return problems
}

// fewDomains lie by themselves: the pieces that many share are too large for them.
const fewDomains = 250

// ResolveAll resolves specs. For each there is a domain or an error, see [Spec.Resolve]. It takes tens of microseconds a
// spec, which are a hundred thousand for a large fleet, so that it is done on all cores.
func ResolveAll(specs []Spec, presets preset.Set) (domains []*Domain, problems []error) {
	return resolveAll(len(specs), func(i int) *Spec { return &specs[i] }, presets)
}

func resolveAll(n int, spec func(i int) *Spec, presets preset.Set) (domains []*Domain, problems []error) {
	domains, problems = make([]*Domain, n), make([]error, n)
	_ = cores.Ranges(n, func(from, to int) error { // what is wrong is kept one by one
		on := newShelf(to - from)
		for i := from; i < to; i++ {
			domains[i], problems[i] = spec(i).resolve(presets, on)
		}
		return nil
	})
	return domains, problems
}

// introducedAtOnce is how many domains that are new are begun in one transaction.
const introducedAtOnce = 2000

// introduce begins the domains of which nothing is known yet, some at a time: to begin a large fleet as a whole takes gigabytes.
// What was committed before an error stays, and the next start goes on from there. The caller holds commits, and
// nobody else has the engine yet.
func (e *Engine) introduce(ctx context.Context, domains map[rrset.Name]*Domain, now time.Time) error {
	var fresh []*Domain
	for name, d := range domains {
		if !e.states.knows(name) {
			fresh = append(fresh, d)
		}
	}
	slices.SortFunc(fresh, func(a, b *Domain) int { return strings.Compare(string(a.Name), string(b.Name)) })
	for some := range slices.Chunk(fresh, introducedAtOnce) {
		var batch Batch
		for _, d := range some {
			e.planDomain(d, &batch, now)
		}
		if err := e.commitLocked(ctx, &batch); err != nil {
			return fmt.Errorf("begin with %d domains: %w", len(some), err)
		}
		for _, d := range batch.Domains {
			e.stored[d.Name] = d
		}
		for _, d := range some {
			e.begin(d, now)
		}
	}
	return nil
}

// begin takes in the states of a domain of which nothing was known.
func (e *Engine) begin(d *Domain, now time.Time) {
	list := make([]filed, len(d.Records))
	for i := range d.Records {
		s := d.Records[i].registered(d.Name, now)
		list[i] = e.states.file(s.owned(), &d.Records[i], nil)
	}
	e.states.load(d.Name, list)
}

// registered gives the state of a record that begins to be watched.
func (r *Record) registered(domain rrset.Name, now time.Time) RecordState {
	s := RecordState{ID: RecordID{domain, r.Key}, Name: r.Name, Expectation: r.Expectation}
	s.Registered, s.Since = now, now
	return s
}
