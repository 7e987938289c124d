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
	// A question counts as being on its way for as long as answers take, within these bounds.
	quickestFlight, slowestFlight = 100 * time.Millisecond, 250 * time.Millisecond
	// mostWaiting bounds the questions that are waited for, in windows.
	mostWaiting = 4
)

// patience is the part of all the time that a question has which each try waits at least. Resolvers that must ask around
// first take a second or more, so the last tries wait longest; answers to earlier ones count all the while.
var patience = [maxTries]time.Duration{16, 16, 8, 4, 4, 4}

// tempo is what one address has taught about how fast it can be asked: how many questions may be in flight and how long an
// answer takes (RFC 6298). It belongs to one goroutine.
type tempo struct {
	window, most float64
	starting     bool
	// answers and losses are those since reckoned.
	answers, losses int
	reckoned        time.Time
	// srtt and rttvar are smoothed, 0 before the first answer.
	srtt, rttvar time.Duration
}

func newTempo(window int) tempo {
	return tempo{window: min(firstWindow, float64(window)), most: float64(window), starting: true}
}

// answered takes in an answer; rtt is how long it took, 0 if that is not known because the question was sent more than
// once (RFC 6298 section 3).
func (t *tempo) answered(rtt time.Duration) {
	switch {
	case rtt <= 0:
	case t.srtt == 0:
		t.srtt, t.rttvar = rtt, rtt/2
	default:
		t.rttvar += ((t.srtt - rtt).Abs() - t.rttvar) / 4
		t.srtt += (rtt - t.srtt) / 8
	}
	if t.answers++; t.starting {
		t.window = min(t.most, t.window+1)
	} else {
		t.window = min(t.most, t.window+1/t.window)
	}
}

// lost takes in that a question was not answered in its time. Some always are; it is many that say that there were too many
// questions.
func (t *tempo) lost(now time.Time) {
	if t.losses++; now.Sub(t.reckoned) < reckonEvery {
		return
	}
	if float64(t.losses) > tooMany*float64(t.answers+t.losses) {
		t.starting, t.window = false, max(min(leastWindow, t.most), t.window*0.7)
	}
	t.answers, t.losses, t.reckoned = 0, 0, now
}

// flight is how long a question counts as being on its way. What takes longer than answers do is lost, most likely, or being
// found out by a resolver; it is waited for, but others need not wait with it.
func (t *tempo) flight() time.Duration {
	if t.srtt == 0 {
		return slowestFlight
	}
	return min(slowestFlight, max(quickestFlight, 2*(t.srtt+4*t.rttvar)))
}

// timeout is how long the given try, counted from 0, waits. whole is all the time that a question has.
func (t *tempo) timeout(try int, whole time.Duration) time.Duration {
	return min(whole/2, max(whole/patience[min(try, maxTries-1)], t.srtt+4*t.rttvar))
}
