package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/diagnose"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
	"maildrift/monitor/web/wire"
)

// checkDiagnosis is why a record is not good, and how to see and mend it.
type checkDiagnosis struct {
	// Causes are in order, best first.
	Causes []diagnose.Diagnosis `json:"causes"`
	// Commands show the same without maildrift.
	Commands []string `json:"commands,omitempty"`
}

// diagnostician finds out why records are not good.
type diagnostician struct {
	asker     resolve.Asker
	zones     *resolve.Delegations // nil when the zones' own servers are not asked
	resolvers []*resolve.Source
}

// explain puts a diagnosis into each result that is not good.
func (d *diagnostician) explain(ctx context.Context, evidence []monitor.Evidence, results []checkResult) {
	byZone := map[rrset.Name][]int{}
	for i, r := range results {
		if r.Status != "good" && r.Tree == nil {
			apex := evidence[i].Zone.Apex
			byZone[apex] = append(byZone[apex], i)
		}
	}
	for _, apex := range slices.Sorted(maps.Keys(byZone)) {
		at := byZone[apex]
		cases := make([]diagnose.Case, len(at))
		for n, i := range at {
			cases[n] = d.caseOf(evidence[i], results[i])
		}
		for n, causes := range d.settle(ctx, evidence, at, cases) {
			results[at[n]].Diagnosis = &checkDiagnosis{
				Causes:   causes,
				Commands: diagnose.Commands(cases[n].Name, cases[n].Expectation.Kind.Type(), cases[n].Servers),
			}
		}
	}
}

// settle diagnoses the cases of one zone. Questions about names in the zone go to its own
// servers: resolvers then learn nothing that might be published soon.
func (d *diagnostician) settle(ctx context.Context, evidence []monitor.Evidence, at []int, cases []diagnose.Case) [][]diagnose.Diagnosis {
	out := make([][]diagnose.Diagnosis, len(cases))
	zone, servers := evidence[at[0]].Zone, answering(evidence[at[0]])
	resolvers := byTrust(d.resolvers, evidence)
	resolvers = resolvers[:min(len(resolvers), mostAsked)]
	var book view.Book
	round := func() {
		view.Settle(&book, func(v view.View) {
			for n, c := range cases {
				out[n] = diagnose.Diagnose(c, v)
			}
		}, func(qs []view.Question) {
			var inside, elsewhere []view.Question
			for _, q := range qs {
				if len(servers) > 0 && q.Name.IsAtOrBelow(zone.Apex) {
					inside = append(inside, q)
				} else {
					elsewhere = append(elsewhere, q)
				}
			}
			d.fill(ctx, servers, &book, inside)
			d.fill(ctx, resolvers, &book, elsewhere)
		})
	}
	round()
	if d.zones == nil || len(zone.Servers) == 0 {
		return out
	}
	own := book.Look(view.Question{Name: zone.Apex, Type: rrset.NS}).Set.Hosts()
	own = slices.DeleteFunc(own, func(n rrset.Name) bool { return slices.Contains(cases[0].Servers, n) })
	if outside := d.zones.Servers(ctx, own); len(outside) > 0 {
		for n, i := range at {
			cases[n].Outside = d.ask(ctx, evidence[i].Subject, outside)
		}
		round()
	}
	return out
}

// fill spreads questions over sources, so that none has to answer them all at its slow pace, and
// asks the others what one does not answer.
func (d *diagnostician) fill(ctx context.Context, sources []*resolve.Source, book *view.Book, qs []view.Question) {
	if len(sources) == 0 {
		return
	}
	queries := make([]resolve.Query, len(qs))
	for i, q := range qs {
		queries[i] = resolve.Query{Source: sources[i%len(sources)], Question: resolve.Question(q)}
	}
	var open []view.Question
	d.asker.Ask(ctx, queries, func(o resolve.Observation) {
		q := view.Question(o.Question)
		book.Put(q, o.Seen())
		if !o.Outcome.Evidence() && o.Outcome != resolve.Elsewhere {
			open = append(open, q)
		}
	})
	if len(open) > 0 && len(sources) > 1 && ctx.Err() == nil {
		resolve.Fill(ctx, d.asker, sources, book, open)
	}
}

// mostAsked is how many sources the questions of a diagnosis go to.
const mostAsked = 3

// answering gives servers of the zone that have answered, or else some of all.
func answering(e monitor.Evidence) []*resolve.Source {
	var out []*resolve.Source
	for _, h := range e.Heard {
		if h.Source.Role == resolve.Authoritative && (h.Outcome.Evidence() || h.Outcome == resolve.Elsewhere) {
			out = append(out, h.Source)
		}
	}
	if len(out) == 0 {
		out = e.Zone.Servers
	}
	return out[:min(len(out), mostAsked)]
}

