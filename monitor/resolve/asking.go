package resolve

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// carefulWorkers is how many questions at once are asked with care.
	carefulWorkers = 16
	// notAsked and notAskedRefusing are what is said of questions to a source that is left alone.
	notAsked         = "not asked: it answered none of the questions before"
	notAskedRefusing = "not asked: it refused all questions before"
)

// asking is one source's share of a batch. Most of it goes over UDP, one [leg] an address; what needs more than a question
// and a reply is asked with care, by a few workers: what was truncated or answered wrongly, what must go another way, and
// all that goes to sources that are not spoken to over UDP.
type asking struct {
	client *Client
	lane   *lane
	source *Source
	ctx    context.Context //nolint:containedctx // it lives exactly as long as the call that it is of
	emit   func(Observation)
	// queries are the source's own that go over UDP first, items what has become of them. own are all, those that do not
	// behind those that do.
	queries, own []Query
	items        []item
	// whole is all the time that an unanswered question has.
	whole time.Duration
	began time.Time
	// open counts the queries that are not emitted yet.
	open atomic.Int32
	work sync.WaitGroup

	mu sync.Mutex
	// next is the first query that nobody has begun.
	next int
	// moved are the questions that another address is to be asked, by address; walking says which addresses have a leg.
	moved   [][]int32
	walking []bool
	// careful are the questions to be asked with care, workers how many do so.
	careful queue[task]
	workers int
	// probe is how it was found out with the batch's own questions whether a zone's server lives; nil while it was not.
	probe *probe
}

// item is what has become of one query. The leg that it is at works on it; a leg that it was at before may end it by a late
// reply.
type item struct {
	// waited is how long it has been waited for an answer, all tries but the last together.
	waited time.Duration
	// sent is when the last try went out, in nanoseconds since the asking began.
	sent atomic.Int64
	// tries counts those that went out, wrong the replies to something else in its place.
	tries, wrong atomic.Int32
	// at is the leg that it is at. settled is 0 while it is open, else one more than the leg that ended it.
	at, settled atomic.Int32
	// aloft says that it counts as being on its way, awaited that it is waited for, for the leg that it is at.
	aloft, awaited bool
}

// task is a question to be asked with care, and what is known of it.
type task struct {
	query Query
	start start
}

// ask asks the source all its questions and returns when all are emitted.
func (a *asking) ask() {
	a.open.Store(int32(len(a.own)))
	if a.source.Transport != UDP {
		for _, q := range a.own {
			a.later(q, start{transport: a.source.Transport})
		}
		a.work.Wait()
		return
	}
	var fresh []Query
	a.queries = a.own[:0]
	for _, q := range a.own {
		if q.Fresh {
			fresh = append(fresh, q)
		} else {
			a.queries = append(a.queries, q)
		}
	}
	copy(a.own[len(a.queries):], fresh)
	for _, q := range fresh {
		a.later(q, start{transport: TCP, address: int(a.lane.turn.Add(1)) % len(a.source.Addrs)})
	}
	if len(a.queries) > 0 {
		a.mu.Lock()
		a.walk(a.lane.preferred(), true)
		a.mu.Unlock()
	}
	a.work.Wait()
}

// walk gives an address a leg, which with first takes the questions that nobody has begun. The caller holds mu.
func (a *asking) walk(address int, first bool) {
	if a.walking[address] {
		return
	}
	a.walking[address] = true
	leg := newLeg(a, address, first)
	a.work.Go(leg.run)
}

// later has a question asked with care.
func (a *asking) later(q Query, s start) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.since = a.began
	a.careful.push(task{q, s})
	if a.workers < carefulWorkers {
		a.workers++
		a.work.Go(a.askCarefully)
	}
}

// askCarefully is one of the workers.
func (a *asking) askCarefully() {
	for {
		a.mu.Lock()
		if a.careful.len() == 0 {
			a.workers--
			a.mu.Unlock()
			return
		}
		t := a.careful.pop()
		a.mu.Unlock()
		var o Observation
		if admitted(a.ctx, a.allowance(&t.query)) {
			o = a.client.askOne(a.ctx, a.lane, t.query, t.start)
		} else {
			o = a.lane.withheld()
		}
		a.finish(t.query, o)
	}
}

// finish emits what became of a query.
func (a *asking) finish(q Query, o Observation) {
	o.Source, o.Question, o.Ref = q.Source, q.Question, q.Ref
	if o.At.IsZero() {
		o.At = time.Now()
	}
	if o.Withheld {
		a.tried(&o)
	}
	a.heard(&q, &o)
	a.emit(o)
	a.open.Add(-1)
}

// heard takes in whether a question was answered.
func (a *asking) heard(q *Query, o *Observation) {
	switch l := a.lane; {
	case o.Withheld:
	case o.Same:
		a.answered(q, o)
	case o.Outcome.life() == mute:
		l.barren.Add(1)
		l.breaker.unanswered()
	case o.Outcome == Refused && a.source.Role == Recursive:
		l.breaker.refuses(time.Now())
	case o.Outcome.life() != unsure:
		a.answered(q, o)
	}
}

// answered takes in an answer.
func (a *asking) answered(q *Query, o *Observation) {
	if a.lane.answeredTo(q.Question, o.At); len(a.own) > barrenSamples {
		a.lane.fruit.Store(o.At.UnixNano())
	}
}

// begin gives a leg up to n questions that nobody has begun: from one number to before another. None are given while
// it is found out whether the source lives at all. With out they shall not be asked.
func (a *asking) begin(now time.Time, n int) (from, to int, out bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if from = a.next; from == len(a.queries) {
		return from, from, false
	}
	switch a.permit(now) {
	case awaiting, sounding:
		return from, from, false
	case denied:
		a.next, out = len(a.queries), true
	case granted:
		a.next = min(len(a.queries), from+n)
	}
	return from, a.next, out
}

// move has a question asked at another address. It must not be at a leg any more.
func (a *asking) move(number int32, address int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.items[number].at.Store(int32(address))
	a.moved[address] = append(a.moved[address], number)
	a.walk(address, false)
}

// arrived gives the questions that were moved to an address since.
func (a *asking) arrived(address int, into []int32) []int32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	into = append(into, a.moved[address]...)
	a.moved[address] = a.moved[address][:0]
	return into
}
