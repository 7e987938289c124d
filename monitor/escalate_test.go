package monitor

import (
	"slices"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// sesShop is verified with a mail service that withdraws verifications after 72 hours.
func sesShop(t *testing.T) *house {
	h := newHouse(t, testSettings())
	h.world.set(t, "mine._domainkey.shop.test", rrset.TXT, oldKey)
	h.stranger()
	h.add(Spec{Domain: "shop.test", Service: "ses", Params: map[string]string{"signing": "byodkim", "selector": "mine"}})
	return h
}

func (h *house) percents(what string) []int {
	var out []int
	for _, e := range h.pager.lastTold(what).Escalations {
		out = append(out, e.Percent)
	}
	return out
}

func TestTheTimeUntilAServiceWithdrawsIsCountedDown(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sesShop(t)
		defer func() { h.stop() }()
		const what = "RecordMissing shop.test/dkim:mine"
		lost := time.Now()
		h.world.remove("mine._domainkey.shop.test", rrset.TXT)
		h.after(30 * time.Hour)
		h.expectTold([]string{what}, nil)
		i := h.pager.lastTold(what)
		if left := i.Facts.Revokes.Sub(lost); left < 72*time.Hour || left > 74*time.Hour {
			t.Errorf("withdrawn %s after the loss", left)
		}
		if got := h.percents(what); got != nil {
			t.Errorf("escalated to %v after 30 of 72 hours", got)
		}
		h.after(8 * time.Hour)
		if got := h.percents(what); !slices.Equal(got, []int{50}) {
			t.Errorf("after 38 hours escalated to %v", got)
		}
		h.stop()
		h.after(21 * time.Hour)
		h.start(testSettings()) // 80 % came while nobody was there
		h.after(time.Minute)
		if got := h.percents(what); !slices.Equal(got, []int{50, 80}) {
			t.Errorf("after 59 hours escalated to %v", got)
		}
		h.after(30 * time.Hour)
		if got := h.percents(what); !slices.Equal(got, []int{50, 80, 95}) {
			t.Errorf("at the end escalated to %v", got)
		}
		h.expectTold([]string{what}, nil) // it is one incident all the time
		h.world.set(t, "mine._domainkey.shop.test", rrset.TXT, oldKey)
		h.after(2 * time.Hour)
		h.expectTold([]string{what}, []string{what})
	})
}

func TestWhatIsBeingMendedDoesNotEscalate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sesShop(t)
		defer h.stop()
		const what = "RecordMissing shop.test/dkim:mine"
		h.world.remove("mine._domainkey.shop.test", rrset.TXT)
		h.after(30 * time.Hour)
		h.world.hold("mine._domainkey.shop.test", rrset.TXT, "r1", "r2", "r3", "r4", "r5", "r6")
		h.world.set(t, "mine._domainkey.shop.test", rrset.TXT, oldKey)
		h.after(20 * time.Hour)
		if s := h.engine.Snapshot().States.Get(RecordID{apex, "dkim:mine"}); s.Stage != judge.Recovering || h.percents(what) != nil {
			t.Errorf("%v, escalated to %v", s.Position(), h.percents(what))
		}
	})
}

func TestAChangeThatIsTakenBackInTimeLosesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		const what = "RecordMissing shop.test/dmarc"
		all := []string{"r1", "r2", "r3", "r4", "r5", "r6"}
		h.world.hold("_dmarc.shop.test", rrset.TXT, all...)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(time.Hour + 2*time.Minute)
		i := h.pager.lastTold(what)
		if !i.Open() || len(i.Facts.Caches) != 6 || !i.Facts.Reached.IsZero() || i.Facts.Stage != judge.AtAuthority {
			t.Fatalf("told %+v", i.Facts)
		}
		if d := i.Facts.LastDeadline.Sub(i.Opened); d < 4*time.Minute || d > 5*time.Minute {
			t.Errorf("the last cache runs out %s after the change, the old TTL was 5 minutes", d)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.expectTold([]string{what}, []string{what})
		if i = h.pager.lastTold(what); !i.Facts.Reached.IsZero() {
			t.Error("no resolver ever saw it wrong")
		}
		// The next time one does.
		h.world.flush()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		if i = h.pager.lastTold(what); i.Facts.Reached.IsZero() {
			t.Error("all resolvers see it wrong")
		}
	})
}

func TestAChangeOfKindIsTheSameEpisode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, "other")
		h.after(2 * time.Hour)
		gone := h.pager.lastTold("RecordMissing shop.test/spf")
		h.world.set(t, apex, rrset.TXT, thirdSPF)
		h.after(2 * time.Hour)
		drifted := h.pager.lastTold("RecordDrifted shop.test/spf")
		if !gone.Episode.IsZero() || !drifted.Episode.Equal(gone.Opened) || !drifted.Open() {
			t.Errorf("episodes %s and %s, the first began at %s", gone.Episode, drifted.Episode, gone.Opened)
		}
		h.expectTold([]string{"RecordMissing shop.test/spf", "RecordDrifted shop.test/spf"}, []string{"RecordMissing shop.test/spf"})
	})
}
