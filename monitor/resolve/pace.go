package resolve

import (
	"context"
	"sync"
	"time"
)

const (
	// burst is how many questions may follow each other at once at any rate, so that a look at one domain takes no
	// longer than it must; at high rates it is what is due in burstTime.
	burst     = 16
	burstTime = 10 * time.Millisecond
	// reckonEvery is how often it is looked whether the rate is one that the operator bears.
	reckonEvery = 250 * time.Millisecond
	// lossesTell is how long it takes until all losses at a rate are known.
	lossesTell = time.Second
	// tooMany of those who were asked and did not answer say that there were too many questions, few that there may be more. What
	// is between may be the way or a limit, and so may be all that is not slight; it is tried whether less asking loses less.
	tooMany, few, slight = 0.2, 0.05, 0.01
	// manyLost are enough to speak of a share.
	manyLost = 20
	// Of what an operator answers when it is asked too much, tried is asked in a trial and below once it is known that this is its
	// limit, which is believed in until beyond of it is answered.
	tried, below, beyond = 0.85, 0.95, 1.05
	// trialAgain is how long after a trial that changed nothing there is another one, at first; each time twice as long.
	trialAgain, trialAtLast = 10 * time.Second, 10 * time.Minute
	// A rate is taken down to leastRate at least, or to the part slowest of the one configured if that is more, but not more
	// than leastMost.
	leastRate, leastMost = 10.0, 100.0
	slowest              = 1.0 / 64
	// It grows by faster where no limit is known, by slower around one.
	faster, slower = 1.05, 1.002
)

// pacer lets questions to one operator through at its rate, which adapts below what is configured: where many are lost or
// refused it goes down to what was answered, and grows again while nearly all are. It is shared by all who ask the
// operator, over all calls; safe for concurrent use.
type pacer struct {
	mu sync.Mutex
	// most is the configured rate in questions a second, rate the one in force.
	most, rate float64
	depth      float64
	tokens     float64
	filled     time.Time
	// answered and lost are those since reckoned, before is the time before: what is lost was asked then.
	answered, lost int
	reckoned       time.Time
	before         reckoning
	// borne is the rate that the operator last seemed to bear, limit what it answered when it was asked a little too much; 0 if
	// that is not known. Until deaf losses are those of questions from before the rate went down.
	borne, limit float64
	deaf         time.Time
	trial        trial
}

// trial is whether fewer questions lose less. If so they were too many, if not the way loses what it loses.
type trial struct {
	// rate is the one before, share what was lost at it; 0 if none is under way. asked and lost are those since.
	rate, share float64
	asked, lost int
	// next is when there may be another one, wait how long after the last.
	next time.Time
	wait time.Duration
}

func newPacer(rate float64, window int) *pacer {
	depth := max(1, min(float64(window), max(burst, rate*burstTime.Seconds())))
	return &pacer{most: rate, rate: rate, depth: depth, tokens: depth, filled: time.Now()}
}

// raise lets the pacer be as fast as another source of the same operator may be.
func (p *pacer) raise(rate float64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rate > p.most {
		p.most, p.rate = rate, rate
	}
}

// take gives how many of n questions may go out now, and if none, how long to wait for one.
func (p *pacer) take(now time.Time, n int) (int, time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if since := now.Sub(p.filled); since > 0 {
		p.tokens = min(p.depth, p.tokens+since.Seconds()*p.rate)
		p.filled = now
	}
	if p.tokens < 1 {
		return 0, time.Duration((1 - p.tokens) / p.rate * float64(time.Second))
	}
	n = min(n, int(p.tokens))
	p.tokens -= float64(n)
	return n, 0
}

// wait waits until one question may go out.
func (p *pacer) wait(ctx context.Context) error {
	for {
		n, wait := p.take(time.Now(), 1)
		if n == 1 {
			return ctx.Err()
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-timer.C:
		}
	}
}

// told takes in how many questions were answered, and how many were lost or refused.
func (p *pacer) told(now time.Time, answered, lost int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.answered, p.lost = p.answered+answered, p.lost+lost
	since := now.Sub(p.reckoned)
	switch {
	case since < reckonEvery:
		return
	case since > 4*reckonEvery: // nothing was asked meanwhile: a new count begins with these
		p.reckoned, p.before = now, reckoning{}
		return
	}
	r := reckoning{lost: p.lost, asked: p.answered + p.lost, rate: float64(p.answered) / since.Seconds()}
	p.reckon(now, r)
	p.answered, p.lost, p.before, p.reckoned = 0, 0, r, now
}

// reckoning is what came of the questions of some time: how many were told of, how many of these were lost, and how many answered
// a second.
type reckoning struct {
	asked, lost int
	rate        float64
}

// reckon finds the rate anew. The caller holds mu.
func (p *pacer) reckon(now time.Time, r reckoning) {
	share := float64(r.lost) / float64(max(1, r.asked, p.before.asked))
	sure := r.lost >= manyLost && share > slight
	switch {
	case !now.After(p.deaf):
	case share > tooMany, sure && p.limit > 0 && p.rate > below*p.limit:
		p.trial.rate = 0
		p.slow(now, r, below)
	case p.trial.rate > 0:
		p.judge(now, r)
	case sure && now.After(p.trial.next):
		p.trial = trial{rate: p.rate, share: share, wait: p.trial.wait}
		p.slow(now, r, tried)
	case share > few:
	default:
		p.grow()
	}
}

// slow goes down to a part of what is answered, which may be little for once when lost questions are in the way of others.
func (p *pacer) slow(now time.Time, r reckoning, part float64) {
	answered := max(r.rate, p.before.rate)
	if p.limit = 0; r.lost >= manyLost && p.rate < 2*answered { // else it was something else that had it answer no more
		p.limit = answered
	}
	p.rate = max(p.least(), min(p.rate, part*answered))
	p.borne, p.deaf = p.rate, now.Add(lossesTell)
}

// judge ends a trial, once so many were asked that losses would be many if they were what they were.
func (p *pacer) judge(now time.Time, r reckoning) {
	t := &p.trial
	t.asked, t.lost = t.asked+r.asked, t.lost+r.lost
	if expected := t.share * float64(t.asked); expected < manyLost {
		return
	} else if float64(t.lost) < expected/2 {
		*t = trial{}
		return
	}
	p.rate, p.limit = t.rate, 0
	t.wait = min(max(2*t.wait, trialAgain), trialAtLast)
	t.rate, t.next = 0, now.Add(t.wait)
}

// grow asks for more while nearly all is answered: soon up to what was borne before, carefully around a known limit.
func (p *pacer) grow() {
	if p.rate > beyond*p.limit {
		p.limit = 0
	}
	switch {
	case p.rate < p.borne:
		p.rate = min(p.most, p.borne, p.rate*1.5+1)
	case p.limit > 0:
		p.rate = min(p.most, p.rate*slower+0.1)
	default:
		p.rate = min(p.most, p.rate*faster+1)
	}
}

// least is what the rate never goes below: an operator that answers for some zones only, since the servers of the
// others are dead, must not be given up for it.
func (p *pacer) least() float64 { return min(p.most, max(leastRate, min(leastMost, p.most*slowest))) }
