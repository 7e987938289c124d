package sweeping

import (
	"context"
	"sync/atomic"
	"time"

	"maildrift/monitor/resolve"
)

// counted is an asker that counts, by source, what is asked and what comes back.
type counted struct {
	resolve.Asker
	// order and by are the sources; neither changes.
	order []*tally
	by    map[*resolve.Source]*tally
	// missing questions were asked and never came back at all.
	missing atomic.Int64
}

// tally counts one source's answers of a sweep.
type tally struct {
	observed, lost atomic.Int64
	// last is when the last one was in, in Unix nanoseconds.
	last atomic.Int64
}

func count(asker resolve.Asker, sources []*resolve.Source) *counted {
	out := &counted{Asker: asker, by: map[*resolve.Source]*tally{}}
	for _, s := range sources {
		t := new(tally)
		out.order = append(out.order, t)
		out.by[s] = t
	}
	return out
}

// Ask implements resolve.Asker.
func (c *counted) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	back := 0
	c.Asker.Ask(ctx, queries, func(o resolve.Observation) {
		back++
		if t := c.by[o.Source]; t != nil {
			t.hear(o)
		}
		emit(o)
	})
	c.missing.Add(int64(len(queries) - back))
}

func (t *tally) hear(o resolve.Observation) {
	t.observed.Add(1)
	if !o.Same && unheard(o.Outcome) {
		t.lost.Add(1)
	}
	at := o.At.UnixNano()
	for had := t.last.Load(); at > had && !t.last.CompareAndSwap(had, at); had = t.last.Load() {
	}
}

// unheard says that no reply came at all.
func unheard(o resolve.Outcome) bool {
	return o == resolve.Timeout || o == resolve.Network || o == resolve.Local
}

// take gives what was counted since the last time, for a sweep that began at a moment.
func (c *counted) take(began time.Time) (sources []Source, missing int) {
	for _, t := range c.order {
		s := Source{Observed: int(t.observed.Swap(0)), Lost: int(t.lost.Swap(0))}
		if last := t.last.Swap(0); last > 0 {
			s.Last = time.Unix(0, last).Sub(began)
		}
		sources = append(sources, s)
	}
	return sources, int(c.missing.Swap(0))
}
