package monitor

import (
	"context"
	"fmt"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// fleetHouse is a house with so many domains in the configuration, each with an SPF record in a zone of its own.
func fleetHouse(t *testing.T, n int) *house { return houseOf(t, n, "d%05d.test") }

func houseOf(t *testing.T, n int, pattern string) *house {
	return houseWith(t, testSettings(), n, pattern)
}

func houseWith(t *testing.T, settings Settings, n int, pattern string) *house {
	h := emptyHouse(t, n, pattern)
	h.start(settings, h.configured...)
	return h
}

// emptyHouse has its domains, and nobody who watches them yet.
func emptyHouse(t *testing.T, n int, pattern string) *house {
	presets := testPresets(t)
	var domains []*Domain
	names := make([]rrset.Name, n)
	for i := range n {
		names[i] = rrset.Name(fmt.Sprintf(pattern, i))
		spec := Spec{Domain: string(names[i]), Expect: []ExpectSpec{{Kind: mailrec.SPF}}}
		d, err := spec.Resolve(presets)
		if err != nil {
			t.Fatal(err)
		}
		d.Origin = Origin{File: "maildrift.yml", Line: i + 1}
		domains = append(domains, d)
	}
	h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager(), configured: domains}
	h.world.set(t, "canary.test", rrset.TXT, "alive")
	for _, name := range names {
		h.world.set(t, name, rrset.TXT, "v=spf1 -all")
	}
	return h
}

// TestASweepInStagesIsOneSweep: what it comes to is written once, when all stages are over, and nothing else is if nothing has
// changed.
func TestASweepInStagesIsOneSweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 2*stageDomains + 100
		h := fleetHouse(t, n)
		defer h.stop()
		h.after(2*time.Hour + 30*time.Minute)
		snap := h.engine.Snapshot()
		if got := snap.States.Counts().Records[judge.Verified][judge.Holding]; got != n {
			t.Fatalf("%d of %d records are verified", got, n)
		}
		last := snap.Sweeps["default"]
		if want := n * (6 + 2); last.Domains != n || last.Records != n || last.Questions < want || last.Questions > want+50 || !last.Good() || last.Transitions != 0 {
			t.Errorf("the last sweep: %+v; want %d records and about %d questions", last, n, want)
		}
		sweeps, states := h.journal.counts()
		h.after(time.Hour)
		nowSweeps, nowStates := h.journal.counts()
		if nowSweeps != sweeps+1 || nowStates != states {
			t.Errorf("an unchanged sweep wrote %d summaries and %d states", nowSweeps-sweeps, nowStates-states)
		}
		if got := snap.Votes.Len(); got != n {
			t.Errorf("votes on %d records", got)
		}
	})
}

// TestStagesTellWhatTheyFind: one domain of many drifts, in whatever stage.
func TestStagesTellWhatTheyFind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := fleetHouse(t, 2*stageDomains)
		defer h.stop()
		h.after(2*time.Hour + 30*time.Minute)
		var fired, ended []string
		for _, name := range []rrset.Name{"d00000.test", "d00499.test"} {
			h.world.set(t, name, rrset.TXT, "v=spf1 +all")
			h.after(time.Hour)
			fired = append(fired, "RecordDrifted "+string(name)+"/spf")
			h.expectTold(fired, nil)
		}
		for i, name := range []rrset.Name{"d00000.test", "d00499.test"} {
			h.world.set(t, name, rrset.TXT, "v=spf1 -all")
			h.after(2 * time.Hour)
			ended = append(ended, fired[i])
			h.expectTold(fired, ended)
		}
	})
}

// TestF60TheUplinkIsCutDuringASweepOfManyStages: one page about us, and nothing about anybody's records.
func TestF60TheUplinkIsCutDuringASweepOfManyStages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := fleetHouse(t, 2*askingStages*stageDomains)
		defer h.stop()
		h.after(2*time.Hour + 30*time.Minute)
		h.world.mu.Lock()
		for _, source := range []string{"r1", "r2", "r3", "r4", "r5", "r6", servers[0].ID, servers[1].ID} {
			h.world.broken[source] = resolve.Timeout
		}
		h.world.mu.Unlock()
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
		// Those that ask side by side wait whether it is a hiccup; the others need not find that out again.
		if took := h.engine.Snapshot().Sweeps["default"].Duration; took != judge.DefaultRules().ConfirmWait {
			t.Errorf("a sweep that hears nobody takes %s", took)
		}
		h.world.mu.Lock()
		clear(h.world.broken)
		h.world.mu.Unlock()
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, []string{"MonitorBlind"})
	})
}

// TestAZoneOfManyStagesThatIsLostIsOneCause: the first stage cannot know of the last whether it is lost too.
func TestAZoneOfManyStagesThatIsLostIsOneCause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		const n = 3 * stageDomains
		h := houseOf(t, n, "d%05d.big.test")
		defer h.stop()
		h.after(2*time.Hour + 30*time.Minute)
		for i := range n {
			h.world.remove(rrset.Name(fmt.Sprintf("d%05d.big.test", i)), rrset.TXT)
		}
		h.after(time.Hour)
		causes, alone := 0, 0
		for _, in := range h.engine.Snapshot().Open {
			switch {
			case in.Name == AlertCause:
				causes++
			case in.Facts.Cause == "":
				alone++
			}
		}
		if causes != 1 || alone > 0 {
			t.Errorf("%d causes, and %d records that are told by themselves", causes, alone)
		}
	})
}

// doorkeeper is an asker that answers only while it is open.
type doorkeeper struct{ open bool }

// Ask implements resolve.Asker.
func (d *doorkeeper) Ask(_ context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	for _, q := range queries {
		o := resolve.Observation{Source: q.Source, Question: q.Question, Outcome: resolve.Timeout}
		if d.open {
			o.Outcome = resolve.Answered
		}
		emit(o)
	}
}

// TestAfterAnOutageStagesWaitForCanariesAgain: while it lasts one waits in vain for all, and once it is over a hiccup is waited out.
func TestAfterAnOutageStagesWaitForCanariesAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		var d doorkeeper
		q := &Inquiry{Asker: &d, Rules: settings.Rules}
		b := besides([][]rrset.Name{{"a.test"}, {"b.test"}})
		for i, tt := range []struct{ open, passes, waits bool }{{false, false, true}, {false, false, false}, {true, true, false}, {false, false, true}} {
			d.open = tt.open
			began := time.Now()
			passed := q.taste(t.Context(), settings.Groups["default"].Resolvers, settings.Canaries[:1], b)
			if waited := time.Since(began); (passed.distrusted == "") != tt.passes || (waited >= q.Rules.ConfirmWait) != tt.waits {
				t.Errorf("stage %d waited for %s and is distrusted since %q", i, waited, passed.distrusted)
			}
		}
	})
}
