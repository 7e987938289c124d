package monitor

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

const (
	newSPF   = "v=spf1 include:news.service.test -all"
	thirdSPF = "v=spf1 -all"
)

var spfID = RecordID{apex, "spf"}

// announceNewSPF announces a window of six hours.
func (h *house) announceNewSPF() time.Time {
	h.t.Helper()
	until := time.Now().Add(6 * time.Hour)
	if err := h.engine.Announce(context.Background(), Announcement{
		ID: spfID, Value: []string{newSPF}, Until: until, By: "ann", Why: "newsletter",
	}); err != nil {
		h.t.Fatal(err)
	}
	return until
}

func (h *house) holds(key, baseline string) {
	h.t.Helper()
	s := h.state(key)
	if s.Phase != judge.Verified || s.Verdict != judge.Holding || !slices.Equal(s.Baseline.Lines(), []string{baseline}) {
		h.t.Errorf("%s is %v with baseline %q, want it to hold %q", key, s.Position(), s.Baseline.Lines(), baseline)
	}
}

func TestAnAnnouncedChangeIsNoSurprise(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.announceNewSPF()
		h.after(2 * time.Hour)
		h.holds("spf", spfText) // nothing has been made yet
		// The zone has the new value, half of the caches the old one.
		h.world.hold(apex, rrset.TXT, "r1", "r2", "r3")
		h.world.set(t, apex, rrset.TXT, newSPF)
		h.after(2 * time.Hour)
		h.holds("spf", spfText)
		if !h.state("spf").Change.Made {
			t.Error("the change is not seen to be made")
		}
		h.after(3 * time.Hour)
		h.holds("spf", newSPF) // the window is over: the new value is the baseline, caches may still hold the old one
		h.world.flush()
		h.after(2 * time.Hour)
		if c := h.state("spf").Change; c != nil {
			t.Errorf("the change never ends: %+v", c)
		}
		h.expectTold(nil, nil)
		h.world.set(t, apex, rrset.TXT, thirdSPF)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, nil)
	})
}

func TestAfterTheWindowTheOldValueIsDrift(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		id, strict := RecordID{apex, "dmarc"}, "v=DMARC1; p=quarantine"
		if err := h.engine.Announce(context.Background(), Announcement{ID: id, Value: []string{strict}, Until: time.Now().Add(3 * time.Hour), By: "ann", Why: "step"}); err != nil {
			t.Fatal(err)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, strict)
		h.after(5 * time.Hour)
		h.holds("dmarc", strict)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/dmarc"}, nil)
	})
}

func TestAThirdValueInAWindowPagesAtOnceAndNamesWhatWasAnnounced(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.announceNewSPF()
		h.world.set(t, apex, rrset.TXT, thirdSPF)
		h.after(time.Hour + time.Minute)
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, nil)
		told := h.pager.lastTold("RecordDrifted shop.test/spf").Facts.Announced
		if told == nil || !slices.Equal(told.Next.Lines(), []string{newSPF}) {
			t.Errorf("the alert tells of %+v, want the announced value", told)
		}
		h.world.set(t, apex, rrset.TXT, newSPF)
		h.after(time.Hour + time.Minute)
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, []string{"RecordDrifted shop.test/spf"})
	})
}

func TestAnUnmadeChangeIsToldOnceAtTheEndAndEndsWhenMade(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer func() { h.stop() }()
		h.announceNewSPF()
		h.after(9 * time.Hour)
		h.expectTold([]string{"ChangeNotMade shop.test/spf"}, nil)
		h.holds("spf", spfText)
		h.stop()
		h.start(testSettings()) // a restart forgets nothing of it
		h.after(3 * time.Hour)
		h.world.set(t, apex, rrset.TXT, newSPF)
		h.after(2 * time.Hour)
		h.holds("spf", newSPF)
		h.expectTold([]string{"ChangeNotMade shop.test/spf"}, []string{"ChangeNotMade shop.test/spf"})
	})
}

