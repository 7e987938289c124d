package monitor

// What was found wrong once, and must not come back.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// fixedEvery is a schedule with an exact interval.
type fixedEvery time.Duration

func (i fixedEvery) Next(t time.Time) time.Time { return t.Add(time.Duration(i)) }

type steppedClock struct{ until time.Time }

func (s steppedClock) Next(t time.Time) time.Time {
	if t.Before(s.until) {
		return t.Add(365 * 24 * time.Hour)
	}
	return t.Add(time.Hour)
}

func TestARecordThatSaysSomethingElseEachTimeIsTold(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		var n atomic.Int64
		stop := make(chan struct{})
		go func() {
			for {
				select {
				case <-stop:
					return
				case <-time.After(time.Second):
				}
				h.world.set(t, "_dmarc.shop.test", rrset.TXT, fmt.Sprintf("v=DMARC1; p=none; rua=mailto:x%d@evil.test", n.Add(1)))
			}
		}()
		h.after(48 * time.Hour)
		close(stop)
		h.after(time.Second)
		f, _ := h.pager.told()
		if len(f) == 0 {
			t.Error("48 h gone, nobody told")
		}
	})
}

func TestLabelsStayWhenTheDomainIsEdited(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mk := func(team string) *Domain {
			s := shopSpec()
			s.Labels = map[string]string{"team": team}
			d, err := s.Resolve(testPresets(t))
			if err != nil {
				t.Fatal(err)
			}
			d.Origin = Origin{File: "maildrift.yml", Line: 7}
			return d
		}
		h := newHouse(t, testSettings(), mk("a"))
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.world.hold("_dmarc.shop.test", rrset.TXT, "r1", "r2", "r3", "r4", "r5", "r6")
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		one := h.pager.lastTold("RecordMissing shop.test/dmarc")
		if err := h.engine.Apply(context.Background(), testSettings(), []*Domain{mk("b")}); err != nil {
			t.Fatal(err)
		}
		h.world.flush()
		h.after(2 * time.Hour)
		two := h.pager.lastTold("RecordMissing shop.test/dmarc")
		if one.Facts.Labels["team"] != two.Facts.Labels["team"] && one.Opened.Equal(two.Opened) {
			t.Errorf("same incident, labels %v then %v", one.Facts.Labels, two.Facts.Labels)
		}
		if _, ended := h.pager.told(); len(ended) != 0 {
			t.Errorf("ended %q", ended)
		}
	})
}

func TestAnAllClearOutlivesAnHourAway(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.stop()
		told := h.pager
		// A crash between commit and notify: what is told after the commit is lost.
		h.pager = newPager()
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.start(testSettings())
		h.after(2 * time.Minute)
		h.stop()
		if h.journal.states[RecordID{apex, "dmarc"}].Incident != nil {
			t.Fatal("still open")
		}
		h.pager = told
		h.after(61 * time.Minute)
		h.start(testSettings())
		h.after(24 * time.Hour)
		h.stop()
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

func TestASweepOfAGroupThatIsGoneDoesNothing(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["extra"] = Group{Name: "extra", Schedule: cron.Every(time.Hour), Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		if err := h.engine.Apply(context.Background(), testSettings(), nil); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if p := recover(); p != nil {
				t.Errorf("panic: %v", p)
			}
		}()
		h.engine.startSweep("extra")
	})
}

func TestAReloadAtTheMomentOfASweep(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["extra"] = Group{Name: "extra", Schedule: fixedEvery(time.Minute), Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		for range 50 {
			next := h.engine.Snapshot().NextSweep["extra"]
			time.Sleep(time.Until(next))
			if err := h.engine.Apply(context.Background(), testSettings(), nil); err != nil {
				t.Fatal(err)
			}
			h.after(time.Second)
			if err := h.engine.Apply(context.Background(), s, nil); err != nil {
				t.Fatal(err)
			}
			h.after(time.Second)
		}
	})
}

func TestReloadsDoNotPutSweepsOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["default"] = Group{Name: "default", Schedule: fixedEvery(time.Hour), Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		_, before := h.journal.written()
		for range 48 {
			h.after(30 * time.Minute)
			if err := h.engine.Apply(context.Background(), s, nil); err != nil {
				t.Fatal(err)
			}
		}
		_, after := h.journal.written()
		if after-before < 20 {
			t.Errorf("%d sweeps in 24 h, want about 24", after-before)
		}
	})
}

