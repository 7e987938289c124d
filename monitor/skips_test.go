package monitor

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// slowWorld is a world that takes its time for each batch of questions.
type slowWorld struct {
	*world
	takes atomic.Int64
}

func (s *slowWorld) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	sleep(ctx, time.Duration(s.takes.Load()))
	s.world.Ask(ctx, queries, emit)
}

// TestASweepThatIsSkippedIsCounted: one that runs for two hours and a half lets two of the hourly ones drop out, and those after it
// take place again.
func TestASweepThatIsSkippedIsCounted(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager()}
		slow := &slowWorld{world: h.world}
		h.world.set(t, "canary.test", rrset.TXT, "alive")
		h.asker = slow
		h.start(testSettings())
		defer func() { h.stop() }()
		if got := h.engine.Snapshot().Skipped; len(got) > 0 {
			t.Errorf("after the first sweep %v", got)
		}
		began := time.Now()
		slow.takes.Store(int64(150 * time.Minute))
		h.after(time.Hour + time.Minute)
		slow.takes.Store(0)
		h.after(time.Hour)
		if got := h.engine.Snapshot().Skipped["default"]; got.Times != 1 || got.Last.Sub(began).Round(time.Minute) != 2*time.Hour {
			t.Errorf("while it ran into the next %+v", got)
		}
		h.after(3 * time.Hour)
		got, last := h.engine.Snapshot().Skipped["default"], h.engine.Snapshot().Sweeps["default"]
		if got.Times != 2 || got.Last.Sub(began).Round(time.Minute) != 3*time.Hour || !last.Started.After(got.Last) {
			t.Errorf("in the end %+v, the last sweep began at %v", got, last.Started)
		}
	})
}
