package resolve

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	testRest     = 30 * time.Second
	testMostRest = 15 * time.Minute
	testPatience = time.Second
)

// breakerRun drives a breaker by a clock of its own.
type breakerRun struct {
	breaker
	now time.Time
}

func newBreakerRun() *breakerRun {
	return &breakerRun{now: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
}

func (r *breakerRun) permit() permit { return r.ask(r.now, testPatience) }

func (r *breakerRun) silence(n int) {
	for range n {
		r.unanswered()
	}
}

func (r *breakerRun) refuse(n int, over time.Duration) {
	for range n {
		r.refuses(r.now)
		r.now = r.now.Add(over / time.Duration(n-1))
	}
}

func (r *breakerRun) sound(l life) (opened bool) {
	opened, _ = r.sounded(r.now, l, testRest, testMostRest)
	return opened
}

// dead is a breaker that has just opened.
func dead(t *testing.T) *breakerRun {
	r := newBreakerRun()
	r.silence(downAfter)
	if p := r.permit(); p != sounding {
		t.Fatalf("after %d questions without an answer: %d, want that it is found out", downAfter, p)
	}
	if !r.sound(mute) {
		t.Fatal("a source that does not answer at all is not given up")
	}
	return r
}

func TestABreakerOpensOnlyForWhoIsDead(t *testing.T) {
	tests := []struct {
		name  string
		do    func(r *breakerRun)
		found life
		want  permit
	}{
		{"too little was asked", func(r *breakerRun) { r.silence(downAfter - 1) }, 0, granted},
		{"an answer between", func(r *breakerRun) { r.silence(downAfter - 1); r.answered(); r.silence(downAfter - 1) }, 0, granted},
		{"silent for some zones", func(r *breakerRun) { r.silence(downAfter) }, living, granted},
		{"silent, and refuses what it does not know", func(r *breakerRun) { r.silence(downAfter) }, refusing, granted},
		{"silent throughout", func(r *breakerRun) { r.silence(downAfter) }, mute, denied},
		{"our own fault", func(r *breakerRun) { r.silence(downAfter) }, unsure, granted},
		{"refuses for a moment", func(r *breakerRun) { r.refuse(1000, refusalTime-time.Millisecond) }, 0, granted},
		{"refuses for long", func(r *breakerRun) { r.refuse(downAfter, refusalTime) }, refusing, denied},
		{"refuses for long, then is silent", func(r *breakerRun) { r.refuse(downAfter, refusalTime) }, mute, denied},
		{"refuses some zones for long", func(r *breakerRun) { r.refuse(downAfter, refusalTime) }, living, granted},
		{"answers while it is found out", func(r *breakerRun) {
			r.silence(downAfter)
			_ = r.permit()
			r.answered()
		}, mute, granted},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newBreakerRun()
			tt.do(r)
			if p := r.permit(); p == sounding || r.probing {
				if other := r.permit(); p == sounding && other != awaiting {
					t.Errorf("a second asker is told %d, want that it waits for the first", other)
				}
				r.sound(tt.found)
			}
			if p := r.permit(); p != tt.want {
				t.Errorf("then %d, want %d", p, tt.want)
			}
		})
	}
}

func TestABreakerLeavesADeadSourceAloneForLongerEachTime(t *testing.T) {
	r := dead(t)
	for _, rest := range []time.Duration{30, 60, 120, 240, 480, 900, 900} {
		rest *= time.Second
		if r.now = r.now.Add(rest - time.Nanosecond); r.permit() != denied {
			t.Fatalf("asked before it has rested for %s", rest)
		}
		if r.now = r.now.Add(time.Nanosecond); r.permit() != sounding {
			t.Fatalf("not tried after %s", rest)
		}
		if p := r.permit(); p != awaiting {
			t.Fatalf("while it is tried: %d, want a short wait", p)
		}
		if r.now = r.now.Add(testPatience); r.permit() != denied {
			t.Fatal("waited for longer than patience lasts")
		}
		if r.sound(mute) {
			t.Fatal("opened again")
		}
	}
	r.now = r.now.Add(testMostRest)
	_ = r.permit()
	opened, closed := r.sounded(r.now, living, testRest, testMostRest)
	if opened || closed.IsZero() || r.permit() != granted {
		t.Errorf("it lives, but opened %v, closed since %v", opened, closed)
	}
	r.silence(downAfter)
	if r.permit() != sounding || !r.sound(mute) {
		t.Error("it dies again unseen")
	}
	if r.now = r.now.Add(testRest); r.permit() != sounding {
		t.Error("what it rested before was not forgotten when it answered")
	}
}