// ask asks servers for a record.
func (d *diagnostician) ask(ctx context.Context, s monitor.Subject, servers []*resolve.Source) []diagnose.Source {
	var queries []resolve.Query
	for _, server := range servers {
		queries = append(queries, resolve.Query{Source: server, Question: resolve.Question{Name: s.Record.Name, Type: s.Record.Kind.Type()}})
	}
	var out []diagnose.Source
	d.asker.Ask(ctx, queries, func(o resolve.Observation) {
		good := o.Outcome == resolve.Answered && s.Record.Check(o.Set).Class == mailrec.Same
		out = append(out, sourceOf(monitor.Heard{Observation: o}, good))
	})
	slices.SortFunc(out, func(a, b diagnose.Source) int { return strings.Compare(a.ID, b.ID) })
	return out
}

func sourceOf(h monitor.Heard, good bool) diagnose.Source {
	return diagnose.Source{
		ID: h.Source.ID, Authority: h.Source.Role == resolve.Authoritative, Answer: h.Seen(),
		Good: good, Bogus: h.Bogus, Refuses: h.Outcome == resolve.Refused || h.Outcome == resolve.Lame, At: h.At,
	}
}

// caseOf puts together what is known about a record.
func (d *diagnostician) caseOf(e monitor.Evidence, r checkResult) diagnose.Case {
	c := diagnose.Case{
		Domain: e.Subject.Domain.Name, Name: e.Subject.Record.Name, Expectation: e.Subject.Record.Expectation,
		Zone: e.Zone.Apex, Servers: hostsOf(e.Zone.Servers), Reason: r.Reason, Variants: d.variants(e.Subject),
	}
	if len(e.Zone.Servers) == 0 {
		c.NoServers = e.Zone.Detail
	}
	for _, p := range e.Subject.Record.Publish {
		c.Publish = append(c.Publish, diagnose.Record(p))
	}
	if len(c.Publish) == 0 {
		c.Publish = aliasAt(e.Subject)
	}
	for _, h := range e.Heard {
		c.Sources = append(c.Sources, sourceOf(h, h.Stand == judge.Good))
	}
	heard, ok := e.Decisive()
	if !ok || heard.Stand == judge.Good {
		heard, ok = e.FirstHeard()
	}
	if e.Subject.Verified {
		c.Baseline = e.Subject.Baseline
	}
	switch {
	case ok:
		c.Answer = heard.Seen()
	case len(e.Heard) > 0:
		c.Answer = e.Heard[0].Seen() // a failure: nobody gave evidence
	}
	return c
}

// aliasAt gives the CNAME that the domain must publish where this record is: services publish
// their keys behind one.
func aliasAt(s monitor.Subject) []diagnose.Record {
	var out []diagnose.Record
	for _, r := range s.Domain.Records {
		if r.Name != s.Record.Name || r.Kind != mailrec.CNAME {
			continue
		}
		for _, p := range r.Publish {
			out = append(out, diagnose.Record(p))
		}
	}
	return out
}

