package asking

import (
	"context"
	"net/netip"

	"maildrift/monitor/resolve"
)

// unlimited is a rate, in questions a second, that nothing reaches.
const unlimited = 1e9

// Maildrift asks with maildrift's client.
func Maildrift(ctx context.Context, job Job) (Result, error) {
	client := resolve.NewClient(resolve.Options{})
	defer client.Close()
	queries := queries(job)
	if job.Known {
		client.Ask(ctx, queries, func(o resolve.Observation) { queries[o.Ref].Known = o.Print })
	}
	var r Result
	for range job.Rounds {
		w := start()
		client.Ask(ctx, queries, r.hear)
		w.stop(&r)
		r.Lookups += len(queries)
	}
	return r, ctx.Err()
}

// queries makes the batch, each question numbered.
func queries(job Job) []resolve.Query {
	source := &resolve.Source{
		ID: "server", Operator: "server", Addrs: []netip.AddrPort{job.Server}, Direct: true,
		Window: job.Window, Rate: job.Rate,
	}
	if job.Rate == 0 {
		source.Rate = unlimited
	}
	questions := job.Fleet.Questions()
	out := make([]resolve.Query, len(questions))
	for i, q := range questions {
		out[i] = resolve.Query{Source: source, Question: q, Ref: i}
	}
	return out
}

func (r *Result) hear(o resolve.Observation) {
	switch {
	case o.Same:
		r.Recognised++
		r.Answered++
	case o.Outcome == resolve.Answered:
		r.Answered++
	case unheard(o.Outcome):
		r.Lost++
	}
}

// unheard says that no reply came at all.
func unheard(o resolve.Outcome) bool {
	return o == resolve.Timeout || o == resolve.Network || o == resolve.Local
}
