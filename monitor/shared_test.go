package monitor

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/verdict"
)

const (
	include  = rrset.Name("spf.service.test")
	networks = rrset.Name("net.service.test")
)

// sharingShop gives a house in which shop.test and its provider's SPF records are verified:
// shop.test includes spf.service.test, which includes net.service.test.
func sharingShop(t *testing.T, more ...string) *house {
	t.Helper()
	h := newHouse(t, testSettings())
	h.world.set(t, include, rrset.TXT, "v=spf1 include:net.service.test ~all")
	h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 ~all")
	var specs []Spec
	for _, name := range append([]string{"shop.test"}, more...) {
		h.world.set(t, rrset.Name(name), rrset.TXT, spfText)
		specs = append(specs, Spec{Domain: name, Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
	}
	h.add(specs...)
	h.after(2 * time.Hour)
	for _, node := range []rrset.Name{include, networks} {
		if s := h.engine.Snapshot().States.Get(RecordID{node, SharedKey}); s == nil || s.Phase != judge.Verified {
			t.Fatalf("%s is not watched and verified: %+v", node, s)
		}
	}
	return h
}

func TestAnIncludeThatDisappearsUnderTenThousandDomainsIsOneAlert(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var names []string
		for i := range 9_999 {
			names = append(names, fmt.Sprintf("d%d.test", i))
		}
		h := sharingShop(t, names...)
		defer h.stop()
		h.world.remove(networks, rrset.TXT)
		h.after(2 * time.Hour)
		const alert = "RecordMissing net.service.test/include"
		h.expectTold([]string{alert}, nil)
		i := h.pager.lastTold(alert)
		if i.Facts.Affects != 10_000 || len(i.Facts.Examples) != maxExamples || i.Impact != mailrec.Rejected {
			t.Errorf("affects %d, for example %v, impact %s", i.Facts.Affects, i.Facts.Examples, i.Impact)
		}
		if len(i.Facts.Rulings) == 0 || i.Facts.Rulings[0].Action != verdict.Refuse {
			t.Errorf("receivers: %+v", i.Facts.Rulings)
		}
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 ~all")
		h.after(2 * time.Hour)
		h.expectTold([]string{alert}, []string{alert})
	})
}

func TestWhatAProviderSaysAboutStrangersIsToldAtTheNode(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t, "other.test")
		defer h.stop()
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 -all")
		h.after(2 * time.Hour)
		const alert = "RecordDrifted net.service.test/include"
		h.expectTold([]string{alert}, nil)
		i := h.pager.lastTold(alert)
		if i.Impact != mailrec.None || i.Facts.Affects != 2 || !strings.Contains(i.Facts.Finding.Reason, "softfail from this record and now get fail") {
			t.Errorf("impact %s for %d: %s", i.Impact, i.Facts.Affects, i.Facts.Finding.Reason)
		}
	})
}

func TestAProvidersOwnChangesAreKeptInHistoryAndCallNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t)
		defer h.stop()
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 ip4:198.51.100.0/24 include:more.service.test ~all")
		h.world.set(t, "more.service.test", rrset.TXT, "v=spf1 ip4:203.0.113.0/24 ~all")
		h.after(3 * time.Hour)
		h.expectTold(nil, nil)
		var why []string
		for _, tr := range h.journal.history() {
			if tr.ID.Domain == networks {
				why = append(why, tr.Why)
			}
		}
		if !slices.Equal(why, []string{"", "changed by whoever maintains it"}) {
			t.Errorf("history of the node: %q", why)
		}
		// What it leads to now is watched too, and what it led to no longer is.
		h.world.remove("more.service.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing more.service.test/include"}, nil)
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 ~all")
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing more.service.test/include"}, []string{"RecordMissing more.service.test/include"})
		if s := h.engine.Snapshot().States.Get(RecordID{"more.service.test", SharedKey}); s != nil {
			t.Error("it is still watched although nobody rests on it")
		}
	})
}

