package monitor

import (
	"testing"
	"time"

	"maildrift/monitor/pace"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// pacedShop is a shop whose resolvers are spared what they can only answer from their caches, swept every hour for long
// enough that nothing from before it was verified can be in any. Its records have a TTL of four hours.
func pacedShop(t *testing.T) *house {
	settings := testSettings()
	settings.Pace = pace.TTL
	h := newHouse(t, settings)
	h.world.mu.Lock()
	h.world.ttl = 4 * 3600
	h.world.mu.Unlock()
	h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
	h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
	h.add(shopSpec())
	h.after(24 * time.Hour)
	return h
}

func TestResolversAreSparedWhatTheyCanOnlyRepeat(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := pacedShop(t)
		defer h.stop()
		resolver, authority := h.world.askedOf("r1", "_dmarc.shop.test"), h.world.askedOf(servers[0].ID, "_dmarc.shop.test")
		h.after(24 * time.Hour)
		resolver, authority = h.world.askedOf("r1", "_dmarc.shop.test")-resolver, h.world.askedOf(servers[0].ID, "_dmarc.shop.test")-authority
		if authority != 24 || resolver < 5 || resolver > 8 {
			t.Errorf("in a day a resolver was asked %d times, the zone's server %d times; want about 6 and 24", resolver, authority)
		}
		if got := h.engine.Snapshot().Sweeps["default"]; got.Spared == 0 || got.Blind > 0 {
			t.Errorf("the last sweep spared %d questions, %d records were blind", got.Spared, got.Blind)
		}
		h.expectTold(nil, nil)
	})
}

// TestWhatTheZoneSaysIsToldAtTheNextSweepAtAnyPace: sparing resolvers delays nothing that their zone's servers know.
func TestWhatTheZoneSaysIsToldAtTheNextSweepAtAnyPace(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := pacedShop(t)
		defer h.stop()
		for _, source := range []string{"r1", "r2", "r3", "r4", "r5", "r6"} {
			h.world.hold("_dmarc.shop.test", rrset.TXT, source) // caches keep what they have
		}
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(time.Hour + time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		before := h.world.askedOf("r1", "_dmarc.shop.test")
		h.after(3 * time.Hour)
		if n := h.world.askedOf("r1", "_dmarc.shop.test") - before; n < 3 {
			t.Errorf("while the record is lost a resolver was asked %d times in three sweeps", n)
		}
	})
}

// TestALiarIsFoundWhenItsAnswerEnds: what no authority says is found at the latest when the last answer ends.
func TestALiarIsFoundWhenItsAnswerEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := pacedShop(t)
		defer h.stop()
		h.world.mu.Lock()
		for _, source := range []string{"r1", "r2", "r3", "r4", "r5", "r6"} {
			h.world.caches[source] = map[resolve.Question]rrset.Set{{Name: "_dmarc.shop.test", Type: rrset.TXT}: {Type: rrset.TXT}}
		}
		h.world.mu.Unlock()
		h.after(5*time.Hour + time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
	})
}
