package resolve

import (
	"context"
	"sync"

	"maildrift/monitor/rrset"
	"maildrift/monitor/view"
)

// Seen gives what an observation says, in the form that judgements read. An answer
// that is no evidence is a failure.
func (o Observation) Seen() view.Answer {
	a := view.Answer{Status: view.Failed, Chain: o.Chain, TTL: o.TTL, Detail: o.Outcome.String()}
	switch o.Outcome {
	case Answered:
		a.Status, a.Set, a.Detail = view.Found, o.Set, ""
	case NoData:
		a.Status, a.Detail = view.NoData, ""
	case NXDomain:
		a.Status, a.Detail = view.NXDomain, ""
	case Elsewhere, Timeout, ServFail, Refused, OtherRcode, Mismatched, Malformed, Truncated, Lame, Filtered, Stale, Network, Local:
		if o.Detail != "" {
			a.Detail += ": " + o.Detail
		}
	}
	return a
}

// Fill puts answers to all questions into a book: each from the first of the sources
// that gives evidence, else the last failure.
func Fill(ctx context.Context, asker Asker, sources []*Source, book *view.Book, questions []view.Question) {
	var mu sync.Mutex
	open := questions
	for _, s := range sources {
		queries := make([]Query, len(open))
		for i, q := range open {
			queries[i] = Query{Source: s, Question: Question(q)}
		}
		open = nil
		asker.Ask(ctx, queries, func(o Observation) {
			mu.Lock()
			defer mu.Unlock()
			book.Put(view.Question(o.Question), o.Seen())
			if !o.Outcome.Evidence() {
				open = append(open, view.Question(o.Question))
			}
		})
		if len(open) == 0 || ctx.Err() != nil {
			return
		}
	}
}

// FillByZone is Fill for names that may not exist yet: a question about one of the zones goes to that
// zone's servers, so that no resolver remembers an absence; all others go to the resolvers.
func FillByZone(ctx context.Context, asker Asker, zones []Zone, resolvers []*Source, book *view.Book, questions []view.Question) {
	elsewhere := questions[:0:0]
	within := map[rrset.Name][]view.Question{}
	servers := map[rrset.Name][]*Source{}
	for _, q := range questions {
		apex := rrset.Name("")
		for _, z := range zones {
			if len(z.Servers) > 0 && z.Apex != rrset.Root && q.Name.IsAtOrBelow(z.Apex) && len(z.Apex) > len(apex) {
				apex, servers[z.Apex] = z.Apex, z.Servers
			}
		}
		if apex == "" {
			elsewhere = append(elsewhere, q)
			continue
		}
		within[apex] = append(within[apex], q)
	}
	for apex, qs := range within {
		Fill(ctx, asker, servers[apex], book, qs)
	}
	if len(elsewhere) > 0 {
		Fill(ctx, asker, resolvers, book, elsewhere)
	}
}
