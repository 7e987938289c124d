package resolve

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

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
	return &leg{
		asking: a, address: address, first: first, tempo: newTempo(a.lane.window),
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
		l.tell(now)
		l.listen(l.until(now, wait))
	}
}

func (l *leg) close() {
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
	if it.waited += l.took(it, now); it.tries.Load() < maxTries && it.waited < l.whole {
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

// fill sends as many questions as window and pace let through. It gives how long the pace makes the rest wait, 0 if
// there is none that could go.
func (l *leg) fill(now time.Time) time.Duration {
	l.arriving = l.arrived(l.address, l.arriving[:0])
	for _, number := range l.arriving {
		l.retry.push(number)
	}
	window := int(l.tempo.window)
	room := min(window-l.inflight, mostWaiting*window-l.awaited)
	for room > 0 {
		if l.first && l.retry.len() < room {
			l.takeUp(now, room-l.retry.len())
		}
		if l.retry.len() == 0 {
			return 0
		}
		n, wait := l.lane.pacer.take(now, min(room, l.retry.len(), l.batch()))
		if n == 0 {
			return wait
		}
		if !l.send(now, n) {
			return 0
		}
		room -= n
	}
	return 0
}

// takeUp puts up to n questions that nobody has begun among those to be sent.
func (l *leg) takeUp(now time.Time, n int) {
	from, to, out := l.begin(n)
	for number := from; number < to; number++ {
		it := &l.items[number]
		it.at.Store(int32(l.address))
		it.sent.Store(l.since(now))
		if out {
			l.settle(int32(number), it, Observation{Outcome: Timeout, Detail: notAsked}, now)
			continue
		}
		l.retry.push(int32(number))
	}
}

// batch is how many messages go to the kernel at once.
func (l *leg) batch() int {
	if len(l.queries) <= smallBatch {
		return smallBatch
	}
	return batch
}

// send sends the next n questions that are to be sent, and says whether there is a port to do so.
func (l *leg) send(now time.Time, n int) bool {
	if err := l.freshPort(now); err != nil {
		l.failed(now, err)
		return false
	}
	edns := !l.lane.plainNow(now)
	for range n {
		number := l.retry.pop()
		it := &l.items[number]
		if it.settled.Load() != 0 {
			continue
		}
		q := &l.queries[number]
		out := &l.now.buffers.out[l.now.queued]
		message, err := appendQuery(out[:0], l.now.newID(number), q.Question, q.Source.Role == Recursive, edns)
		if err != nil {
			l.settle(number, it, Observation{Outcome: Local, Detail: err.Error()}, now)
			continue
		}
		it.sent.Store(l.since(now))
		try := int(it.tries.Add(1)) - 1
		at := l.since(now)
		l.waiting[try].push(flight{at, at + int64(l.tempo.timeout(try, l.whole)), number})
		it.aloft, it.awaited = true, true
		l.inflight++
		l.awaited++
		l.now.queue(message)
	}
	// What the kernel does not take for want of room is lost like anything that is lost on the way.
	if _, err := l.now.flush(); err != nil {
		l.failed(now, err)
		return false
	}
	return true
}

// freshPort sees to it that questions go out from a port that has not been used for long. Replies may still come to the
// one before.
func (l *leg) freshPort(now time.Time) error {
	if l.now != nil && !l.now.old(now) {
		return nil
	}
	b := l.client.buffer(l.batch())
	p, err := openPort(l.source.Addrs[l.address], b, now)
	if err != nil {
		l.client.release(b)
		return err
	}
	if l.now != nil {
		l.now.worn = now
		if l.before = append(l.before, l.now); len(l.before) > oldPorts {
			l.shut(l.before[0])
			l.before = slices.Delete(l.before, 0, 1)
		}
	}
	l.now = p
	return nil
}

// failed takes in that the socket does not work: nobody listens there, the network is gone, or we have run out of something.
// All questions in flight at this address have failed by it, and those that were to be sent, which come first: what is to be
// sent again after this has failed once only.
func (l *leg) failed(now time.Time, err error) {
	outcome, detail := classify(err, 0)
	for range l.retry.len() {
		number := l.retry.pop()
		l.items[number].tries.Add(1)
		l.fail(now, number, &l.items[number], outcome, detail)
	}
	for i := range l.waiting {
		for l.waiting[i].len() > 0 {
			number := l.waiting[i].pop().number
			l.ended(&l.items[number])
			l.fail(now, number, &l.items[number], outcome, detail)
		}
		l.aloft[i] = 0
	}
}

// fail ends a question with a failure of the socket, or has it asked at another address.
func (l *leg) fail(now time.Time, number int32, it *item, outcome Outcome, detail string) {
	switch {
	case it.settled.Load() != 0:
	case outcome.retriable() && it.tries.Load() < wrongTries:
		l.again(number)
	default:
		l.settle(number, it, Observation{Outcome: outcome, Detail: detail}, now)
	}
}

// giveUp ends all that is open because the asker has gone, at whatever address it is: the leg there may have given up
// before it came.
func (l *leg) giveUp(err error) {
	now := time.Now()
	l.mu.Lock()
	rest := l.queries[l.next:]
	l.next = len(l.queries)
	l.mu.Unlock()
	for _, q := range rest {
		l.finish(q, given(q, err))
	}
	for number := range len(l.queries) - len(rest) {
		l.settle(int32(number), &l.items[number], given(l.queries[number], err), now)
	}
}

// listen takes the replies that come until then, and those that come to the port before.
func (l *leg) listen(until time.Time) {
	if now := time.Now(); len(l.before) > 0 && now.Sub(l.polled) >= pollEvery {
		l.polled = now
		l.before = slices.DeleteFunc(l.before, l.drained)
	}
	if l.now == nil {
		sleepUntil(l.ctx, until)
		return
	}
	err := l.now.receive(until)
	l.takeAll(l.now)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, syscall.EAGAIN) {
		l.failed(time.Now(), err)
	}
}

// drained takes what has come to a port that questions no longer go out from, and says whether nothing more will.
func (l *leg) drained(p *port) bool {
	_ = p.poll()
	l.takeAll(p)
	if p.open > 0 && time.Since(p.worn) < l.whole/2 {
		return false
	}
	l.shut(p)
	return true
}

func (l *leg) takeAll(p *port) {
	if p.got == 0 {
		return
	}
	now := time.Now()
	for i := range p.got {
		message, cut := p.message(i)
		l.take(p, message, cut, now)
	}
}

// take takes one message that came to a port.
func (l *leg) take(p *port, message []byte, cut bool, now time.Time) {
	if len(message) < 2 {
		return
	}
	number, ours := p.item(binary.BigEndian.Uint16(message))
	if !ours {
		l.stray(message)
		return
	}
	it := &l.items[number]
	if it.settled.Load() != 0 {
		return // a second reply, or a late one
	}
	q := &l.queries[number]
	l.question, _ = appendQuery(l.question[:0], 0, q.Question, false, false)
	if !answers(message, l.question) {
		l.wrong(number, it, message, now)
		return
	}
	l.mute = 0
	p.open--
	rtt := time.Duration(0)
	if it.tries.Load() == 1 {
		rtt = l.took(it, now)
	}
	l.tempo.answered(rtt)
	l.answeredN++
	l.interpret(number, it, message, cut, now)
}

// wrong takes in a message that came in place of a reply: the ID is right, the rest is not.
func (l *leg) wrong(number int32, it *item, message []byte, now time.Time) {
	if _, err := parse(message); err != nil {
		l.repair(number, it, Observation{Outcome: Malformed, Detail: err.Error()}, now)
		return
	}
	if it.at.Load() == int32(l.address) {
		it.wrong.Add(1)
	}
}

// stray takes in a message with an ID under which nothing was asked from that port. Somebody is guessing: all questions
// that are open here are believed over TCP only (RFC 5452 section 9.2 calls for counting; BIND asks again likewise).
func (l *leg) stray(message []byte) {
	if len(message) < headerSize {
		return
	}
	for i := range l.waiting {
		for k := range l.waiting[i].len() {
			if it := &l.items[l.waiting[i].at(k).number]; it.at.Load() == int32(l.address) {
				it.wrong.Add(1)
			}
		}
	}
}

// interpret turns a reply to a question into what it says, or has the question asked with care.
func (l *leg) interpret(number int32, it *item, message []byte, cut bool, now time.Time) {
	q := &l.queries[number]
	if cut || message[2]&flagTC != 0 || it.wrong.Load() > 0 {
		l.hand(number, it, start{transport: TCP, tries: int(it.tries.Load()) - 1, truncated: cut || message[2]&flagTC != 0})
		return
	}
	seen, known := l.skimmer.skim(message, q.Question, q.Source.Role == Recursive)
	if known && q.Known != 0 && seen.print == q.Known {
		l.ended(it)
		l.settle(number, it, Observation{Same: true, Print: seen.print, TTL: seen.ttl}, now)
		return
	}
	reply, err := parse(bytes.Clone(message)) // the buffer is used again
	if err != nil {
		l.repair(number, it, Observation{Outcome: Malformed, Detail: err.Error()}, now)
		return
	}
	if l.lane.refusesEDNS(reply, now) {
		l.hand(number, it, start{transport: UDP, tries: int(it.tries.Load()) - 1})
		return
	}
	o := Observation{Source: q.Source, Question: q.Question}
	interpret(&o, reply)
	if o.Outcome == Refused {
		l.lostN++
	}
	if o.Outcome.retriable() {
		l.repair(number, it, o, now)
		return
	}
	if known && seen.stands(&o) {
		o.Print = seen.print
	}
	l.ended(it)
	l.settle(number, it, o, now)
}

// repair has a question asked with care that was answered by a failure.
func (l *leg) repair(number int32, it *item, o Observation, now time.Time) {
	o.At, o.Latency, o.Tries, o.Server, o.Transport = now, l.took(it, now), int(it.tries.Load()), l.source.Addrs[l.address], UDP
	l.hand(number, it, start{transport: UDP, tries: int(it.tries.Load()), last: &o})
}

// hand gives a question to those who ask with care.
func (l *leg) hand(number int32, it *item, s start) {
	if !it.settled.CompareAndSwap(0, int32(l.address)+1) {
		return
	}
	l.ended(it)
	s.address, s.mismatches = l.address, int(it.wrong.Load())
	l.later(l.queries[number], s)
}

func sleepUntil(ctx context.Context, until time.Time) {
	timer := time.NewTimer(time.Until(until))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
