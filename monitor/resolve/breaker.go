package resolve

import (
	"sync"
	"sync/atomic"
	"time"
)

const (
	// downAfter is how many questions in a row a source may leave unanswered before it is found out whether it lives at all.
	downAfter = 8
	// refusalTime is for how long a resolver must have refused all questions before the same: one that is only asked too fast
	// is soon asked at a rate that it bears.
	refusalTime = 2 * time.Second
	// firstRest is how long a source that does not answer is left alone at first, longestRest how many times that it is at most
	// (half a minute to a quarter of an hour), shortestRest the part of it that one is while nearly all are silent.
	firstRest, longestRest, shortestRest = 30 * time.Second, 30, 6
)

// permit is what a breaker says to who wants to ask.
type permit uint8

const (
	// granted is that the source may be asked.
	granted permit = iota
	// awaiting is that it is being found out whether the source lives: the breaker is to be asked again in a moment.
	awaiting
	// sounding is that whoever is told so must find that out, and tell the breaker. Others wait for it.
	sounding
	// denied is that the source is not to be asked.
	denied
)

// life is what is found out about a source.
type life uint8

const (
	// unsure is that it could not be found out, by a fault of our own.
	unsure life = iota
	// mute is that nothing came, refusing that it refuses even what it should know, living that it answers.
	mute
	refusing
	living
)

// breaker is what has been learned about whether a source answers at all. It belongs to the source's lane, so that what one
// batch has found out holds for all: those that are asked at the same time, and those that come later.
//
//	closed     what is asked goes out. After downAfter questions without an answer it is found out whether the source lives;
//	           until that is known, nothing more goes out
//	open       nothing goes out until the source has rested
//	half-open  it has rested, and it is found out whether it lives again. Who wants to ask waits for that a short while only
//
// Any answer closes it, also one that comes late. The zero value is closed; it may be used concurrently.
type breaker struct {
	// troubled is false while nothing is held against the source, so that its answers need not be taken in; shut says that
	// it is not to be asked.
	troubled, shut atomic.Bool

	mu sync.Mutex
	// silent and refused count the questions since the last answer that got none, or a refusal, the first of these at refusedAt.
	silent, refused int
	refusedAt       time.Time
	// probing says that it is being found out since then whether the source lives.
	probing bool
	began   time.Time
	// why is how questions end that are not asked; since, until and rest are when the breaker opened, until when the source is left
	// alone, and for how long that is.
	why          Outcome
	since, until time.Time
	rest         time.Duration
}

// ask says what to do with a question. While it is found out whether a source lives that has rested, it is waited for so long.
func (b *breaker) ask(now time.Time, patience time.Duration) permit {
	if !b.troubled.Load() {
		return granted
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	open := b.shut.Load()
	switch {
	case b.probing && open && now.Sub(b.began) >= patience:
		return denied
	case b.probing:
		return awaiting
	case open && now.Before(b.until):
		return denied
	case open || b.suspect(now):
		b.probing, b.began = true, now
		return sounding
	}
	return granted
}

// suspect says whether the source has left so much unanswered that it may be dead. The caller holds mu.
func (b *breaker) suspect(now time.Time) bool {
	return b.silent >= downAfter || b.refused >= downAfter && now.Sub(b.refusedAt) >= refusalTime
}

// unanswered takes in that a question got no answer.
func (b *breaker) unanswered() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.silent++
	b.troubled.Store(true)
}

// refuses takes in that a resolver refused a question.
func (b *breaker) refuses(now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.refused++; b.refused == 1 {
		b.refusedAt = now
	}
	b.troubled.Store(true)
}

// answered takes in an answer. If that closes the breaker it gives since when it was open, else the zero time.
func (b *breaker) answered() time.Time {
	if !b.troubled.Load() {
		return time.Time{}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.close()
}

// close forgets what is held against the source. The caller holds mu.
func (b *breaker) close() time.Time {
	since := b.since
	b.silent, b.refused, b.since, b.until, b.rest = 0, 0, time.Time{}, time.Time{}, 0
	b.shut.Store(false)
	b.troubled.Store(false)
	return since
}

// sounded takes in what was found out by whoever was told to. A source that does not live is left alone for first, and each
// time twice as long as the time before, but no longer than most. It gives whether that opened the breaker, or since when
// it was open if it closed it.
func (b *breaker) sounded(now time.Time, l life, first, most time.Duration) (opened bool, closed time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.probing = false
	open := b.shut.Load()
	switch suspect := b.suspect(now); {
	case l == living, l == refusing && !b.refusals(open):
		return false, b.close()
	case !open && !suspect: // it has answered meanwhile
		return false, time.Time{}
	case l == unsure && !open:
		return false, b.close() // those who ask will see for themselves
	case l == unsure:
		b.until = now.Add(first)
		return false, time.Time{}
	}
	if b.rest = min(2*b.rest, most); b.rest < first {
		b.rest = first
	}
	if b.until = now.Add(b.rest); open {
		return false, time.Time{}
	}
	b.why = Timeout
	if l == refusing {
		b.why = Refused
	}
	b.since = now
	b.shut.Store(true)
	return true, time.Time{}
}

// rested gives when a source that is left alone is to be tried again.
func (b *breaker) rested() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until
}

// hasten has a source that is left alone tried by then.
func (b *breaker) hasten(by time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if by.Before(b.until) {
		b.until = by
	}
}

// refusals says whether refusing is what is held against the source, so that one more is no sign of life. The caller holds mu.
func (b *breaker) refusals(open bool) bool {
	if open {
		return b.why == Refused
	}
	return b.silent < downAfter
}

// open says whether the source is not to be asked.
func (b *breaker) open() bool { return b.shut.Load() }

// silence gives since when the source is not asked and how questions to it end; false if it is asked.
func (b *breaker) silence() (since time.Time, why Outcome, silent bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.since, b.why, b.shut.Load()
}