func TestARecordThatNobodyTouchedBreaksWhenWhatItIncludesGrows(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t)
		defer h.stop()
		h.world.set(t, networks, rrset.TXT, "v=spf1 a:a.service.test a:b.service.test mx ptr exists:x.service.test a mx:c.service.test a:d.service.test ~all")
		h.after(3 * time.Hour)
		h.expectTold(nil, nil) // ten lookups are allowed
		h.world.set(t, networks, rrset.TXT, "v=spf1 a:a.service.test a:b.service.test mx ptr exists:x.service.test a mx:c.service.test a:d.service.test mx:e.service.test ~all")
		h.after(3 * time.Hour)
		const alert = "RecordDrifted shop.test/spf"
		h.expectTold([]string{alert}, nil)
		i := h.pager.lastTold(alert)
		if !strings.Contains(i.Facts.Finding.Reason, "needs 11 DNS lookups") || i.Impact != mailrec.Rejected {
			t.Errorf("impact %s: %s", i.Impact, i.Facts.Finding.Reason)
		}
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:192.0.2.0/24 ~all")
		h.after(3 * time.Hour)
		h.expectTold([]string{alert}, []string{alert})
	})
}

func TestARecordThatAlwaysCostTooMuchIsNoNews(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.world.set(t, include, rrset.TXT, "v=spf1 a a a a a a a a a a ~all")
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.after(10 * time.Hour)
		h.expectTold(nil, nil)
	})
}

func TestCachesThatDoNotAgreeDoNotMoveTheBaseline(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t)
		defer h.stop()
		h.world.hold(networks, rrset.TXT, "r1", "r2")
		h.world.set(t, networks, rrset.TXT, "v=spf1 ip4:198.51.100.0/24 ~all")
		h.after(3 * time.Hour)
		h.expectTold(nil, nil)
		if got := h.engine.Snapshot().States.Get(RecordID{networks, SharedKey}).Baseline.Lines(); got[0] != "v=spf1 ip4:192.0.2.0/24 ~all" {
			t.Errorf("baseline %q while two caches still have the old one", got)
		}
	})
}

func TestSharedRecordsSurviveARestartAndEndWithTheirLastDomain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t)
		h.world.remove(networks, rrset.TXT)
		h.after(2 * time.Hour)
		h.stop()
		h.start(testSettings())
		defer func() { h.stop() }()
		h.after(2 * time.Hour)
		const alert = "RecordMissing net.service.test/include"
		h.expectTold([]string{alert}, nil)
		if err := h.engine.Remove(context.Background(), apex, "tester"); err != nil {
			t.Fatal(err)
		}
		h.after(time.Hour)
		h.expectTold([]string{alert}, []string{alert})
		if snap := h.engine.Snapshot(); len(snap.Shared) != 0 || snap.States.Len() != 0 {
			t.Errorf("left: %v, %v", snap.Shared, snap.States.Len())
		}
	})
}

func TestAnIncludeThatIsARegisteredDomainsOwnRecordIsWatchedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := sharingShop(t)
		defer h.stop()
		h.add(Spec{Domain: string(include), Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.after(2 * time.Hour)
		var shared []rrset.Name
		for _, d := range h.engine.Snapshot().Shared {
			shared = append(shared, d.Name)
		}
		if !slices.Equal(shared, []rrset.Name{networks}) {
			t.Errorf("shared records: %v", shared)
		}
		h.world.set(t, include, rrset.TXT, "v=spf1 ?all")
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordDrifted spf.service.test/spf"}, nil)
	})
}

func TestASharedRecordThatComesAndGoesBeforeItIsLookedAt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.engine.mu.Lock()
		h.engine.setShared(map[rrset.Name]*Domain{"ghost.test": {Name: "ghost.test", Shared: &Shared{}}})
		h.engine.mu.Unlock()
		if err := h.engine.refreshShared(context.Background()); err != nil {
			t.Fatal(err)
		}
		if snap := h.engine.Snapshot(); len(snap.Shared) != 1 || snap.Shared[0].Name != include {
			t.Errorf("%v", snap.Shared)
		}
	})
}

