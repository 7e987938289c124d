package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// liar is a network between us and the world that says of some names that they do not exist.
type liar struct {
	*world
	mu   sync.Mutex
	lies func(resolve.Query) bool
}

func (l *liar) Ask(_ context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	for _, q := range queries {
		l.mu.Lock()
		lie := l.lies != nil && q.Question.Name != "canary.test" && l.lies(q)
		l.mu.Unlock()
		o := l.answer(q)
		if lie {
			o.Outcome, o.Set = resolve.NXDomain, rrset.Set{}
		}
		emit(o)
	}
}

func (l *liar) begin(lies func(resolve.Query) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lies = lies
}

// comparedStages is how many stages the fleets of these tests have.
const comparedStages = 8

// fleetBehind is a verified fleet of some stages behind a network that does not lie yet. The next sweep is due in half an hour.
func fleetBehind(t *testing.T, settings Settings) (*house, *liar) {
	h := emptyHouse(t, comparedStages*stageDomains, "d%05d.test")
	l := &liar{world: h.world}
	h.asker = l
	settings.Resend = time.Hour // the pager is told of what is new all the same
	h.start(settings, h.configured...)
	h.after(time.Hour + 30*time.Minute)
	h.expectTold(nil, nil)
	return h, l
}

// lose takes the SPF records of domains away.
func (h *house) lose(from, to int) {
	for i := from; i < to; i++ {
		h.world.remove(rrset.Name(fmt.Sprintf("d%05d.test", i)), rrset.TXT)
	}
}

// toldOf counts what began to fire by the alert's name.
func (h *house) toldOf(name AlertName) int {
	fired, _ := h.pager.told()
	return len(slices.DeleteFunc(fired, func(s string) bool { return !strings.HasPrefix(s, string(name)) }))
}

func (h *house) expectCounts(missing, blind int) {
	h.t.Helper()
	if m, b := h.toldOf(AlertMissing), h.toldOf(AlertBlind); m != missing || b != blind {
		why := h.engine.Snapshot().Self.BlindGroups
		h.t.Errorf("%d records are told as missing and %d times that we are blind, want %d and %d; %v", m, b, missing, blind, why)
	}
}

// TestWhatIsWrongInOneStageAloneIsToldAtOnce: more than the gate's share of a stage, and little of the sweep.
func TestWhatIsWrongInOneStageAloneIsToldAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name     string
		from, to int
	}{
		{"two fifths of a stage", 260, 360},
		{"a whole stage", 250, 500},
		{"the first stage", 0, 200},
		{"the last stage", 1760, 2000},
		{"a third of each of two neighbours", 420, 580},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				h, _ := fleetBehind(t, testSettings())
				defer func() { h.stop() }()
				h.lose(tt.from, tt.to)
				h.after(31 * time.Minute)
				h.expectCounts(tt.to-tt.from, 0)
				if last := h.engine.Snapshot().Sweeps["default"]; !last.Good() || last.Transitions < tt.to-tt.from {
					t.Errorf("the sweep: %+v", last)
				}
				h.after(2 * time.Hour)
				h.expectCounts(tt.to-tt.from, 0)
			})
		})
	}
}

// TestNeighboursThatAreGoneSayNothing: what is beside the stage was lost and told before, and has nobody left who could be well now.
func TestNeighboursThatAreGoneSayNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, _ := fleetBehind(t, testSettings())
		defer func() { h.stop() }()
		told := 0
		for _, lost := range [][2]int{{0, 250}, {500, 750}, {260, 360}} {
			h.lose(lost[0], lost[1])
			told += lost[1] - lost[0]
			h.after(time.Hour)
			h.expectCounts(told, 0)
		}
	})
}

// TestWhatIsWrongInMoreThanOneStageIsHeldBack: it may be something large that we do not understand, and is told when it lasts.
func TestWhatIsWrongInMoreThanOneStageIsHeldBack(t *testing.T) {
	for _, tt := range []struct {
		name string
		lost [][2]int
	}{
		{"two whole neighbours, a quarter of all", [][2]int{{500, 1000}}},
		{"half of the sweep in stages apart", [][2]int{{0, 250}, {500, 750}, {1000, 1250}, {1500, 1750}}},
		{"half of all domains", [][2]int{{0, 125}, {250, 375}, {500, 625}, {750, 875}, {1000, 1125}, {1250, 1375}, {1500, 1625}, {1750, 1875}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				h, _ := fleetBehind(t, testSettings())
				defer func() { h.stop() }()
				lost := 0
				for _, some := range tt.lost {
					h.lose(some[0], some[1])
					lost += some[1] - some[0]
				}
				h.after(31 * time.Minute)
				h.expectCounts(0, 1)
				h.after(3 * time.Hour)
				h.expectCounts(lost, 1)
			})
		})
	}
}

