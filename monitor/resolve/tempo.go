package resolve

import "time"

const (
	// maxTries is how often a question that stays unanswered goes out. With one in ten lost on the way, six tries leave one in
	// a million.
	maxTries = 6
	// wrongTries is how often it goes out when the answers are failures: another address may do better, the same will not.
	wrongTries = 2
	// firstWindow is how many questions are in flight before anything is known of a source, leastWindow how many at least
	// later: slow answers to some must not hold up all others.
	firstWindow, leastWindow = 8, 4
	// thinEvery is how often losses take the window down.
	thinEvery = 250 * time.Millisecond
)

// patience is the part of all the time that a question has which each try waits at least. Resolvers that must ask around
// first take a second or more, so the last tries wait longest; answers to earlier ones count all the while.
var patience = [maxTries]time.Duration{16, 16, 8, 4, 4, 4}

// tempo is what one address has taught about how fast it can be asked: how many questions may be in flight and how long an
// answer takes (RFC 6298). It belongs to one goroutine.
type tempo struct {
	window, most float64
	starting     bool
	thinned      time.Time
	// srtt and rttvar are smoothed, 0 before the first answer.
	srtt, rttvar time.Duration
}

func newTempo(window int) tempo {
	return tempo{window: min(firstWindow, float64(window)), most: float64(window), starting: true}
}

// answered takes in an answer to a question that was sent once.
func (t *tempo) answered(rtt time.Duration) {
	if t.srtt == 0 {
		t.srtt, t.rttvar = rtt, rtt/2
	} else {
		t.rttvar += ((t.srtt - rtt).Abs() - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	if t.starting {
		t.window = min(t.most, t.window+1)
	} else {
		t.window = min(t.most, t.window+1/t.window)
	}
}

// lost takes in that a question was not answered in its time.
func (t *tempo) lost(now time.Time) {
	t.starting = false
	if now.Sub(t.thinned) >= thinEvery {
		t.window, t.thinned = max(min(leastWindow, t.most), t.window*0.7), now
	}
}

// timeout is how long the given try, counted from 0, waits. whole is all the time that a question has.
func (t *tempo) timeout(try int, whole time.Duration) time.Duration {
	return min(whole/2, max(whole/patience[min(try, maxTries-1)], t.srtt+4*t.rttvar))
}