func TestAnIncludeThatNeverWasThereCallsNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.after(100 * time.Hour)
		h.expectTold(nil, nil)
	})
}

// mailingShop gives a house with all that receivers look at.
func mailingShop(t *testing.T) *house {
	t.Helper()
	h := newHouse(t, testSettings())
	h.world.set(t, apex, rrset.TXT, "v=spf1 ip4:192.0.2.1 ~all")
	h.world.set(t, "s._domainkey.shop.test", rrset.TXT, longKey(t))
	h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
	h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{
		{Kind: mailrec.SPF}, {Kind: mailrec.DKIM, Host: "s._domainkey"}, {Kind: mailrec.DMARC},
	}})
	h.after(2 * time.Hour)
	return h
}

func TestImpactIsThatOnTheDomainsMail(t *testing.T) {
	for _, tt := range []struct {
		name  string
		spoil func(t *testing.T, w *world)
		alert string
		want  mailrec.Impact
	}{
		{"SPF breaks, DKIM is good", func(t *testing.T, w *world) { w.set(t, apex, rrset.TXT, "v=spf1 ~all") }, "RecordDrifted shop.test/spf", mailrec.Degraded},
		{"p=reject became p=none", func(t *testing.T, w *world) { w.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none") }, "RecordDrifted shop.test/dmarc", mailrec.Weakened},
		{"a second SPF record", func(t *testing.T, w *world) {
			w.set(t, apex, rrset.TXT, "v=spf1 ip4:192.0.2.1 ~all", "v=spf1 include:other.test ~all")
		}, "RecordDrifted shop.test/spf", mailrec.Degraded},
		{"the key was cut at 255 octets", func(t *testing.T, w *world) {
			w.set(t, "s._domainkey.shop.test", rrset.TXT, longKey(t)[:255])
		}, "RecordDrifted shop.test/dkim:s", mailrec.Degraded},
		{"SPF and DKIM break", func(t *testing.T, w *world) {
			w.set(t, apex, rrset.TXT, "v=spf1 ~all")
			w.remove("s._domainkey.shop.test", rrset.TXT)
		}, "RecordDrifted shop.test/spf", mailrec.Rejected},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				h := mailingShop(t)
				defer h.stop()
				tt.spoil(t, h.world)
				h.after(2 * time.Hour)
				if i := h.pager.lastTold(tt.alert); i.Impact != tt.want || !i.Open() {
					t.Errorf("impact %s, want %s", i.Impact, tt.want)
				}
			})
		})
	}
}

// longKey is a key record whose key is longer than one string of a TXT record.
func longKey(t *testing.T) string {
	t.Helper()
	modulus := new(big.Int).Add(new(big.Int).Lsh(big.NewInt(1), 2047), big.NewInt(12345))
	der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: modulus, E: 65537})
	if err != nil {
		t.Fatal(err)
	}
	return "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(der)
}

func TestADanglingCNAMEIsNamed(t *testing.T) {
	s := Subject{Record: Record{Name: "s._domainkey.shop.test", Expectation: mailrec.Expectation{Kind: mailrec.DKIM, Match: mailrec.Present}}}
	o := resolve.Observation{Outcome: resolve.NXDomain, Chain: []rrset.Name{"a.service.test", "key.gone.test"}}
	if got := hear(&s, o); got.Stand != judge.Absent || !strings.Contains(got.Finding.Reason, "leads to key.gone.test, which does not exist: whoever can register that name") {
		t.Errorf("%s: %s", got.Stand, got.Finding.Reason)
	}
	o.Outcome = resolve.NoData
	if got := hear(&s, o); !strings.Contains(got.Finding.Reason, "leads to key.gone.test, which has no such record") {
		t.Errorf("%s", got.Finding.Reason)
	}
}