func TestAWithdrawnChangeLeavesOnlyTheBaseline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.announceNewSPF()
		if err := h.engine.Withdraw(context.Background(), spfID, "ann", "not today"); err != nil {
			t.Fatal(err)
		}
		h.world.set(t, apex, rrset.TXT, newSPF)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/spf"}, nil)
		if err := h.engine.Withdraw(context.Background(), spfID, "ann", ""); !errors.Is(err, ErrNothingAnnounced) {
			t.Errorf("withdrawing nothing: %v", err)
		}
		want := []string{"tester: add shop.test", "ann: expect shop.test/spf", "ann: withdraw shop.test/spf"}
		if got := h.journal.audited(); !slices.Equal(got, want) {
			t.Errorf("audit trail %q, want %q", got, want)
		}
	})
}

func TestAnAnnouncedRemovalEndsTheWatch(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer func() { h.stop() }()
		id := RecordID{apex, "dmarc"}
		if err := h.engine.Announce(context.Background(), Announcement{ID: id, Gone: true, Until: time.Now().Add(3 * time.Hour), By: "ann", Why: "moved"}); err != nil {
			t.Fatal(err)
		}
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(5 * time.Hour)
		h.expectTold(nil, nil)
		if h.engine.Snapshot().States.Get(id) != nil {
			t.Error("the record that went as announced is still watched")
		}
		h.stop()
		h.start(testSettings())
		h.after(2 * time.Hour)
		if h.engine.Snapshot().States.Get(id) != nil {
			t.Error("a restart brings it back")
		}
		h.expectTold(nil, nil)
	})
}

func TestAnnouncementsThatCannotBeAreRefused(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		until := time.Now().Add(time.Hour)
		for _, c := range []struct {
			name string
			a    Announcement
			want string
		}{
			{"no value", Announcement{ID: spfID, Until: until}, "value: say either"},
			{"no end", Announcement{ID: spfID, Value: []string{newSPF}}, "until: say when"},
			{"past", Announcement{ID: spfID, Value: []string{newSPF}, Until: time.Now().Add(-time.Hour)}, "in the past"},
			{"too long", Announcement{ID: spfID, Value: []string{newSPF}, Until: time.Now().AddDate(1, 0, 0)}, "more than 90 days"},
			{"the same", Announcement{ID: spfID, Value: []string{"v=spf1  include:spf.service.test -all"}, Until: until}, "was verified already"},
			{"another kind", Announcement{ID: spfID, Value: []string{"v=DMARC1; p=none"}, Until: until}, "is no spf record"},
			{"unusable", Announcement{ID: spfID, Value: []string{"v=spf1 nclude:x.test -all"}, Until: until}, "could not use it"},
			{"unknown record", Announcement{ID: RecordID{apex, "mx"}, Gone: true, Until: until}, "the domain has dmarc, spf"},
			{"unknown domain", Announcement{ID: RecordID{"other.test", "mx"}, Gone: true, Until: until}, "not found"},
		} {
			if err := h.engine.Announce(context.Background(), c.a); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v, want %q", c.name, err, c.want)
			}
		}
		if h.state("spf").Change != nil {
			t.Error("a refused announcement left something")
		}
	})
}

