package monitor

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// slowDomains is a world that takes its time for questions about domains of a fleet, as houseOf names them.
type slowDomains struct {
	*world
	takes atomic.Int64
}

func (s *slowDomains) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	if strings.HasPrefix(string(queries[0].Question.Name), "d") {
		sleep(ctx, time.Duration(s.takes.Load()))
	}
	s.world.Ask(ctx, queries, emit)
}

// TestASweepSaysHowFarItHasCome: since when it runs, how many domains are done, and what waits to be confirmed.
func TestASweepSaysHowFarItHasCome(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 4 * stageDomains
		h := emptyHouse(t, n, "d%05d.test")
		slow := &slowDomains{world: h.world}
		slow.takes.Store(int64(4 * time.Minute))
		h.asker = slow
		settings := testSettings()
		settings.Spread = 0.5
		h.start(settings, h.configured...)
		defer func() { h.stop() }()
		began := time.Now()
		p, runs := h.engine.Snapshot().Sweeping["default"]
		if !runs || !p.Started.Equal(began) || p.Domains != n || p.Done != 0 || p.Stages != 4 || p.Over != 0 || p.Takes <= 0 {
			t.Errorf("when the first sweep has begun: %+v", p)
		}
		h.after(59 * time.Minute)
		if p, runs := h.engine.Snapshot().Sweeping["default"]; runs {
			t.Errorf("between sweeps: %+v", p)
		}
		slow.takes.Store(0)
		// Stages begin spread over half of the time to the next sweep.
		h.after(time.Minute + 10*time.Minute)
		p, runs = h.engine.Snapshot().Sweeping["default"]
		if !runs || p.Over < 1 || p.Over > 3 || p.Done != p.Over*stageDomains || p.Waiting != 0 {
			t.Errorf("ten minutes into a spread sweep: %+v", p)
		}
		if left := p.Left(time.Now()); left < 20*time.Minute || left > 30*time.Minute {
			t.Errorf("left is %s of %s", left, p.Takes)
		}
		h.after(49 * time.Minute)
		h.world.set(t, "d00000.test", rrset.TXT, "v=spf1 +all")
		h.after(time.Minute + time.Second)
		if p := h.engine.Snapshot().Sweeping["default"]; p.Waiting != 1 || p.Over != 0 {
			t.Errorf("while a change is to be confirmed: %+v", p)
		}
		h.after(59*time.Minute + 50*time.Second)
		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6")
		h.after(10 * time.Second)
		if p := h.engine.Snapshot().Sweeping["default"]; p.Unsure != 1 || p.Waiting != 0 {
			t.Errorf("while no resolver answers: %+v", p)
		}
		h.world.mend()
		h.after(50 * time.Minute)
		if got := h.engine.Snapshot().Sweeping; len(got) > 0 {
			t.Errorf("in the end: %+v", got)
		}
	})
}

// TestTheLastSweepIsKnownAfterARestart although the first one of the new process still runs, which it must not be taken for.
func TestTheLastSweepIsKnownAfterARestart(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := fleetHouse(t, 3)
		h.after(time.Hour + time.Minute)
		before := h.engine.Snapshot().Sweeps["default"]
		h.stop()
		h.after(10 * time.Minute)
		slow := &slowDomains{world: h.world}
		slow.takes.Store(int64(5 * time.Minute))
		h.asker = slow
		h.start(testSettings(), h.configured...)
		defer func() { h.stop() }()
		snap := h.engine.Snapshot()
		if got := snap.Sweeps["default"]; before.Records != 3 || got != before {
			t.Errorf("after the restart %+v, before it %+v", got, before)
		}
		if _, runs := snap.Sweeping["default"]; !runs {
			t.Error("the first sweep does not run")
		}
		h.after(6 * time.Minute)
		if got := h.engine.Snapshot().Sweeps["default"]; !got.Started.After(before.Started) {
			t.Errorf("after the first sweep %+v", got)
		}
	})
}