func TestADMARCRecordThatIsGoneMayBeInherited(t *testing.T) {
	for _, tt := range []struct {
		above string
		says  string
		want  mailrec.Impact
	}{
		{"v=DMARC1; p=reject", "reject applies to mail from shop.test, by p of _dmarc.test", mailrec.Weakened},
		{"v=DMARC1; p=none", "none applies to mail from shop.test", mailrec.Weakened},
		{"", "no DMARC policy applies to shop.test", mailrec.Degraded},
	} {
		inBubble(t, func(t *testing.T) {
			h := mailingShop(t)
			defer h.stop()
			if tt.above != "" {
				h.world.set(t, "_dmarc.test", rrset.TXT, tt.above)
			}
			asked := h.world.askedOf("r1", "_dmarc.shop.test")
			h.world.remove("_dmarc.shop.test", rrset.TXT)
			h.after(2 * time.Hour)
			i := h.pager.lastTold("RecordMissing shop.test/dmarc")
			if i.Impact != tt.want || !strings.Contains(i.Facts.Finding.Reason, tt.says) {
				t.Errorf("%q above: impact %s, %s", tt.above, i.Impact, i.Facts.Finding.Reason)
			}
			if n := h.world.askedOf("r1", "_dmarc.shop.test") - asked; n > 6 {
				t.Errorf("the name itself was asked %d times more", n)
			}
			h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
			h.after(2 * time.Hour)
			if s := h.state("dmarc"); s.Inherited != "" || s.Verdict != judge.Holding {
				t.Errorf("mended, but %s and inherited %q", s.Verdict, s.Inherited)
			}
		})
	}
}

func TestEachOperatorHasItsOwnOutlook(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer h.stop()
		h.world.hold(apex, rrset.TXT, "r2", "r3", "r4", "r5", "r6")
		h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
		h.after(2 * time.Hour)
		snap := h.engine.Snapshot()
		by := snap.OutlookBy(snap.Domains[0])
		if by["r1"].SPF != verdict.Fail || by["r2"].SPF != verdict.Pass || by["r2"].Worst().Action != verdict.Accept || by["r1"].Worst().Action != verdict.Refuse {
			t.Errorf("r1 %+v\nr2 %+v", by["r1"], by["r2"])
		}
		if o := snap.Outlook(snap.Domains[0]); o.Impact != mailrec.Rejected || o.Now.SPF != verdict.Fail {
			t.Errorf("%+v", o)
		}
	})
}

func TestDNSSECThatOnlyValidatingOperatorsFailIsToldForWhatItIs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer h.stop()
		h.world.bogusAt("r1", "r2", "r3", "r4")
		h.after(20 * time.Minute)
		h.expectTold(nil, nil)
		h.after(4 * time.Hour)
		h.expectTold([]string{
			"CauseFound shop.test/cause",
			"RecordDisagreement shop.test/dkim:s", "RecordDisagreement shop.test/dmarc", "RecordDisagreement shop.test/spf",
		}, nil)
		if i := h.pager.lastTold("RecordDisagreement shop.test/spf"); i.Facts.Cause != "dnssec/shop.test" {
			t.Errorf("its cause is %q", i.Facts.Cause)
		}
		i := h.pager.lastTold("RecordDisagreement shop.test/spf")
		if !strings.Contains(i.Facts.Finding.Reason, "DNSSEC validation fails") || i.Facts.Decision.Bogus != 4 || i.Impact != mailrec.Degraded {
			t.Errorf("impact %s: %+v", i.Impact, i.Facts)
		}
		h.world.mend()
		h.after(4 * time.Hour)
		if _, ended := h.pager.told(); len(ended) != 4 {
			t.Errorf("ended: %q", ended)
		}
	})
}

// bogusAt makes resolvers fail to validate whatever is below shop.test.
func (w *world) bogusAt(sources ...string) {
	w.breakAll(resolve.ServFail, sources...)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bogus = true
}