func TestASuspicionFromAClockThatWasAheadHoldsNothingUp(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		// disagreement seen once: a suspicion is on disk
		h.world.hold("_dmarc.shop.test", rrset.TXT, "r1")
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.world.hold("_dmarc.shop.test", rrset.TXT, "r2", "r3", "r4")
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(59*time.Minute + 30*time.Second)
		h.after(2 * time.Minute)
		h.stop()
		// the clock was a year ahead when it was written and is right now
		m := h.journal.states[RecordID{apex, "dmarc"}]
		m.Suspicion = judge.Suspicion{Verdict: judge.Disagreeing, Sightings: 3, First: time.Now().Add(365 * 24 * time.Hour)}
		h.journal.states[m.ID] = m
		h.start(testSettings())
		_, s0 := h.journal.written()
		h.after(30 * 24 * time.Hour)
		_, s1 := h.journal.written()
		if s1-s0 < 30*20 {
			t.Errorf("%d sweeps in 30 days", s1-s0)
		}
		h.stop()
	})
}

func TestRecoveringSaysWhenCachesHaveItAgain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.ttl = 3600
		all := []string{"r1", "r2", "r3", "r4", "r5", "r6"}
		h.world.hold("_dmarc.shop.test", rrset.TXT, all...)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(time.Hour)
		h.world.flush() // all gone
		h.after(3 * time.Hour)
		h.world.hold("_dmarc.shop.test", rrset.TXT, all...) // negative
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(time.Hour)
		i := h.pager.lastTold("RecordMissing shop.test/dmarc")
		if i.Facts.Stage == judge.Recovering && i.Facts.LastDeadline.Before(time.Now()) {
			t.Error("says that caches have it again at a time that is past")
		}
	})
}

func TestWhatTheAuthorityLostLaterStillMends(t *testing.T) {
	d := func(a judge.AuthorityWord) judge.Decision {
		return judge.Decision{Verdict: judge.Missing, Stage: judge.AtReceivers, Authority: a}
	}
	now := time.Now()
	s := judge.State{Phase: judge.Verified, Verdict: judge.Holding}
	r := judge.DefaultRules()
	for _, a := range []judge.AuthorityWord{judge.AuthoritySilent, judge.AuthoritySilent, judge.AuthoritySilent, judge.AuthorityWrong, judge.AuthorityWrong, judge.AuthorityGood} {
		now = now.Add(time.Minute)
		s, _, _ = judge.Step(s, d(a), now, r)
	}
	if s.Stage != judge.Recovering {
		t.Error("the authority was wrong and is good again, yet it is blamed on what lies between")
	}
}

func TestSweepsGoOnWhenTheClockIsSetBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["default"] = Group{Name: "default", Schedule: steppedClock{time.Now().Add(10 * time.Second)}, Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		h.after(time.Minute)
		_, s0 := h.journal.written()
		h.after(30 * 24 * time.Hour)
		_, s1 := h.journal.written()
		if s1-s0 < 700 {
			t.Errorf("%d sweeps in 30 days of an hourly schedule", s1-s0)
		}
	})
}

func TestWhatIsInheritedIsSaidOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Recheck = 5 * time.Minute
		h := newHouse(t, s)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.add(shopSpec())
		h.world.ttl = 86400
		all := []string{"r1", "r2", "r3", "r4", "r5", "r6"}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none", "v=DMARC1; p=reject")
		h.after(2 * time.Hour)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none; rua=mailto:a@b.test", "v=DMARC1; p=quarantine")
		h.world.hold("_dmarc.shop.test", rrset.TXT, all...)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc) // mended
		h.after(24 * time.Hour)
		r := h.state("dmarc").Finding.Reason
		if len(r) > 1000 {
			t.Error("the reason grows")
		}
	})
}

func TestOverdueTellsWhatIsThereNow(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(shopSpec())
		h.after(50 * time.Hour)
		h.world.set(t, apex, rrset.TXT, "v=spf1 include:other.test -all")
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=typo")
		h.after(20 * 24 * time.Hour)
		i := h.pager.lastTold("VerificationOverdue shop.test/dmarc")
		if i.Facts.Is.Empty() {
			t.Error("still says that nothing is there")
		}
	})
}