func TestAnyAnswerClosesABreaker(t *testing.T) {
	r := dead(t)
	if since := r.answered(); since.IsZero() || r.permit() != granted || r.open() {
		t.Errorf("after an answer that came late: since %v, %d", since, r.permit())
	}
	if since := r.answered(); !since.IsZero() {
		t.Error("closed twice")
	}
}

func TestWhereNothingCanBeFoundOutItIsTriedAgainSoon(t *testing.T) {
	r := dead(t)
	for range 3 {
		r.now = r.now.Add(testRest)
		if r.permit() != sounding {
			t.Fatal("not tried")
		}
		if r.sound(unsure); r.permit() != denied {
			t.Fatal("a fault of our own says that it lives")
		}
	}
	r.now = r.now.Add(testRest)
	if r.permit(); r.sound(mute) || r.rest != 2*testRest {
		t.Errorf("it rests for %s: what could not be found out was held against it", r.rest)
	}
}

func TestARefusalEndsARestThatSilenceBegan(t *testing.T) {
	r := dead(t)
	r.now = r.now.Add(testRest)
	_ = r.permit()
	if r.sound(refusing); r.permit() != granted {
		t.Error("it speaks again, and is not asked")
	}
	if r.refuse(downAfter, refusalTime); r.permit() != sounding || !r.sound(refusing) {
		t.Fatal("it refuses everything, and is asked on")
	}
	if _, why, _ := r.breaker.silence(); why != Refused {
		t.Errorf("questions to it end as %s", why)
	}
	r.now = r.now.Add(testRest)
	if _ = r.permit(); r.sound(refusing) || r.permit() != denied {
		t.Error("it refuses still, and is asked")
	}
}

// TestLawABreakerNeitherHammersNorForgets: whatever happens, at most one sounding is out, a source without an answer is tried at
// least every quarter of an hour and at most every half minute, and one that has answered is asked.
func TestLawABreakerNeitherHammersNorForgets(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := newBreakerRun()
		out := false
		tried := r.now // when it was told last what was found out
		for range rapid.IntRange(1, 200).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "what") {
			case 0:
				r.silence(rapid.IntRange(1, 2*downAfter).Draw(rt, "silent"))
			case 1:
				r.refuse(rapid.IntRange(2, 2*downAfter).Draw(rt, "refused"), time.Duration(rapid.IntRange(0, 4).Draw(rt, "seconds"))*time.Second)
			case 2:
				if r.answered(); r.open() || !out && r.permit() != granted {
					rt.Fatal("it has answered, and is not asked")
				}
			case 3:
				r.now = r.now.Add(time.Duration(rapid.IntRange(1, 1200).Draw(rt, "pass")) * time.Second)
			case 4:
				if !out {
					continue
				}
				found := rapid.SampledFrom([]life{unsure, mute, refusing, living}).Draw(rt, "found")
				if r.sound(found); found == living && r.permit() != granted {
					rt.Fatal("it lives, and is not asked")
				}
				out, tried = false, r.now
			default:
				open := r.open()
				switch p := r.permit(); {
				case p == sounding && out:
					rt.Fatal("two find out at once")
				case p == sounding:
					if open && r.now.Sub(tried) < testRest {
						rt.Fatalf("tried again after %s", r.now.Sub(tried))
					}
					out = true
				case p == awaiting && !out:
					rt.Fatal("waits for nobody")
				case p == denied && !open:
					rt.Fatal("denied, but not open")
				case p == denied && !out && r.now.Sub(tried) >= testMostRest:
					rt.Fatalf("not tried for %s", r.now.Sub(tried))
				case p == granted && open:
					rt.Fatal("asked although it is dead")
				}
			}
		}
	})
}
