package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/mailrec/spf"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
	"maildrift/monitor/view"
)

// checkTree is what an SPF record leads to.
type checkTree struct {
	Lookups int    `json:"lookups"`
	Voids   int    `json:"voids"`
	Problem string `json:"problem,omitempty"`
}

// exploreSPF follows each SPF record that was found good and takes what makes receivers give up
// on it into its result. Only resolvers that were asked already are asked again.
func exploreSPF(ctx context.Context, asker resolve.Asker, sources []*resolve.Source, evidence []monitor.Evidence, results []checkResult) {
	var book view.Book
	trees := make([]spf.Tree, len(evidence))
	view.Settle(&book, func(v view.View) {
		for i, e := range evidence {
			if e.Subject.Record.Kind == mailrec.SPF && results[i].Status == "good" {
				trees[i] = spf.Explore(v, e.Subject.Record.Name)
			}
		}
	}, func(qs []view.Question) { resolve.Fill(ctx, asker, byTrust(sources, evidence), &book, qs) })
	for i, t := range trees {
		if t.Root == nil {
			continue
		}
		results[i].Tree = &checkTree{Lookups: t.Lookups, Voids: t.Voids, Problem: t.Problem}
		if t.Problem != "" && !t.Temporary {
			results[i].Status, results[i].Impact = "wrong", mailrec.Degraded
			results[i].Reason = t.Problem + ": receivers give up with permerror"
			results[i].Rule = "RFC 7208 sections 4.6.4 and 5.2"
		}
	}
}

// checkPolicy is the DMARC policy that applies, under the present rules and those before.
type checkPolicy struct {
	// Applied is what receivers do with mail that fails: none, quarantine or reject; empty if no
	// policy applies. Organisation is what relaxed alignment compares.
	Applied      string     `json:"applied"`
	At           rrset.Name `json:"at,omitempty"`
	Organisation rrset.Name `json:"organisation,omitempty"`
	Text         string     `json:"text"`
	// Before is what receivers do that still go by RFC 7489, where that is something else.
	Before string `json:"rfc7489,omitempty"`
	// Reports says which report addresses get nothing, and why.
	Reports []string `json:"reports,omitempty"`
}

// discoverPolicies finds what receivers apply to each domain of which the DMARC record was looked at, and
// takes it into its result. Names that are not there are not asked of resolvers, so that none
// remembers their absence.
func discoverPolicies(ctx context.Context, asker resolve.Asker, sources []*resolve.Source, evidence []monitor.Evidence, results []checkResult) {
	var book view.Book
	at := map[int]*[2]mailrec.EffectivePolicy{}
	reports := map[int][]mailrec.ReportAddress{}
	for i, e := range evidence {
		if e.Subject.Record.Kind != mailrec.DMARC || results[i].Status == "unknown" || !strings.HasPrefix(string(e.Subject.Record.Name), "_dmarc.") {
			continue
		}
		at[i] = new([2]mailrec.EffectivePolicy)
		heard, ok := e.Decisive()
		if !ok {
			heard, _ = e.FirstHeard()
		}
		own := view.Answer{Status: view.NoData}
		if !heard.Finding.Seen.Empty() {
			own = view.Answer{Status: view.Found, Set: heard.Finding.Seen}
		}
		book.Put(view.Question{Name: e.Subject.Record.Name, Type: rrset.TXT}, own)
	}
	view.Settle(&book, func(v view.View) {
		for i, p := range at {
			author := evidence[i].Subject.Record.Name.Parent()
			p[0], p[1] = mailrec.DiscoverDMARC(v, author), mailrec.DiscoverDMARC7489(v, author)
			reports[i] = mailrec.ReportAddresses(v, p[0])
		}
	}, func(qs []view.Question) {
		resolve.FillByZone(ctx, asker, zonesOf(evidence), byTrust(sources, evidence), &book, qs)
	})
	for i, p := range at {
		results[i].Policy = newCheckPolicy(p[0], p[1], reports[i])
	}
}

// zonesOf gives the zones that were found.
func zonesOf(evidence []monitor.Evidence) []resolve.Zone {
	var out []resolve.Zone
	for _, e := range evidence {
		out = append(out, e.Zone)
	}
	return out
}

func newCheckPolicy(now, before mailrec.EffectivePolicy, reports []mailrec.ReportAddress) *checkPolicy {
	out := &checkPolicy{Applied: now.Applied, At: now.At, Organisation: now.Organisation, Text: now.String()}
	if before.Applied != now.Applied && !before.Temporary && !now.Temporary {
		out.Before = before.String()
	}
	for _, r := range reports {
		if r.Problem != "" {
			out.Reports = append(out.Reports, r.Problem)
		}
	}
	return out
}

