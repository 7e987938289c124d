package resolve

import (
	"slices"
	"time"
)

// fill sends as many questions as window and pace let through. It gives how long the pace makes the rest wait, 0 if
// there is none that could go.
func (l *leg) fill(now time.Time) time.Duration {
	l.arriving = l.arrived(l.address, l.arriving[:0])
	for _, number := range l.arriving {
		l.retry.push(number)
	}
	l.count()
	if l.lane.breaker.open() {
		if l.source.Role == Recursive || l.retry.len() > 0 && l.allowed(now) == denied {
			l.drop(now)
		}
		l.takeUp(now, int(l.tempo.window))
		return 0
	}
	room := l.room()
	for room > 0 {
		if l.retry.len() < room {
			l.takeUp(now, room-l.retry.len())
		}
		if l.retry.len() == 0 {
			return 0
		}
		n := l.beside.reserve(min(room, l.retry.len(), l.batch()), l.lane.window)
		l.counted += int32(n)
		n, wait := l.lane.pacer.take(now, n)
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

// room is how many questions this leg may send: what is free of its part of the window, which is parted among all legs that ask
// the address.
func (l *leg) room() int {
	window := max(1, min(int(l.tempo.window), l.lane.window/int(l.beside.legs.Load())))
	return min(window-l.inflight, mostWaiting*window-l.awaited)
}

// takeUp puts up to n questions that nobody has begun among those to be sent, if the leg takes such.
func (l *leg) takeUp(now time.Time, n int) {
	if !l.first {
		return
	}
	from, to, out := l.begin(now, n)
	for number := from; number < to; number++ {
		it := &l.items[number]
		it.at.Store(int32(l.address))
		it.sent.Store(l.since(now))
		if out {
			l.settle(int32(number), it, l.lane.withheld(), now)
			continue
		}
		l.retry.push(int32(number))
	}
}

// drop ends what was to be sent, because the source turned out to be dead. What had been sent before has got no answer.
func (l *leg) drop(now time.Time) {
	for range l.retry.len() {
		number := l.retry.pop()
		it := &l.items[number]
		o := Observation{Outcome: Timeout}
		if it.tries.Load() == 0 {
			o = l.lane.withheld()
		}
		l.settle(number, it, o, now)
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
		l.now.queue(message, try > 0)
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
	b.expected = len(l.queries)
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
