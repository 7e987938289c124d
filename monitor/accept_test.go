package monitor

import (
	"context"
	"testing"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// accepting is a record of shop.test that changes and is accepted at once.
type accepting struct {
	name         string
	expect       ExpectSpec
	owner        rrset.Name
	was, between []string
	is           []string
}

func (c accepting) typ() rrset.Type { return c.expect.Kind.Type() }

// TestCachesOfAllKindsOfRecordsAreThoughtOfOnceAccepted: all resolvers but one go on with what was before, and some with what was
// in between, also over a restart.
func TestCachesOfAllKindsOfRecordsAreThoughtOfOnceAccepted(t *testing.T) {
	for _, c := range []accepting{
		{"exchanges", ExpectSpec{Kind: mailrec.MX}, apex, []string{"10 a.test", "20 b.test"}, nil, []string{"10 c.test"}},
		{"an exchange less", ExpectSpec{Kind: mailrec.MX}, apex, []string{"10 a.test", "20 b.test"}, nil, []string{"10 a.test"}},
		{"a token of several", ExpectSpec{Kind: mailrec.Ownership}, apex, []string{"MS=ms1", "MS=ms2", spfText}, nil, []string{"MS=ms2", spfText}},
		{"a key", ExpectSpec{Kind: mailrec.DKIM, Host: "s._domainkey"}, "s._domainkey.shop.test", []string{oldKey}, nil, []string{newKey}},
		{"SPF, and a value in between", ExpectSpec{Kind: mailrec.SPF}, apex, []string{"v=spf1 mx -all"}, []string{"v=spf1 a -all"}, []string{"v=spf1 -all"}},
		{"SPF, and two in between", ExpectSpec{Kind: mailrec.SPF}, apex, []string{"v=spf1 mx -all"}, []string{"v=spf1 mx -all", "v=spf1 ~all"}, []string{"v=spf1 -all"}},
		{"DMARC that was gone in between", ExpectSpec{Kind: mailrec.DMARC}, dmarcName, []string{dmarc}, []string{}, []string{"v=DMARC1; p=none"}},
		{"a CNAME", ExpectSpec{Kind: mailrec.CNAME, Host: "em"}, "em.shop.test", []string{"a.service.test."}, nil, []string{"b.service.test."}},
		{"name servers", ExpectSpec{Kind: mailrec.NS}, apex, []string{"ns1.a.test.", "ns2.a.test."}, nil, []string{"ns1.b.test.", "ns2.b.test."}},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) { inBubble(t, func(t *testing.T) { c.play(t, restart) }) })
		}
	}
}

func (c accepting) play(t *testing.T, restart bool) {
	h := newHouse(t, testSettings())
	defer func() { h.stop() }()
	h.world.ttl = 3600
	h.world.set(t, c.owner, c.typ(), c.was...)
	h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{c.expect}})
	h.world.hold(c.owner, c.typ(), "r1", "r2", "r3", "r4", "r5")
	h.world.holdFor(3500)
	if c.between != nil {
		h.world.set(t, c.owner, c.typ(), c.between...)
		h.checkAfter(0)
		h.world.hold(c.owner, c.typ(), "r4", "r5")
	}
	h.world.set(t, c.owner, c.typ(), c.is...)
	h.checkAfter(0)
	id := RecordID{apex, h.engine.Snapshot().Domains[0].Records[0].Key}
	if h.state(id.Key).Incident == nil {
		t.Fatalf("%s is not told: %+v", id, h.state(id.Key))
	}
	fired, _ := h.pager.told()
	if restart {
		h.stop()
		h.start(testSettings())
	}
	if err := h.engine.Accept(context.Background(), id, "ann", ""); err != nil {
		t.Fatal(err)
	}
	h.world.holdFor(3000)
	h.checkAfter(0)
	if restart {
		h.stop()
		h.start(testSettings())
	}
	h.world.holdFor(600)
	h.after(40 * time.Minute)
	h.world.flush()
	h.after(3 * time.Hour)
	h.expectTold(fired, fired)
}

// TestWhatIsAcceptedAndThenWrittenDownIsNotToldOfCaches: what was expected before is no contradiction until something else is.
func TestWhatIsAcceptedAndThenWrittenDownIsNotToldOfCaches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings(), configuredShop(t, ExpectSpec{Value: StringList{dmarc}}))
		defer h.stop()
		h.world.ttl = 3600
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.after(2 * time.Hour)
		h.change(strictDMARC)
		h.world.holdFor(3500)
		h.checkAfter(0)
		if err := h.engine.Accept(t.Context(), dmarcID, "ann", ""); err != nil {
			t.Fatal(err)
		}
		h.checkAfter(0)
		if err := h.engine.Apply(t.Context(), testSettings(), []*Domain{configuredShop(t, ExpectSpec{Value: StringList{strictDMARC}})}); err != nil {
			t.Fatal(err)
		}
		h.world.holdFor(3000)
		h.checkAfter(0)
		h.world.flush()
		h.after(3 * time.Hour)
		h.expectTold([]string{dmarcChanged}, []string{dmarcChanged})
		h.holds("dmarc", strictDMARC)
	})
}
