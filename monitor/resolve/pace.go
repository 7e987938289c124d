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
	// tooMany of those who were asked and did not answer say that there were too many questions, few that there may be more.
	tooMany, few = 0.2, 0.05
	// A rate is taken down to leastRate at least, or to the part slowest of the one configured if that is more.
	leastRate = 10.0
	slowest   = 1.0 / 64
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
	// answered and lost are those since reckoned.
	answered, lost int
	reckoned       time.Time
	// borne is the rate that the operator last seemed to bear; until deaf losses are those of questions from before
	// the rate went down to it.
	borne float64
	deaf  time.Time
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
		p.reckoned = now
		return
	}
	switch share := float64(p.lost) / float64(max(1, p.answered+p.lost)); {
	case share > tooMany && now.After(p.deaf):
		p.rate = max(p.least(), min(p.most, 0.95*float64(p.answered)/since.Seconds()))
		p.borne, p.deaf = p.rate, now.Add(lossesTell)
	case share > few:
	case p.rate < p.borne:
		p.rate = min(p.most, p.borne, p.rate*1.5+1)
	default:
		p.rate = min(p.most, p.rate*1.02+1)
	}
	p.answered, p.lost, p.reckoned = 0, 0, now
}

// least is what the rate never goes below: an operator that answers for some zones only, since the servers of the
// others are dead, must not be given up for it.
func (p *pacer) least() float64 { return min(p.most, max(leastRate, p.most*slowest)) }