// hostsOf gives the names of a zone's servers, each once.
func hostsOf(servers []*resolve.Source) []rrset.Name {
	var out []rrset.Name
	for _, s := range servers {
		host, _, _ := strings.Cut(s.ID, "/")
		if n := rrset.Name(host); !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

// variants gives the same record for the other values that the preset's parameters may have.
func (d *diagnostician) variants(s monitor.Subject) []diagnose.Variant {
	presets, err := loadPresets()
	if err != nil || s.Domain.Spec.Service == "" {
		return nil
	}
	p, err := presets.Get(s.Domain.Spec.Service)
	if err != nil {
		return nil
	}
	var out []diagnose.Variant
	for _, q := range p.Params {
		for _, value := range slices.Concat(q.Values, examples(q)) {
			if value == s.Domain.Spec.Params[q.Name] {
				continue
			}
			params := maps.Clone(s.Domain.Spec.Params)
			if params == nil {
				params = map[string]string{}
			}
			params[q.Name] = value
			out = append(out, variantsOf(p, s, params, q.Name+" "+value)...)
		}
	}
	return out
}

// examples gives the example of a parameter that names a selector: many domains have it.
func examples(q preset.Param) []string {
	if q.Name == "selector" && q.Example != "" {
		return []string{q.Example}
	}
	return nil
}

// variantsOf gives the records of the subject's kind that other parameters ask for.
func variantsOf(p preset.Preset, s monitor.Subject, params map[string]string, title string) []diagnose.Variant {
	expected, err := p.Expand(s.Domain.Name, params)
	if err != nil {
		return nil
	}
	var out []diagnose.Variant
	for _, e := range expected {
		other := e.Name != s.Record.Name || !slices.Equal(e.Expectation.Want, s.Record.Want)
		if e.Expectation.Kind == s.Record.Kind && other {
			out = append(out, diagnose.Variant{Title: title, Name: e.Name, Expectation: e.Expectation})
		}
	}
	return out
}

// diagnosis writes the best cause, and the names of the others.
func (p *printer) diagnosis(d *checkDiagnosis) {
	for i, c := range d.Causes {
		if i > 0 {
			p.field("or else", c.Sentence)
			continue
		}
		p.field("cause", fmt.Sprintf("%s (%s)", c.Sentence, strings.TrimSuffix(c.Certainty.String()+", "+c.Rule, ", ")))
		for _, e := range c.Evidence {
			p.field("", e)
		}
		p.field("fix", c.Fix)
		for _, l := range c.Publish {
			p.field("publish", l.String())
			p.field(" BIND", l.MasterFile)
			p.field(" panel", entryLine(l.Panel, l.Entry))
		}
	}
	for i, c := range d.Commands {
		p.field([]string{"see", ""}[min(i, 1)], c)
	}
}

// entryLine is what to type into a DNS host's panel, in one line.
func entryLine(host string, fields []diagnose.Field) string {
	if len(fields) == 0 {
		return ""
	}
	parts := make([]string, len(fields))
	for i, f := range fields {
		parts[i] = f.Label + ": " + f.Value
	}
	return host + ": " + strings.Join(parts, ", ")
}

// Explain implements monitor.Explainer.
func (n *network) Explain(ctx context.Context, evidence []monitor.Evidence) []monitor.Explanation {
	now := n.current()
	d := diagnostician{asker: now.client, resolvers: evidence[0].Subject.Resolvers}
	if now.survey.Zones != nil {
		d.zones = now.zones
	}
	results := make([]checkResult, len(evidence))
	for i, e := range evidence {
		results[i] = newCheckResult(e)
	}
	d.explain(ctx, evidence, results)
	out := make([]monitor.Explanation, len(evidence))
	for i, r := range results {
		if r.Diagnosis != nil && len(r.Diagnosis.Causes) > 0 {
			best := r.Diagnosis.Causes[0]
			out[i] = monitor.Explanation{Cause: best.Sentence, Fix: best.Fix}
		}
	}
	return out
}

// diagnose looks closer at a domain's records: it asks about all of them once, and looks around for those that are not as
// they should be.
func (d *daemon) diagnose(ctx context.Context, domain *monitor.Domain, state func(key string) *monitor.RecordState) ([]wire.RecordDiagnosis, error) {
	d.mu.Lock()
	cfg := d.cfg
	d.mu.Unlock()
	now := d.network.current()
	sources := cfg.Groups[cfg.Schedules[domain.Schedule()].Resolvers]
	why := diagnostician{asker: now.client, resolvers: sources}
	inquiry := &monitor.Inquiry{Asker: now.client, Rules: cfg.Rules}
	if cfg.Authority.Enabled {
		why.zones, inquiry.Authorities = now.zones, now.zones
	}
	var subjects []monitor.Subject
	for _, r := range domain.Records {
		subject := monitor.Subject{Domain: domain, Record: r, Resolvers: sources}
		if st := state(r.Key); st != nil {
			subject.Baseline, subject.Verified = st.Baseline, st.Phase == judge.Verified
		}
		subjects = append(subjects, subject)
	}
	evidence, _ := inquiry.Round(ctx, subjects, nil, false)
	results := make([]checkResult, len(evidence))
	for i, e := range evidence {
		results[i] = newCheckResult(e)
	}
	why.explain(ctx, evidence, results)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out := make([]wire.RecordDiagnosis, len(results))
	for i, r := range results {
		out[i] = wire.RecordDiagnosis{Record: r.Record, Status: r.Status, Reason: r.Reason, Causes: []diagnose.Diagnosis{}, Commands: []string{}}
		if r.Diagnosis != nil {
			out[i].Causes = append(out[i].Causes, r.Diagnosis.Causes...)
			out[i].Commands = append(out[i].Commands, r.Diagnosis.Commands...)
		}
	}
	return out, nil
}