func TestAPauseKeepsQuietUntilItEnds(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer func() { h.stop() }()
		if err := h.engine.Pause(context.Background(), RecordID{Domain: apex}, time.Now().Add(5*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.stop()
		h.start(testSettings())
		h.after(2 * time.Hour)
		h.expectTold(nil, nil)
		if h.state("dmarc").Verdict != judge.Missing {
			t.Error("a paused domain is not looked at")
		}
		h.after(time.Hour + 2*time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		if p := h.engine.Snapshot().Domains[0].Pauses; len(p) != 0 {
			t.Errorf("pause left over: %+v", p)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

func TestWhatIsStillWrongAfterAPauseIsToldAsOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer h.stop()
		if err := h.engine.Pause(context.Background(), RecordID{Domain: apex}, time.Now().Add(5*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
		h.after(6 * time.Hour)
		h.expectTold([]string{"CauseFound shop.test/cause", "RecordMissing shop.test/dmarc", "RecordDrifted shop.test/spf"}, nil)
		if _, causes := h.toldByName(); !slices.Equal(causes, []string{"pause/shop.test"}) {
			t.Errorf("causes %q", causes)
		}
	})
}

func TestWhatIsToldAlreadyEndsInAPauseButDoesNotTurnIntoSomethingElse(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, "other") // the SPF record is gone
		h.after(2 * time.Hour)
		if err := h.engine.Pause(context.Background(), spfID, time.Now().Add(10*time.Hour), "ann", "at it"); err != nil {
			t.Fatal(err)
		}
		h.world.set(t, apex, rrset.TXT, thirdSPF)
		h.after(3 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/spf"}, nil) // no all-clear: it is as bad as before
		if err := h.engine.Resume(context.Background(), spfID, "ann", ""); err != nil {
			t.Fatal(err)
		}
		h.after(2 * time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/spf", "RecordDrifted shop.test/spf"}, []string{"RecordMissing shop.test/spf"})
		if err := h.engine.Resume(context.Background(), spfID, "ann", ""); !errors.Is(err, ErrNotPaused) {
			t.Errorf("resumed twice: %v", err)
		}
	})
}

const (
	oldKey = "v=DKIM1; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQChcLM4OSYwWfMKEF0fsXwjkMGSz9OslK8PId22bK1KJo0Rbs4XOPfZPZwXJBHiC49rDVSbbwNnWhYAo1oJmVDYNvZ1zIHnTvXo4l2UDtkEdZUxmF1dncn4GBjoEYkvkCvSPwgkEosvMwxcf9Cmo6RQZRMnDiaeDTfyp03kUua0OQIDAQAB"
	newKey = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
)

// rotatingShop has the key s1, which is being replaced by s2 within six hours.
func rotatingShop(t *testing.T) *house {
	h := newHouse(t, testSettings())
	h.world.set(t, "s1._domainkey.shop.test", rrset.TXT, oldKey)
	h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: 2, Host: "s1._domainkey"}}})
	if _, err := h.engine.Rotate(context.Background(), Rotation{
		ID: RecordID{apex, "dkim:s1"}, Selector: "s2", Value: newKey, Until: time.Now().Add(6 * time.Hour), By: "ann", Why: "yearly",
	}); err != nil {
		t.Fatal(err)
	}
	h.after(time.Minute)
	return h
}

func TestARotationInOrderTellsNobodyAndRetiresTheOldKey(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer func() { h.stop() }()
		h.world.set(t, "s2._domainkey.shop.test", rrset.TXT, newKey)
		h.after(2 * time.Hour)
		h.holds("dkim:s2", newKey)
		h.world.set(t, "s1._domainkey.shop.test", rrset.TXT, "v=DKIM1; p=") // revoked
		h.after(2 * time.Hour)
		h.world.remove("s1._domainkey.shop.test", rrset.TXT)
		h.after(4 * time.Hour)
		h.expectTold(nil, nil)
		h.stop()
		h.start(testSettings())
		h.after(time.Hour)
		if got := h.engine.Snapshot().Domains[0].keys(); !slices.Equal(got, []string{"dkim:s2"}) {
			t.Errorf("watched are %q, want the new key alone", got)
		}
		h.expectTold(nil, nil)
	})
}

func TestTheOldKeyMayNotGoBeforeTheNewOneIsThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer h.stop()
		h.world.remove("s1._domainkey.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dkim:s1"}, nil)
	})
}

func TestARotationWithoutANewKeyIsToldAndGoesOnWhenItComes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer h.stop()
		h.after(8 * time.Hour)
		h.expectTold([]string{"ChangeNotMade shop.test/dkim:s1"}, nil)
		h.holds("dkim:s1", oldKey)
		h.world.set(t, "s2._domainkey.shop.test", rrset.TXT, newKey)
		h.after(2 * time.Hour)
		h.expectTold([]string{"ChangeNotMade shop.test/dkim:s1"}, []string{"ChangeNotMade shop.test/dkim:s1"})
		if got := h.engine.Snapshot().Domains[0].keys(); !slices.Equal(got, []string{"dkim:s2"}) {
			t.Errorf("watched are %q", got)
		}
	})
}

