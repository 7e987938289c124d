package monitor

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// Most resolvers keep what was there before for as long as its TTL was. Nothing that a person does or takes back within that
// time may have them wake somebody.

const (
	strictDMARC  = "v=DMARC1; p=quarantine"
	dmarcChanged = "RecordDrifted shop.test/dmarc"
	dmarcName    = rrset.Name("_dmarc.shop.test")
)

var dmarcID = RecordID{apex, "dmarc"}

// shopOf gives a house in which shop.test is verified with that TTL.
func shopOf(t *testing.T, ttl uint32) *house {
	h := newHouse(t, testSettings())
	h.world.ttl = ttl
	h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
	h.world.set(t, dmarcName, rrset.TXT, dmarc)
	h.add(shopSpec())
	return h
}

// change lets the zone have another DMARC record, and all resolvers but one go on with what they have.
func (h *house) change(text string) {
	h.t.Helper()
	h.world.hold(dmarcName, rrset.TXT, "r1", "r2", "r3", "r4", "r5")
	h.world.set(h.t, dmarcName, rrset.TXT, text)
}

func (h *house) announce(text string, window time.Duration) {
	h.t.Helper()
	if err := h.engine.Announce(context.Background(), Announcement{ID: dmarcID, Value: []string{text}, Until: time.Now().Add(window), By: "ann", Why: "step"}); err != nil {
		h.t.Fatal(err)
	}
}

func TestAChangeInTheLastMinuteOfItsWindowSettlesForTheOldTTL(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 86400)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.after(6*time.Hour - time.Minute)
		h.change(strictDMARC)
		h.world.setTTL(300) // of the new record; what caches have left of the day does not matter here
		h.after(20 * time.Hour)
		h.expectTold(nil, nil)
		h.holds("dmarc", strictDMARC)
	})
}

func TestCachesThatOutlastTheTTLDoNotEndASettledChange(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 300)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.after(6*time.Hour - time.Minute)
		h.change(strictDMARC)
		h.world.holdFor(80000)
		h.after(7 * time.Minute)
		h.holds("dmarc", strictDMARC)
		if c := h.state("dmarc").Change; c != nil {
			t.Fatalf("after the five minutes of the TTL: %+v", c)
		}
		h.world.holdFor(60000)
		h.after(5 * time.Hour)
		h.expectTold(nil, nil)
		h.holds("dmarc", strictDMARC)
	})
}

func TestWhatWasMadeAndWithdrawnIsNotToldOfCaches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 3600)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.after(2 * time.Hour)
		h.change(dmarc) // taken back, and withdrawn
		h.world.setTTL(3000)
		if err := h.engine.Withdraw(context.Background(), dmarcID, "ann", "no"); err != nil {
			t.Fatal(err)
		}
		h.checkAfter(0)
		h.expectTold(nil, nil)
	})
}

func TestWhatWasMadeAndWithdrawnIsToldWhereItStays(t *testing.T) {
	inBubble(t, func(t *testing.T) { // the zone has it
		h := shopOf(t, 3600)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.after(2 * time.Hour)
		if err := h.engine.Withdraw(context.Background(), dmarcID, "ann", "no"); err != nil {
			t.Fatal(err)
		}
		h.checkAfter(0)
		h.expectTold([]string{dmarcChanged}, nil)
	})
	inBubble(t, func(t *testing.T) { // resolvers have it when no cache can have it any more
		h := shopOf(t, 3600)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.after(2 * time.Hour)
		h.change(dmarc)
		if err := h.engine.Withdraw(context.Background(), dmarcID, "ann", "no"); err != nil {
			t.Fatal(err)
		}
		h.world.holdFor(600)
		h.after(30 * time.Minute)
		h.expectTold(nil, nil)
		h.after(2 * time.Hour)
		h.expectTold([]string{dmarcChanged}, nil)
	})
}

func TestWhatWasMadeAndAnnouncedAnewIsNotToldOfCaches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 3600)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.after(2 * time.Hour)
		const other = "v=DMARC1; p=none"
		h.announce(other, 6*time.Hour)
		h.change(other)
		h.world.setTTL(3000)
		h.checkAfter(0)
		h.expectTold(nil, nil)
	})
}

func TestTheNextAnnouncementWhileTheOneBeforeSettlesIsNotToldOfCaches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 86400)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour)
		h.after(5 * time.Hour)
		h.change(strictDMARC)
		h.world.holdFor(80000)
		h.after(90 * time.Minute)
		h.holds("dmarc", strictDMARC)
		h.world.holdFor(70000)
		h.announce("v=DMARC1; p=none", 6*time.Hour)
		h.after(2 * time.Hour)
		h.expectTold(nil, nil)
	})
}

func TestNothingIsDecidedAboutAWindowWhileNothingIsSeen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 300)
		defer h.stop()
		h.announce(strictDMARC, 6*time.Hour+30*time.Minute)
		h.after(6*time.Hour + 10*time.Minute)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6", servers[0].ID, servers[1].ID)
		h.after(30 * time.Minute)
		h.world.mend()
		h.after(2 * time.Hour)
		h.expectTold(nil, nil)
		h.holds("dmarc", strictDMARC)
	})
}

func TestCachesAreReckonedByTheTTLThatWasHeardLast(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := shopOf(t, 300)
		defer h.stop()
		h.world.setTTL(86400)
		h.after(2 * time.Hour)
		h.world.set(t, dmarcName, rrset.TXT, strictDMARC)
		h.checkAfter(0)
		if err := h.engine.Accept(t.Context(), dmarcID, "ann", "ticket 7"); err != nil {
			t.Fatal(err)
		}
		// Other caches of the same resolvers have what was there before.
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.change(strictDMARC)
		h.world.holdFor(60000)
		h.after(4 * time.Hour)
		h.expectTold([]string{dmarcChanged}, []string{dmarcChanged})
	})
}

func TestAGroupThatSeesNothingDoesNotKeepTheWindowsOfOthersOpen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		dead := []*resolve.Source{{ID: "dead1", Operator: "dead1"}, {ID: "dead2", Operator: "dead2"}}
		for i := range 6 {
			id := fmt.Sprintf("dead%d", i+3)
			dead = append(dead, &resolve.Source{ID: id, Operator: resolve.Operator(id)})
		}
		settings.Groups["other"] = Group{Name: "other", Schedule: cron.Every(time.Hour), Resolvers: dead}
		h := newHouse(t, settings)
		defer h.stop()
		other := RecordID{"other.test", "dmarc"}
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.world.set(t, "_dmarc.other.test", rrset.TXT, dmarc)
		h.add(shopSpec(), Spec{Domain: "other.test", Schedule: "other", Expect: []ExpectSpec{{Kind: 3}}})
		h.announce(strictDMARC, 6*time.Hour)
		if err := h.engine.Announce(t.Context(), Announcement{ID: other, Value: []string{strictDMARC}, Until: time.Now().Add(6 * time.Hour), By: "ann"}); err != nil {
			t.Fatal(err)
		}
		h.after(5*time.Hour + 50*time.Minute)
		for _, r := range dead {
			h.world.breakAll(resolve.Timeout, r.ID)
		}
		h.after(30 * time.Minute)
		if fired, _ := h.pager.told(); !slices.Contains(fired, "ChangeNotMade shop.test/dmarc") || slices.Contains(fired, "ChangeNotMade other.test/dmarc") {
			t.Errorf("fired %q", fired)
		}
	})
}
