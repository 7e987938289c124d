package resolve

import "time"

const (
	// lookAround is how long a leg waits for replies at most before it looks what else there is to do, restless the same for
	// one that waits for none itself: another leg may have questions for it, or have ended the last one.
	lookAround = 50 * time.Millisecond
	restless   = 5 * time.Millisecond
	// pollEvery is how often it is looked for late replies.
	pollEvery = time.Millisecond
)

// leg asks one address of a source over UDP. One goroutine does all of it, sending and receiving in turn and in
// batches, so that a question in its steady state costs no goroutine, no timer, no lock of its own and no allocation.
type leg struct {
	*asking
	address int
	// first says that it takes questions that nobody has begun.
	first bool
	tempo tempo
	// beside are all legs of the address; counted is how many of this one's questions are in flight by their count.
	beside  *crowd
	counted int32
	// now is the port that questions go out from, before are those that still may bring replies.
	now    *port
	before []*port
	polled time.Time
	// waiting are the questions that are waited for by their try, in order of sending, and aloft the first of each that counts
	// as being on its way; inflight is how many do. retry are those to be sent again.
	waiting  [maxTries]queue[flight]
	aloft    [maxTries]int
	inflight int
	// awaited counts those that are waited for and not answered, behind which answered ones may stand.
	awaited  int
	retry    queue[int32]
	skimmer  skimmer
	question []byte
	arriving []int32
	// answered and lost are those since the pacer was told; mute counts timeouts in a row.
	answeredN, lostN, mute int
}

// flight is one question that is waited for. Times are as items have them.
type flight struct {
	sent, due int64
	number    int32
}

func newLeg(a *asking, address int, first bool) *leg {
	beside := a.lane.crowd(address)
	beside.legs.Add(1)
	return &leg{
		asking: a, address: address, beside: beside, first: first, tempo: newTempo(a.lane.window),
		skimmer: skimmer{seed: a.client.seed}, question: make([]byte, 0, maxQuestion),
	}
}

// run asks until all of the source's questions are answered.
func (l *leg) run() {
	defer l.close()
	for l.open.Load() > 0 {
		if err := l.ctx.Err(); err != nil {
			l.giveUp(err)
			return
		}
		now := time.Now()
		l.expire(now)
		wait := l.fill(now)
		l.count()
		l.tell(now)
		l.listen(l.until(now, wait))
	}
}

func (l *leg) close() {
	l.beside.legs.Add(-1)
	l.beside.inflight.Add(-l.counted)
	for _, p := range append(l.before, l.now) {
		if p != nil {
			l.shut(p)
		}
	}
}

func (l *leg) shut(p *port) {
	p.close()
	l.client.release(p.buffers)
}

// count has the other legs of the address know how many questions this one has in flight.
func (l *leg) count() {
	if n := int32(l.inflight); n != l.counted {
		l.beside.inflight.Add(n - l.counted)
		l.counted = n
	}
}

// tell has the pacer know how it goes.
func (l *leg) tell(now time.Time) {
	if l.answeredN+l.lostN > 0 {
		l.lane.pacer.told(now, l.answeredN, l.lostN)
		l.answeredN, l.lostN = 0, 0
	}
}

// until is when the leg has something to do even if nothing comes.
func (l *leg) until(now time.Time, wait time.Duration) time.Time {
	next := now.Add(lookAround)
	if l.inflight == 0 {
		next = now.Add(restless)
	}
	if wait > 0 {
		next = earlier(next, now.Add(max(wait, 200*time.Microsecond)))
	}
	for i := range l.waiting {
		if l.waiting[i].len() > 0 {
			next = earlier(next, l.began.Add(time.Duration(l.waiting[i].first().due)))
		}
	}
	return next
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// expire takes the questions whose time is over from those that are waited for, and those that have been on their way for
// longer than answers take out of flight.
func (l *leg) expire(now time.Time) {
	at := l.since(now)
	lost := at - int64(l.tempo.flight())
	for try := range l.waiting {
		q := &l.waiting[try]
		for q.len() > 0 {
			f := q.first()
			it := &l.items[f.number]
			settled := it.settled.Load() != 0
			if !settled && f.due > at {
				break
			}
			number := q.pop().number
			l.aloft[try] = max(0, l.aloft[try]-1)
			l.ended(it)
			if !settled {
				l.tempo.lost(now)
				l.lostN++
				l.mute++
				l.unanswered(number, it, now)
			}
		}
		for ; l.aloft[try] < q.len() && q.at(l.aloft[try]).sent <= lost; l.aloft[try]++ {
			l.landed(&l.items[q.at(l.aloft[try]).number])
		}
	}
	if l.mute >= downAfter {
		l.mute = 0
		l.lane.avoid(l.address)
	}
}

// landed takes a question that is at this address out of flight.
func (l *leg) landed(it *item) {
	if it.at.Load() == int32(l.address) && it.aloft {
		it.aloft = false
		l.inflight--
	}
}

// ended takes a question that is at this address out of those that are waited for.
func (l *leg) ended(it *item) {
	l.landed(it)
	if it.at.Load() == int32(l.address) && it.awaited {
		it.awaited = false
		l.awaited--
	}
}

// unanswered has a question asked again, at the next address, or gives it up.
func (l *leg) unanswered(number int32, it *item, now time.Time) {
	if it.waited += l.took(it, now); it.tries.Load() < maxTries && it.waited < l.whole && !l.hopeless() {
		l.again(number)
		return
	}
	o := Observation{Outcome: Timeout}
	if it.wrong.Load() > 0 {
		o.Outcome, o.Detail = Mismatched, errMismatch.Error()
	}
	l.settle(number, it, o, now)
}

// again has a question asked once more.
func (l *leg) again(number int32) {
	next := (l.address + 1) % len(l.source.Addrs)
	if next == l.address {
		l.retry.push(number)
		return
	}
	l.move(number, next)
}

// settle emits what became of a question, unless another leg was faster.
func (l *leg) settle(number int32, it *item, o Observation, now time.Time) {
	if !it.settled.CompareAndSwap(0, int32(l.address)+1) {
		return
	}
	o.At, o.Latency, o.Tries, o.Mismatches = now, l.took(it, now), int(it.tries.Load()), int(it.wrong.Load())
	o.Server, o.Transport = l.source.Addrs[l.address], UDP
	l.finish(l.queries[number], o)
}

// since gives a moment as items keep it, took how long ago the item's question was sent.
func (l *leg) since(now time.Time) int64 { return int64(now.Sub(l.began)) }

func (l *leg) took(it *item, now time.Time) time.Duration {
	return time.Duration(l.since(now) - it.sent.Load())
}