func TestTheSecondRotationRetiresWhatTheFirstAdded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer h.stop()
		h.world.set(t, "s2._domainkey.shop.test", rrset.TXT, newKey)
		h.after(8 * time.Hour)
		h.world.set(t, "s3._domainkey.shop.test", rrset.TXT, oldKey)
		if _, err := h.engine.Rotate(context.Background(), Rotation{
			ID: RecordID{apex, "dkim:s2"}, Selector: "s3._domainkey", Until: time.Now().Add(6 * time.Hour), By: "ann", Why: "again",
		}); err != nil {
			t.Fatal(err)
		}
		h.after(8 * time.Hour)
		if got := h.engine.Snapshot().Domains[0].keys(); !slices.Equal(got, []string{"dkim:s3"}) {
			t.Errorf("watched are %q", got)
		}
		h.expectTold(nil, nil)
	})
}

func TestWhatGoesWrongLongAfterAPauseIsNotTheDoingOfThePause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer h.stop()
		h.after(2 * time.Hour)
		if err := h.engine.Pause(context.Background(), RecordID{Domain: apex}, time.Now().Add(5*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.after(24 * time.Hour)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
		h.after(2 * time.Hour)
		if _, causes := h.toldByName(); slices.Contains(causes, "pause/shop.test") {
			t.Errorf("causes %q", causes)
		}
	})
}

func TestSelectorsMayTakeTurns(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer func() { h.stop() }()
		h.world.set(t, "s2._domainkey.shop.test", rrset.TXT, newKey)
		h.after(8 * time.Hour)
		rotate := func(from, to, value string) {
			t.Helper()
			if _, err := h.engine.Rotate(context.Background(), Rotation{
				ID: RecordID{apex, "dkim:" + from}, Selector: to, Value: value, Until: time.Now().Add(6 * time.Hour), By: "ann", Why: "again",
			}); err != nil {
				t.Fatal(err)
			}
			h.world.set(t, rrset.Name(to+"._domainkey.shop.test"), rrset.TXT, value)
			h.after(8 * time.Hour)
			if got := h.engine.Snapshot().Domains[0].keys(); !slices.Equal(got, []string{"dkim:" + to}) {
				t.Errorf("after the rotation to %s watched are %q", to, got)
			}
		}
		rotate("s2", "s1", newKey)
		h.holds("dkim:s1", newKey)
		rotate("s1", "s2", oldKey)
		h.holds("dkim:s2", oldKey)
		h.stop()
		h.start(testSettings())
		h.after(time.Hour)
		h.holds("dkim:s2", oldKey)
		h.expectTold(nil, nil)
	})
}

func TestAWindowThatEndsInAPauseIsToldAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.announceNewSPF()
		if err := h.engine.Pause(context.Background(), RecordID{Domain: apex}, time.Now().Add(10*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.after(9 * time.Hour)
		h.expectTold(nil, nil)
		h.after(2 * time.Hour)
		h.expectTold([]string{"ChangeNotMade shop.test/spf"}, nil)
	})
}

func TestARetiredRecordThatIsWrittenDownAnewIsWatched(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		with := configuredShop(t, ExpectSpec{})
		without, err := Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}}.Resolve(testPresets(t))
		if err != nil {
			t.Fatal(err)
		}
		without.Origin = with.Origin
		h := newHouse(t, testSettings(), with)
		defer func() { h.stop() }()
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		if err := h.engine.Announce(t.Context(), Announcement{ID: dmarcID, Gone: true, Until: time.Now().Add(time.Hour), By: "ann"}); err != nil {
			t.Fatal(err)
		}
		h.world.remove(dmarcName, rrset.TXT)
		h.after(3 * time.Hour)
		watched := func(want ...string) {
			t.Helper()
			h.after(2 * time.Hour)
			if got := h.engine.Snapshot().Domains[0].keys(); !slices.Equal(got, want) {
				t.Errorf("watched are %q, want %q", got, want)
			}
		}
		for range 2 { // it is still written down, and stays retired
			if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{with}); err != nil {
				t.Fatal(err)
			}
			watched()
		}
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{without}); err != nil {
			t.Fatal(err)
		}
		watched("spf")
		h.stop()
		h.start(testSettings(), without)
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{with}); err != nil {
			t.Fatal(err)
		}
		watched("dmarc")
		h.holds("dmarc", dmarc)
		h.expectTold(nil, nil)
	})
}

