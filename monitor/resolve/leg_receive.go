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
	settled := it.settled.Load() != 0
	if settled && !l.lane.breaker.open() {
		return // a second reply, or a late one
	}
	q := &l.queries[number]
	l.question, _ = appendQuery(l.question[:0], 0, q.Question, false, false)
	switch speaks := answers(message, l.question); {
	case settled:
		if speaks && (l.source.Role != Recursive || !refusal(message)) {
			l.lane.alive()
		}
		return
	case !speaks:
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
	if bareRefusal(message, binary.BigEndian.Uint16(message)) {
		// The right answer would have to come beside it. Over TCP it is known whether the source said that.
		l.hand(number, it, start{transport: TCP, tries: int(it.tries.Load()) - 1})
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
