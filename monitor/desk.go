package monitor

import (
	"context"
	"sync"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
)

// desk is where one round's questions go out once, however many records ask them, and its answers are kept.
type desk struct {
	inquiry *Inquiry
	fresh   bool
	// inquests are by what they ask, in the order in which they came up in list.
	inquests map[inquestKey]*inquest
	list     []*inquest
	// answers are those of all inquests, one after the other.
	answers []answer
	queries []resolve.Query
	count   Count
}

// inquest is one question and all who can be asked it: the resolvers first, then the servers of the zone.
type inquest struct {
	question  resolve.Question
	panel     []*resolve.Source
	resolvers int
	// first is the place of its first answer, that of panel[0].
	first int
	// known are the voices about the first record that asks it, if they are of the same sources in the same order; else nil.
	known *voices
}

// inquestKey tells inquests apart. Records that ask one question of one name have one zone, but may be looked up with
// other resolvers.
type inquestKey struct {
	question  resolve.Question
	resolvers *resolve.Source
	n         int
}

// answer is what came of asking one source.
type answer struct {
	// seen is the observation; nil if the source said the same as before.
	seen *resolve.Observation
	// at is when, in nanoseconds since 1970.
	at      int64
	latency time.Duration
	print   resolve.Print
	ttl     uint32
	state   answerState
	// known is how the source answered before, if it is asked whether it says the same.
	known resolve.Outcome
}

func (a *answer) time() time.Time { return time.Unix(0, a.at) }

type answerState uint8

const (
	// unasked is that nobody has asked so far.
	unasked answerState = iota
	// asking is that the question is on its way, or will be.
	asking
	// answered is that an observation was made, same that the source said what is known.
	answered
	same
	// standing is that the last answer stands and the source is not asked (package pace).
	standing
)

// desks are desks that were cleared, with what lies about them: the jobs of calm records and the evidence of rounds. Their room is
// used again, since the rounds of a large fleet would otherwise keep the garbage collector busy. The zero value has none; it may
// be used concurrently. None at all is fine too.
type desks struct{ pool, jobs, rounds sync.Pool }

// job gives an empty job.
func (d *desks) job() *job {
	if j, ok := d.jobs.Get().(*job); ok {
		return j
	}
	return &job{}
}

// done takes back a job that nobody has any more.
func (d *desks) done(j *job) {
	if d != nil {
		*j = job{}
		d.jobs.Put(j)
	}
}

// evidence gives room for the evidence of a round.
func (d *desks) evidence(n int) []Evidence {
	if d != nil {
		if had, ok := d.rounds.Get().(*[]Evidence); ok && cap(*had) >= n {
			return (*had)[:n]
		}
	}
	return make([]Evidence, n)
}

// heard takes back evidence of which what is needed was copied.
func (d *desks) heard(evidence []Evidence) {
	if d != nil {
		clear(evidence)
		d.rounds.Put(&evidence)
	}
}

func (d *desks) lay(q *Inquiry, fresh bool) *desk {
	var table *desk
	if d != nil {
		table, _ = d.pool.Get().(*desk)
	}
	if table == nil {
		table = &desk{inquests: map[inquestKey]*inquest{}}
	}
	table.inquiry, table.fresh = q, fresh
	return table
}

// clear gives a desk back. Nothing of it is used any more.
func (d *desks) clear(table *desk) {
	if d == nil {
		return
	}
	clear(table.inquests)
	clear(table.list)
	clear(table.answers)
	clear(table.queries[:cap(table.queries)])
	*table = desk{
		inquests: table.inquests, list: table.list[:0], answers: table.answers[:0], queries: table.queries[:0],
	}
	d.pool.Put(table)
}

// take gives the inquest that a piece of evidence waits for.
func (d *desk) take(e *Evidence) *inquest {
	s := &e.Subject
	key := inquestKey{question: s.question(), n: len(s.Resolvers)}
	if key.n > 0 {
		key.resolvers = s.Resolvers[0]
	}
	if had, ok := d.inquests[key]; ok {
		return had
	}
	q := &inquest{question: key.question, resolvers: key.n, first: len(d.answers)}
	q.panel = append(append(make([]*resolve.Source, 0, key.n+len(e.Zone.Servers)), s.Resolvers...), e.Zone.Servers...)
	if s.voices.are(q.panel) {
		q.known = s.voices
	}
	for range q.panel {
		d.answers = append(d.answers, answer{})
	}
	d.inquests[key] = q
	d.list = append(d.list, q)
	return q
}

// answersOf gives the answers of an inquest. They move when another one is taken.
func (d *desk) answersOf(q *inquest) []answer { return d.answers[q.first : q.first+len(q.panel)] }

// want has the sources from one place of the panel to before another asked.
func (d *desk) want(q *inquest, from, to int) {
	for k := from; k < to; k++ {
		a := &d.answers[q.first+k]
		if a.state != unasked {
			d.count.Shared++
			continue
		}
		a.state = asking
		query := resolve.Query{Source: q.panel[k], Question: q.question, Fresh: d.fresh, Ref: q.first + k}
		if q.known != nil && !d.fresh {
			if query.Known = q.known.print(k); query.Known != 0 {
				a.known = q.known.outcome(k)
			}
		}
		d.queries = append(d.queries, query)
	}
}

// ask sends what is wanted and was not sent yet.
func (d *desk) ask(ctx context.Context) {
	if len(d.queries) == 0 {
		return
	}
	d.count.Sent += len(d.queries)
	d.inquiry.Asker.Ask(ctx, d.queries, func(o resolve.Observation) {
		d.count.came(&o)
		a := &d.answers[o.Ref]
		a.state, a.at, a.ttl, a.latency, a.print = answered, o.At.UnixNano(), o.TTL, o.Latency, o.Print
		if o.Same {
			a.state, o.Outcome = same, a.known
		} else {
			seen := o
			a.seen = &seen
		}
		if d.inquiry.Observed != nil {
			d.inquiry.Observed(o)
		}
		if !o.Outcome.Evidence() && o.Outcome != resolve.Elsewhere {
			d.count.fail(&o)
		}
	})
	d.queries = d.queries[:0]
}

// observation gives what a source said, whole; false if it was not asked.
func (q *inquest) observation(k int, a *answer) (resolve.Observation, bool) {
	switch a.state {
	case answered:
		return *a.seen, true
	case same:
		return q.known.fill(k, resolve.Observation{
			Source: q.panel[k], Question: q.question, Print: a.print, At: a.time(), TTL: a.ttl, Latency: a.latency,
		}), true
	case standing:
		return q.known.observation(k, q.question), true
	case unasked, asking:
	}
	return resolve.Observation{}, false
}

// published says whether every server of the zone that answers has the record,
// and enough of them do; or all abstain because a CNAME leads elsewhere.
func (d *desk) published(e *Evidence, q *inquest) bool {
	answered := 0
	answers := d.answersOf(q)
	for k := q.resolvers; k < len(q.panel); k++ {
		o, ok := q.observation(k, &answers[k])
		if !ok {
			continue
		}
		switch hear(&e.Subject, o).Stand {
		case judge.Good, judge.Abstains:
			answered++
		case judge.Differs, judge.Absent:
			return false
		case judge.Unheard, judge.Bogus:
		}
	}
	return answered*2 >= len(e.Zone.Servers)
}