// TestANetworkThatBeginsToLieDuringASweepIsNotBelieved: the stages before saw all well, so that of the sweep as a whole little is wrong.
func TestANetworkThatBeginsToLieDuringASweepIsNotBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Spread = 0.5
		h, l := fleetBehind(t, settings)
		defer func() { h.stop() }()
		h.after(30*time.Minute + 26*time.Minute) // the last stage begins in the 27th or 28th minute of the sweep
		l.begin(func(resolve.Query) bool { return true })
		h.after(30 * time.Minute)
		h.expectCounts(0, 1)
		l.begin(nil)
		h.after(2 * time.Hour)
		h.expectCounts(0, 1)
		if _, ended := h.pager.told(); !slices.Equal(ended, []string{"MonitorBlind"}) {
			t.Errorf("ended: %q", ended)
		}
	})
}

// TestALieThatIsOverWhenOthersAreAskedIsNotBelieved: each source lies three times about each name of one stage, which is as often as a
// change is looked at.
func TestALieThatIsOverWhenOthersAreAskedIsNotBelieved(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, l := fleetBehind(t, testSettings())
		defer func() { h.stop() }()
		told := map[string]int{}
		l.begin(func(q resolve.Query) bool {
			key := q.Source.ID + " " + string(q.Question.Name)
			told[key]++
			return told[key] <= 3 && q.Question.Name >= "d00250.test" && q.Question.Name < "d00400.test"
		})
		h.after(31 * time.Minute)
		h.expectCounts(0, 1)
		if why := h.engine.Snapshot().Self.BlindGroups["default"]; !strings.Contains(why, "150 of 250 records turned bad at once, and were mostly well a moment later") {
			t.Errorf("the reason is %q", why)
		}
		h.after(2 * time.Hour)
		h.expectCounts(0, 1)
	})
}

// TestANetworkThatLiesAboutEverythingIsAskedForComparisonOnce: all else is what it costs to look at a change three times.
func TestANetworkThatLiesAboutEverythingIsAskedForComparisonOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Spread = 0.5
		h, l := fleetBehind(t, settings)
		defer func() { h.stop() }()
		usual := h.engine.Snapshot().Sweeps["default"].Questions
		l.begin(func(resolve.Query) bool { return true })
		h.after(time.Hour + 5*time.Minute)
		h.expectCounts(0, 1)
		const once, canaries = 3 * compared * (6 + 2), comparedStages * 6 // those of the canaries are not the same number each time
		if got := h.engine.Snapshot().Sweeps["default"].Questions - 3*usual; got < once-2*canaries-100 || got > once+2*canaries {
			t.Errorf("%d questions more than three looks, want about %d", got, once)
		}
	})
}

func TestOthersAreAskedOnlyUntilAStageIsHeldBack(t *testing.T) {
	stages := [][]rrset.Name{{"a", "b"}, {"c"}, {"d"}, {"e"}}
	b := besides(stages)
	near, all, part := b.others(stages[1])
	if !slices.Equal(near, []rrset.Name{"a", "b", "d"}) || !slices.Equal(all, []rrset.Name{"a", "b", "d", "e"}) || part != 0.2 {
		t.Errorf("beside it %q of %q, it is %v of all", near, all, part)
	}
	b.holdBack()
	if near, all, _ := b.others(stages[1]); near != nil || all != nil {
		t.Errorf("after one was held back %q and %q", near, all)
	}
}

func TestSpacedIsFromAllOver(t *testing.T) {
	for _, n := range []int{0, 1, compared, compared + 1, 250, 100_003} {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		got := spaced(list)
		if len(got) != min(n, compared) || n > 0 && (got[0] > n/compared || got[len(got)-1] < n-1-n/compared) {
			t.Errorf("of %d: %v", n, got)
		}
		slices.Sort(got)
		if len(slices.Compact(got)) != min(n, compared) {
			t.Errorf("of %d some are taken twice: %v", n, got)
		}
	}
}