func TestAPauseThatEndsWhileTheDomainIsLookedAtIsToldAsOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager()}
		h.world.set(t, "canary.test", rrset.TXT, "alive")
		h.asker = &caching{world: h.world, rng: rand.New(rand.NewPCG(1, 2)), caches: map[string]map[resolve.Question]cacheEntry{}}
		h.start(testSettings())
		defer func() { h.stop() }()
		h.world.set(t, apex, rrset.TXT, "v=spf1 ip4:192.0.2.1 ~all")
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DMARC}}})
		h.after(2 * time.Hour)
		if err := h.engine.Pause(t.Context(), RecordID{Domain: apex}, time.Now().Add(5*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.world.remove(dmarcName, rrset.TXT)
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
		h.after(2*time.Hour + 10*time.Minute)
		var look sync.WaitGroup
		look.Go(func() {
			if err := h.engine.CheckNow(t.Context(), apex); err != nil {
				t.Error(err)
			}
		})
		time.Sleep(time.Second)
		if err := h.engine.Resume(t.Context(), RecordID{Domain: apex}, "ann", ""); err != nil {
			t.Fatal(err)
		}
		look.Wait()
		h.after(10 * time.Minute)
		if _, causes := h.toldByName(); !slices.Equal(causes, []string{"pause/shop.test"}) {
			t.Errorf("causes %q", causes)
		}
	})
}

func TestASecondPauseDoesNotHideWhatItKeptQuietBehindTheFirst(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		hosts := []string{"a", "b", "c", "d", "e"}
		spec := Spec{Domain: "shop.test"}
		for _, host := range hosts {
			h.world.set(t, rrset.Name(host+".shop.test"), rrset.TXT, "x=1")
			spec.Expect = append(spec.Expect, ExpectSpec{Kind: mailrec.TXT, Host: host})
		}
		h.add(spec)
		lose := func(hosts ...string) {
			if err := h.engine.Pause(t.Context(), RecordID{Domain: apex}, time.Now().Add(5*time.Hour), "ann", "migration"); err != nil {
				t.Fatal(err)
			}
			for _, host := range hosts {
				h.world.remove(rrset.Name(host+".shop.test"), rrset.TXT)
			}
			h.after(6 * time.Hour)
		}
		lose("a", "b")
		if c := h.pager.lastTold("RecordMissing shop.test/txt:a").Facts.Cause; c != "pause/shop.test" {
			t.Fatalf("the cause of the first is %q", c)
		}
		lose("c", "d")
		if c := h.pager.lastTold("RecordMissing shop.test/txt:c").Facts.Cause; c != "" {
			t.Errorf("what nobody was told of is held back by the alert about %s, which was told before", c)
		}
	})
}

func TestSendersDoNotBringBackWhatWasRetired(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := rotatingShop(t)
		defer func() { h.stop() }()
		senders := func(list ...string) {
			t.Helper()
			if err := h.engine.SetSenders(t.Context(), apex, list, "ann"); err != nil {
				t.Fatal(err)
			}
		}
		senders("a@shop.test")
		h.world.set(t, "s2._domainkey.shop.test", rrset.TXT, newKey)
		h.after(8 * time.Hour)
		senders("b@shop.test")
		if _, err := h.engine.Rotate(t.Context(), Rotation{ID: RecordID{apex, "dkim:s2"}, Selector: "s3", Value: oldKey, Until: time.Now().Add(6 * time.Hour), By: "ann"}); err != nil {
			t.Fatal(err)
		}
		h.world.set(t, "s3._domainkey.shop.test", rrset.TXT, oldKey)
		h.after(8 * time.Hour)
		for range 2 {
			d := h.engine.Snapshot().Domains[0]
			if got := d.keys(); !slices.Equal(got, []string{"dkim:s3"}) || !slices.Equal(d.Spec.Senders, []string{"b@shop.test"}) {
				t.Errorf("watched are %q, senders %q", got, d.Spec.Senders)
			}
			h.stop()
			h.start(testSettings())
		}
	})
}
