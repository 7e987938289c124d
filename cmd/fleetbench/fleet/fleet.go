package fleet

import (
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"

	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Apex is the zone that all names of fleets are in. RFC 6761 section 6.2 sets it aside for tests.
const Apex rrset.Name = "test"

// Fleet is so many made-up domains.
type Fleet struct {
	Size int    `json:"size"`
	Seed uint64 `json:"seed"`
}

// Domain is one sending domain with what it publishes and what is expected of it.
type Domain struct {
	Name   rrset.Name
	Zone   []Record
	Expect []monitor.ExpectSpec
	// Asked is what each source is asked about it, one question for each expectation.
	Asked []resolve.Question
}

// Spec is the domain as a person registers it.
func (d Domain) Spec() monitor.Spec { return monitor.Spec{Domain: string(d.Name), Expect: d.Expect} }

// All gives the domains one after the other.
func (f Fleet) All() iter.Seq[Domain] {
	return func(yield func(Domain) bool) {
		for i := range f.Size {
			if !yield(f.domain(i)) {
				return
			}
		}
	}
}

// Domains gives the fleet as the engine knows it, as if it were written in a file of one line a domain.
func (f Fleet) Domains() ([]*monitor.Domain, error) {
	presets, err := preset.Load(configs.Presets)
	if err != nil {
		return nil, fmt.Errorf("built-in presets: %w", err)
	}
	specs := make([]monitor.Spec, 0, f.Size)
	for d := range f.All() {
		specs = append(specs, d.Spec())
	}
	out, problems := monitor.ResolveAll(specs, presets)
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("the fleet's specs: %w", err)
	}
	for i, d := range out {
		d.Origin = monitor.Origin{File: "fleet.yml", Line: i + 1}
	}
	return out, nil
}

// Questions gives what a sweep asks each source, each question once.
func (f Fleet) Questions() []resolve.Question {
	var out []resolve.Question
	for d := range f.All() {
		seen := map[resolve.Question]bool{}
		for _, q := range d.Asked {
			if !seen[q] {
				seen[q] = true
				out = append(out, q)
			}
		}
	}
	return out
}

// Canaries are names of the zone whose answers are known, for the engine.
func Canaries() []monitor.Canary {
	return []monitor.Canary{
		{Question: resolve.Question{Name: Apex.Child("canary"), Type: rrset.TXT}, Want: resolve.Answered},
		{Question: resolve.Question{Name: Apex.Child("nowhere"), Type: rrset.A}, Want: resolve.NXDomain, Random: true},
	}
}

// dice gives the source of all choices about domain i, which is its own, so that a domain is the same in fleets of
// every size.
func (f Fleet) dice(i int) *rand.Rand { return rand.New(rand.NewPCG(f.Seed, uint64(i))) }
