package monitor

import (
	"context"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

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

// TestReloadsPutNoSweepOff: a configuration is read again every twenty seconds, and what is due every hour takes place every hour.
func TestReloadsPutNoSweepOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer func() { h.stop() }()
		h.after(time.Minute)
		began := h.engine.Snapshot().Sweeps["default"].Started
		var started []time.Duration
		for last := began; len(started) < 3 && time.Since(began) < 5*time.Hour; {
			h.after(20 * time.Second)
			if err := h.engine.Apply(t.Context(), testSettings(), nil); err != nil {
				t.Fatal(err)
			}
			if now := h.engine.Snapshot().Sweeps["default"].Started; now.After(last) {
				last = now
				started = append(started, now.Sub(began))
			}
		}
		if want := []time.Duration{time.Hour, 2 * time.Hour, 3 * time.Hour}; !slices.Equal(started, want) {
			t.Errorf("sweeps began after %v, want %v", started, want)
		}
		if skipped := h.engine.Snapshot().Skipped["default"]; skipped.Times > 0 {
			t.Errorf("%+v were skipped", skipped)
		}
	})
}

// TestASweepIsOwedByItsSchedule: by when one has to have ended that can be relied on.
func TestASweepIsOwedByItsSchedule(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer func() { h.stop() }()
		began := time.Now().Round(0)
		owes := func(want time.Duration) {
			t.Helper()
			if got := h.engine.Snapshot().GoodSweepDue["default"].Sub(began); got != want {
				t.Errorf("%v after the start a good sweep is owed by %v, want %v", time.Since(began), got, want)
			}
		}
		owes(2 * time.Hour)
		h.after(time.Hour + time.Minute)
		owes(3 * time.Hour)
		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6")
		h.after(3 * time.Hour)
		owes(3 * time.Hour)

		apply := func(s Settings) {
			t.Helper()
			if err := h.engine.Apply(t.Context(), s, nil); err != nil {
				t.Fatal(err)
			}
		}
		apply(testSettings()) // the same again puts nothing off
		owes(3 * time.Hour)
		rarely := testSettings()
		group := rarely.Groups["default"]
		group.Schedule = cron.Every(12 * time.Hour)
		rarely.Groups["default"] = group
		apply(rarely)
		owes(28*time.Hour + time.Minute)
		none := testSettings() // those that were applied are the engine's
		delete(none.Groups, "default")
		apply(none)
		if left := h.engine.Snapshot().GoodSweepDue; len(left) > 0 {
			t.Errorf("without a group %v is owed", left)
		}
	})
}

func TestWhatLongSweepsOwe(t *testing.T) {
	at := func(hour, minute int) time.Time { return time.Date(2026, 3, 14, hour, minute, 0, 0, time.UTC) }
	nights, err := cron.ParseStandard("0 2,3 * * *")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name         string
		schedule     cron.Schedule
		began, ended time.Time
		want         time.Time
	}{
		{"one of a minute", cron.Every(time.Hour), at(1, 0), at(1, 1), at(3, 0)},
		{"spread over half the interval", cron.Every(time.Hour), at(1, 0), at(1, 30), at(3, 30)},
		{"longer than the interval", cron.Every(time.Hour), at(1, 0), at(3, 0), at(8, 0)},
		{"the next is soon, that after it far", nights, at(2, 0), at(2, 1), at(2, 0).AddDate(0, 0, 1)},
		{"the next is far, that after it soon", nights, at(3, 0), at(3, 1), at(3, 0).AddDate(0, 0, 1)},
	} {
		if got := owedBy(tt.schedule, tt.began, tt.ended); !got.Equal(tt.want) {
			t.Errorf("%s: owed by %v, want %v", tt.name, got, tt.want)
		}
	}
}

// TestAFirstSweepIsGivenItsTime: the first one after a start asks everybody about everything, and a new group several times over, which takes
// a large fleet many times its interval. Sweeps that cannot be relied on are not given more.
func TestAFirstSweepIsGivenItsTime(t *testing.T) {
	for _, blind := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			settings := testSettings()
			settings.Rate = 0.0006 // two hours for three domains
			h := emptyHouse(t, 3, "d%05d.test")
			slow := &slowDomains{world: h.world}
			slow.takes.Store(int64(10 * time.Minute))
			h.asker = slow
			if blind {
				h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6")
			}
			h.start(settings, h.configured...)
			defer func() { h.stop() }()
			began := time.Now().Round(0)
			full := h.engine.Snapshot().Estimates["default"].Full
			owes := func(what string, want time.Duration) {
				t.Helper()
				if got := h.engine.Snapshot().GoodSweepDue["default"].Sub(began); got != want {
					t.Errorf("%s: owed in %v, want %v", what, got, want)
				}
			}
			if full < 90*time.Minute {
				t.Fatalf("everything takes %v", full)
			}
			owes("a new group", 2*3*full)
			h.after(5*time.Hour + 59*time.Minute)
			if blind {
				owes("sweeps that fail", 2*3*full)
				return
			}
			h.stop()
			h.start(settings, h.configured...)
			began = time.Now().Round(0)
			owes("after a restart", 2*full)
		})
	}
}