// byTrust puts sources first that saw most as the others did.
func byTrust(sources []*resolve.Source, evidence []monitor.Evidence) []*resolve.Source {
	good := map[string]int{}
	for _, e := range evidence {
		for _, h := range e.Heard {
			if h.Stand == judge.Good {
				good[h.Source.ID]++
			}
		}
	}
	out := slices.Clone(sources)
	slices.SortStableFunc(out, func(a, b *resolve.Source) int { return good[b.ID] - good[a.ID] })
	return out
}

// checkVerdict is what receivers make of a domain's mail, as most and as each operator sees it.
type checkVerdict struct {
	verdict.Verdict
	// Operators are those whose view leads to other rulings than most.
	Operators map[string][]verdict.Ruling `json:"operators,omitempty"`
}

// judgeDomains gives each domain's verdict, by name.
func judgeDomains(evidence []monitor.Evidence, results []checkResult) map[string]*checkVerdict {
	out := map[string]*checkVerdict{}
	byDomain := map[string][]int{}
	for i, r := range results {
		byDomain[r.Domain] = append(byDomain[r.Domain], i)
	}
	for domain, at := range byDomain {
		most := make([]verdict.Reading, len(at))
		operators := map[string][]verdict.Reading{}
		for n, i := range at {
			most[n] = readingOf(evidence[i], results[i])
			for _, h := range evidence[i].Heard {
				if h.Source.Role == resolve.Recursive {
					op := string(h.Source.Operator)
					operators[op] = append(operators[op], heardReading(most[n], h))
				}
			}
		}
		if slices.ContainsFunc(at, func(i int) bool { return results[i].Status == "unknown" && weighs(results[i].Kind) }) {
			continue // what receivers do is not known when the records are not
		}
		v := &checkVerdict{Verdict: verdict.Judge(verdict.FromRecords(rrset.Name(domain), most))}
		for op, readings := range operators {
			seen := verdict.Judge(verdict.FromRecords(rrset.Name(domain), readings))
			if len(readings) == len(at) && !slices.Equal(seen.Rulings, v.Rulings) {
				if v.Operators == nil {
					v.Operators = map[string][]verdict.Ruling{}
				}
				v.Operators[op] = seen.Rulings
			}
		}
		out[domain] = v
	}
	return out
}

// weighs says whether a verdict rests on records of a kind.
func weighs(k mailrec.Kind) bool {
	return k == mailrec.SPF || k == mailrec.DKIM || k == mailrec.DMARC
}

func readingOf(e monitor.Evidence, r checkResult) verdict.Reading {
	out := verdict.Reading{Expectation: e.Subject.Record.Expectation, Name: e.Subject.Record.Name}
	heard, ok := e.Decisive()
	if !ok {
		heard, ok = e.FirstHeard()
	}
	out.Finding, out.Failed = heard.Finding, !ok
	if r.Policy != nil {
		out.Inherited = r.Policy.Applied
	}
	out.TreeBroken = r.Tree != nil && r.Tree.Problem != ""
	return out
}

func heardReading(most verdict.Reading, h monitor.Heard) verdict.Reading {
	most.Finding = h.Finding
	most.Failed = h.Stand == judge.Unheard || h.Stand == judge.Bogus
	return most
}

// verdict writes what receivers do with a domain's mail.
func (p *printer) verdict(v *checkVerdict) {
	if v.SPF == verdict.Untried || v.DKIM == verdict.Untried {
		p.printf("  %s\n", p.paint(dim, "What receivers do with the mail depends on SPF and DKIM: name the DKIM selector with --selector, or the service with --preset."))
		return
	}
	dmarc := "fails"
	if v.Passes {
		dmarc = "passes"
	}
	p.printf("  %s\n", p.paint(bold, fmt.Sprintf("mail of the service: SPF %s, DKIM %s, DMARC %s with policy %s", v.SPF, v.DKIM, dmarc, v.Policy)))
	for _, r := range v.Rulings {
		colour := green
		if r.Action != verdict.Accept {
			colour = red
		}
		line := fmt.Sprintf("%-22s %s", r.Receiver, p.paint(colour, r.Action.String()))
		if r.Why != "" {
			line += " " + strings.TrimSpace(r.Code+" "+r.Why)
		}
		p.printf("    %s\n", line)
	}
	ops := make([]string, 0, len(v.Operators))
	for op := range v.Operators {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	if len(ops) > 0 {
		p.printf("    behind %s receivers see other records and may do otherwise\n", strings.Join(ops, ", "))
	}
}
