package resolve

import (
	"testing"
	"time"
)

func TestThePaceIsKept(t *testing.T) {
	now := time.Now()
	p := newPacer(100, 200)
	p.filled = now
	if n, _ := p.take(now, 1000); n != burst {
		t.Errorf("%d at once, want %d", n, burst)
	}
	sent := 0
	for range 1000 { // ten seconds
		now = now.Add(10 * time.Millisecond)
		n, wait := p.take(now, 1000)
		if n == 0 && (wait <= 0 || wait > 11*time.Millisecond) {
			t.Fatalf("wait %s", wait)
		}
		sent += n
	}
	if sent < 990 || sent > 1010 {
		t.Errorf("%d questions in ten seconds at 100 a second", sent)
	}
}

func TestOneQuestionInFlightIsOneAtOnce(t *testing.T) {
	p := newPacer(100, 1)
	if n, _ := p.take(p.filled, 10); n != 1 {
		t.Errorf("%d at once with a window of 1", n)
	}
}

// limiter is a resolver that answers so many questions a second and drops the rest, asked by a pacer for a while. What is
// lost is known a quarter of a second later. It gives the share of its limit that was used in the last half, and the share
// of questions that it dropped then.
func limiter(p *pacer, limit float64, seconds int) (used, dropped float64) {
	now := time.Now()
	p.filled, p.reckoned = now, now
	tokens, answered, lost := 0.0, 0, 0
	var late [25]int
	for tick := range seconds * 100 {
		now = now.Add(10 * time.Millisecond)
		n, _ := p.take(now, 1<<20)
		tokens = min(limit/50, tokens+limit/100)
		ok := min(n, int(tokens))
		tokens -= float64(ok)
		p.told(now, ok, late[tick%len(late)])
		late[tick%len(late)] = n - ok
		if tick >= seconds*50 {
			answered, lost = answered+ok, lost+n-ok
		}
	}
	return float64(answered) / (limit * float64(seconds) / 2), float64(lost) / float64(answered+lost)
}

func TestTheRateGoesDownToWhatIsAnswered(t *testing.T) {
	p := newPacer(100000, 200)
	used, dropped := limiter(p, 10000, 20)
	t.Logf("%.0f %% of the limit used, %.1f %% dropped", 100*used, 100*dropped)
	if used < 0.9 || dropped > 0.2 {
		t.Errorf("of a limit of 10,000 a second %.0f %% were used, %.1f %% dropped", 100*used, 100*dropped)
	}
}

func TestARateBelowTheLimitLosesNothing(t *testing.T) {
	used, dropped := limiter(newPacer(9000, 200), 10000, 20)
	if used < 0.89 || dropped > 0.001 {
		t.Errorf("%.1f %% of the limit used, %.2f %% dropped", 100*used, 100*dropped)
	}
}

func TestTheRateComesBack(t *testing.T) {
	now := time.Now()
	p := newPacer(1000, 200)
	p.reckoned = now
	for range 20 {
		now = now.Add(reckonEvery)
		p.told(now, 0, 50)
	}
	if p.rate != p.least() || p.rate < leastRate {
		t.Errorf("a source that answers nothing is asked at %.1f a second", p.rate)
	}
	for range 200 {
		now = now.Add(reckonEvery)
		p.told(now, 50, 0)
	}
	if p.rate != 1000 {
		t.Errorf("well again, it is asked at %.1f a second", p.rate)
	}
}

func TestWaitsAreLearned(t *testing.T) {
	whole := 4 * time.Second
	tests := map[string]struct {
		rtts []time.Duration
		want [maxTries]time.Duration
	}{
		"nothing known": {nil, [maxTries]time.Duration{250 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, time.Second, time.Second}},
		"fast":          {repeat(2*time.Millisecond, 50), [maxTries]time.Duration{250 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, time.Second, time.Second}},
		"slow":          {repeat(600*time.Millisecond, 50), [maxTries]time.Duration{600 * time.Millisecond, 600 * time.Millisecond, 600 * time.Millisecond, time.Second, time.Second, time.Second}},
		"very slow":     {repeat(3*time.Second, 50), [maxTries]time.Duration{2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}},
	}
	for name, tt := range tests {
		tempo := newTempo(200)
		for _, rtt := range tt.rtts {
			tempo.answered(rtt)
		}
		for try, want := range tt.want {
			if got := tempo.timeout(try, whole).Round(50 * time.Millisecond); got != want {
				t.Errorf("%s: try %d waits %s, want %s", name, try, got, want)
			}
		}
	}
}

func repeat(d time.Duration, n int) []time.Duration {
	out := make([]time.Duration, n)
	for i := range out {
		out[i] = d
	}
	return out
}

func TestTheWindowGrowsAndThins(t *testing.T) {
	now := time.Now()
	w := newTempo(200)
	if w.window != firstWindow {
		t.Errorf("begins with %.0f", w.window)
	}
	for range 500 {
		w.answered(time.Millisecond)
	}
	if w.window != 200 {
		t.Errorf("grows to %.0f, want 200", w.window)
	}
	for range 1000 { // one in ten is lost
		for range 9 {
			w.answered(time.Millisecond)
		}
		now = now.Add(reckonEvery)
		w.lost(now)
	}
	if w.window != 200 {
		t.Errorf("with one in ten lost %.0f, want 200", w.window)
	}
	for range 100 { // at one moment: once
		w.lost(now)
	}
	now = now.Add(reckonEvery)
	if w.lost(now); w.window != 140 {
		t.Errorf("after many losses %.0f, want 140", w.window)
	}
	for range 100 {
		now = now.Add(time.Second)
		w.lost(now)
	}
	if w.window != leastWindow {
		t.Errorf("shrinks to %.0f, want %d", w.window, leastWindow)
	}
	if one := newTempo(1); one.window != 1 {
		t.Errorf("a window of 1 begins with %.0f", one.window)
	}
}

// TestALimitIsLearned: in the long run a limiting resolver is asked for nearly all that it offers, and drops next to nothing.
func TestALimitIsLearned(t *testing.T) {
	for _, most := range []float64{11000, 20000, 100000, 1e9} {
		used, dropped := limiter(newPacer(most, 200), 10000, 120)
		t.Logf("at most %.0f: %.1f %% of the limit used, %.2f %% dropped", most, 100*used, 100*dropped)
		if used < 0.93 || dropped > 0.01 {
			t.Errorf("with %.0f a second allowed, %.1f %% of a limit of 10,000 were used, %.2f %% dropped", most, 100*used, 100*dropped)
		}
	}
}

// TestALossyWayIsNoLimit: what is lost at any rate slows nothing down, but for a look now and then whether it is so.
func TestALossyWayIsNoLimit(t *testing.T) {
	const capacity, share = 10000, 0.1
	now := time.Now()
	p := newPacer(1e9, 200)
	p.filled, p.reckoned = now, now
	var late [25]int
	answered, carry := 0, 0.0
	for tick := range 120 * 100 {
		now = now.Add(10 * time.Millisecond)
		n, _ := p.take(now, capacity/100) // no more fits into the window
		carry += share * float64(n)
		lost := int(carry)
		carry -= float64(lost)
		p.told(now, n-lost, late[tick%len(late)])
		late[tick%len(late)] = lost
		answered += n - lost
	}
	if most := capacity * (1 - share) * 120; float64(answered) < 0.99*most {
		t.Errorf("%.1f %% of what can be answered was", 100*float64(answered)/most)
	}
}