// TestSweepsOfGroupsThatAreGoneAreNotRecalled: nobody would ever see them end.
func TestSweepsOfGroupsThatAreGoneAreNotRecalled(t *testing.T) {
	last := func(groups []string) ([]SweepSummary, error) {
		if len(groups) != 1 || groups[0] != "default" {
			t.Errorf("asked for %v", groups)
		}
		return nil, context.Canceled
	}
	_, err := New(t.Context(), Options{Journal: newMemJournal()}, Memory{LastSweeps: last}, testSettings(), nil)
	if err == nil || !strings.Contains(err.Error(), "read how the last sweeps went: context canceled") {
		t.Errorf("got %v", err)
	}
}

// lines is a log that can be read. It holds one line for each event, without its time.
func lines() (*slog.Logger, func() []string) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	return log, func() []string {
		defer out.Reset()
		return strings.FieldsFunc(out.String(), func(r rune) bool { return r == '\n' })
	}
}

// TestTheLogOfSweeps: the beginning of a fleet is a line a stage and one for the sweep; what goes wrong and is mended has a line each.
func TestTheLogOfSweeps(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 2 * stageDomains
		h := emptyHouse(t, n, "d%05d.test")
		log, said := lines()
		h.log = log
		h.start(testSettings(), h.configured...)
		defer func() { h.stop() }()
		h.after(time.Minute)
		want := []string{
			`level=INFO msg="records verified" count=250 of=default`,
			`level=INFO msg="records verified" count=250 of=default`,
			`level=INFO msg="sweep done" group=default records=500 verified=500 took=30s`,
		}
		expectLines(t, "of the first sweep", said(), want)
		h.after(time.Hour)
		expectLines(t, "of a sweep without news", said(), nil)

		h.world.set(t, "d00000.test", rrset.TXT, "v=spf1 +all")
		h.world.remove("d00001.test", rrset.TXT)
		h.world.breakAll(resolve.Timeout, "r1")
		h.after(time.Hour)
		got := said()
		for i := range got {
			got[i], _, _ = strings.Cut(got[i], " unanswered=")
		}
		expectLines(t, "of a sweep with news", got, []string{
			`level=WARN msg=transition domain=d00000.test record=spf from=holding/none to=drifted/receivers`,
			`level=WARN msg=transition domain=d00001.test record=spf from=holding/none to=missing/receivers`,
			`level=INFO msg="sweep done" group=default records=500 missing=1 drifted=1`,
		})

		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6")
		h.after(time.Hour + time.Minute)
		got = said()
		if last := got[len(got)-1]; !strings.HasPrefix(last, `level=INFO msg="sweep done" group=default records=500 unanswered=`) || !strings.Contains(last, " trusted=false took=30s") {
			t.Errorf("the log of a sweep that hears nobody ends with %s", last)
		}
	})
}

func expectLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if fmt.Sprintf("%q", got) != fmt.Sprintf("%q", want) {
		t.Errorf("the log %s:\n%s\nwant\n%s", what, strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestFewVerificationsHaveALineEach as those of a domain that was just registered.
func TestFewVerificationsHaveALineEach(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := emptyHouse(t, loggedEach, "d%05d.test")
		log, said := lines()
		h.log = log
		h.start(testSettings(), h.configured...)
		defer func() { h.stop() }()
		h.after(time.Minute)
		if got := said(); len(got) != loggedEach+1 || got[0] != `level=INFO msg=transition domain=d00000.test record=spf from=pending to=holding/none` {
			t.Errorf("%d lines:\n%s", len(got), strings.Join(got, "\n"))
		}
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.DMARC}}})
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
		h.after(time.Hour)
		if got := said(); len(got) == 0 || got[0] != `level=INFO msg=transition domain=shop.test record=dmarc from=pending to=holding/none` {
			t.Errorf("%d lines:\n%s", len(got), strings.Join(got, "\n"))
		}
	})
}