func TestNothingIsAcceptedWhileItRecovers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
		h.after(2 * time.Hour)
		// mended at the authority, caches hold the wrong one: recovering
		h.world.hold("_dmarc.shop.test", rrset.TXT, "r1", "r2", "r3", "r4", "r5", "r6")
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		if err := h.engine.Accept(context.Background(), RecordID{apex, "dmarc"}, "x", "y"); !errors.Is(err, ErrNothingToAccept) {
			t.Errorf("accepted while %v: %v", h.state("dmarc").Position(), err)
		}
		h.world.flush()
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted shop.test/dmarc"}, []string{"RecordDrifted shop.test/dmarc"})
	})
}

func TestTheGateOpensAlthoughCanariesFailNowAndThen(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["default"] = Group{Name: "default", Schedule: cron.Every(30 * time.Minute), Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		var specs []Spec
		for i := range 40 {
			n := fmt.Sprintf("d%d.test", i)
			specs = append(specs, Spec{Domain: n, Expect: []ExpectSpec{{Kind: 3}}})
			h.world.set(t, rrset.Name("_dmarc."+n), rrset.TXT, dmarc)
		}
		h.add(specs...)
		h.after(time.Hour)
		for i := range 40 {
			h.world.remove(rrset.Name(fmt.Sprintf("_dmarc.d%d.test", i)), rrset.TXT)
		}
		for range 48 { // each second sweep the canaries fail
			h.after(30 * time.Minute)
			h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6")
			h.after(30 * time.Minute)
			h.world.mend()
		}
		fired, _ := h.pager.told()
		if n := len(slices.DeleteFunc(fired, func(s string) bool { return !strings.HasPrefix(s, "RecordMissing") })); n != 40 {
			t.Errorf("%d of 40 lost records told", n)
		}
	})
}

func TestAGroupThatIsGoneIsNotDue(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		s := testSettings()
		s.Groups["extra"] = Group{Name: "extra", Schedule: cron.Every(time.Hour), Resolvers: resolvers(6)}
		h := newHouse(t, s)
		defer h.stop()
		h.after(time.Minute)
		if err := h.engine.Apply(context.Background(), testSettings(), nil); err != nil {
			t.Fatal(err)
		}
		h.after(time.Hour)
	})
}

func TestSightingsBeforeBlindnessConfirmNothing(t *testing.T) {
	r := judge.DefaultRules()
	now := time.Now()
	s := judge.State{Phase: judge.Verified, Verdict: judge.Holding}
	bad := judge.Decision{Verdict: judge.Missing, Stage: judge.AtAuthority, Authority: judge.AuthorityWrong}
	blind := judge.Decision{Verdict: judge.Blind}
	s, _, _ = judge.Step(s, bad, now, r)
	s, _, _ = judge.Step(s, bad, now, r)
	for range 100 {
		now = now.Add(time.Hour)
		s, _, _ = judge.Step(s, blind, now, r)
	}
	if s, moves, _ := judge.Step(s, bad, now, r); len(moves) > 0 {
		t.Errorf("one look after four days of blindness made it %v", s.Position())
	}
}

func TestAnEndInTheFutureIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.stop()
		for i := range h.journal.incidents {
			if !h.journal.incidents[i].Open() {
				h.journal.incidents[i].Opened = time.Now().Add(3 * 24 * time.Hour)
				h.journal.incidents[i].Closed = time.Now().Add(4 * 24 * time.Hour)
			}
		}
		h.start(testSettings())
		h.after(2 * 24 * time.Hour)
		told := h.engine.toTell(time.Now())
		for _, i := range told {
			t.Errorf("%s is still told, to end in %s", i.Name, time.Until(i.Closed))
		}
		h.stop()
	})
}

func TestBlindTellsTheReasonThatIsLeft(t *testing.T) {
	var b Batch
	s := SelfState{}.with("a", "reason of a", false, time.Now())
	b.setSelf(s, time.Now())
	s = b.Self.with("b", "reason of b", false, time.Now()).without("a")
	b.setSelf(s, time.Now())
	if got := b.Self.Blind.Facts.Reason; got != "reason of b" {
		t.Errorf("told %q", got)
	}
}
