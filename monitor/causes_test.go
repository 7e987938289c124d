package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rootcause"
	"maildrift/monitor/rrset"
)

// stranger is a domain that stays well, so that not everything is gone.
func (h *house) stranger() {
	h.t.Helper()
	h.world.set(h.t, "calm.test", rrset.TXT, "v=spf1 -all")
	h.add(Spec{Domain: "calm.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
}

// told counts what fired by name, and gives the causes that children name.
func (h *house) toldByName() (counts map[string]int, causes []string) {
	h.pager.mu.Lock()
	defer h.pager.mu.Unlock()
	counts = map[string]int{}
	for _, what := range h.pager.fired {
		name, _, _ := strings.Cut(what, " ")
		counts[name]++
	}
	for _, i := range h.pager.last {
		if i.Name != AlertCause {
			causes = append(causes, i.Facts.Cause)
		}
	}
	slices.Sort(causes)
	return counts, slices.Compact(causes)
}

func TestF43AZoneThatIsNoLongerDelegatedIsOneCause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer func() { h.stop() }()
		h.stranger()
		h.world.mu.Lock()
		kept := h.world.zone
		h.world.zone = map[resolve.Question]rrset.Set{}
		for q, set := range kept {
			if !q.Name.IsAtOrBelow("shop.test") {
				h.world.zone[q] = set
			}
		}
		h.world.undelegated["shop.test"] = true
		h.world.mu.Unlock()
		h.after(2 * time.Hour)
		counts, causes := h.toldByName()
		if counts["CauseFound"] != 1 || counts["RecordMissing"] != 3 || !slices.Equal(causes, []string{"zone/shop.test"}) {
			t.Fatalf("told %v, by causes %q", counts, causes)
		}
		i := h.pager.lastTold("CauseFound shop.test/cause")
		root := i.Facts.Root
		if root.Reason != rootcause.Undelegated || root.Records != 3 || root.Domains != 1 || i.Impact != mailrec.Rejected || len(root.Worst) != 3 {
			t.Errorf("impact %s, %+v", i.Impact, root)
		}
		h.stop()
		h.start(testSettings()) // it is remembered
		h.after(2 * time.Hour)
		if counts, _ := h.toldByName(); counts["CauseFound"] != 1 {
			t.Errorf("a restart tells %v", counts)
		}
		h.world.mu.Lock()
		h.world.zone, h.world.undelegated = kept, map[rrset.Name]bool{}
		h.world.mu.Unlock()
		h.after(3 * time.Hour)
		if _, ended := h.pager.told(); len(ended) != 4 {
			t.Errorf("ended: %q", ended)
		}
		if open := h.engine.Snapshot().Open; len(open) != 0 {
			t.Errorf("still open: %+v", open)
		}
	})
}

// fleet gives n domains whose DKIM records are aliases of a provider's.
func (h *house) fleet(n int) {
	h.t.Helper()
	var specs []Spec
	for i := range n {
		name := rrset.Name(fmt.Sprintf("d%05d.test", i))
		h.world.set(h.t, name, rrset.TXT, "v=spf1 -all")
		h.world.set(h.t, "s1._domainkey."+name, rrset.TXT, newKey)
		specs = append(specs, Spec{Domain: string(name), Expect: []ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DKIM, Host: "s1._domainkey"}}})
	}
	h.add(specs...)
	h.after(2 * time.Minute)
}

// loseTarget takes away what the fleet's aliases lead to.
func (h *house) loseTarget(n int) {
	for i := range n {
		h.loseAlias(i)
	}
}

// loseAlias takes away what the alias of one of the fleet's domains leads to.
func (h *house) loseAlias(i int) {
	name := rrset.Name(fmt.Sprintf("s1._domainkey.d%05d.test", i))
	h.world.remove(name, rrset.TXT)
	h.world.mu.Lock()
	h.world.chains[name] = []rrset.Name{rrset.Name(fmt.Sprintf("d%05d.dkim.mail.example", i))}
	h.world.mu.Unlock()
}

// TestOneProviderUnderManyDomainsIsOneCause is far above the share at which the gate holds back.
func TestOneProviderUnderManyDomainsIsOneCause(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		const n = 200
		h.fleet(n)
		h.loseTarget(n)
		h.after(time.Hour + 5*time.Minute)
		counts, causes := h.toldByName()
		if counts["CauseFound"] != 1 || counts["RecordMissing"] != n || !slices.Equal(causes, []string{"target/mail.example"}) {
			t.Fatalf("told %v, by causes %q", counts, causes)
		}
		if root := h.pager.lastTold("CauseFound mail.example/cause").Facts.Root; root.Records != n || root.Domains != n || len(root.Worst) != maxWorst {
			t.Errorf("%+v", root)
		}
	})
}

// TestOneProviderIsOneCauseOverAllStages: two domains of those that it takes along are in a stage of their own.
func TestOneProviderIsOneCauseOverAllStages(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.fleet(2 * stageDomains)
		h.loseTarget(stageDomains + 2)
		h.after(time.Hour + 5*time.Minute)
		counts, causes := h.toldByName()
		if counts["CauseFound"] != 1 || counts["RecordMissing"] != stageDomains+2 || !slices.Equal(causes, []string{"target/mail.example"}) {
			t.Fatalf("told %v, by causes %q", counts, causes)
		}
	})
}

// TestWhoLeavesAProviderByThemselvesIsToldByThemselves: in a large fleet some aliases always lead to nothing, and a provider that is one cause
// today may be one for weeks, since some never mend their records. Neither may hide who loses theirs later.
func TestWhoLeavesAProviderByThemselvesIsToldByThemselves(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.fleet(12)
		for i := range 4 {
			h.loseAlias(i)
			h.after(5 * time.Hour)
		}
		counts, causes := h.toldByName()
		if counts["CauseFound"] != 0 || counts["RecordMissing"] != 4 || !slices.Equal(causes, []string{""}) {
			t.Fatalf("one after the other: told %v, by causes %q", counts, causes)
		}
		for i := range 4 {
			h.loseAlias(4 + i)
		}
		h.after(5 * time.Hour)
		counts, causes = h.toldByName()
		if counts["CauseFound"] != 1 || counts["RecordMissing"] != 8 || !slices.Equal(causes, []string{"", "target/mail.example"}) {
			t.Fatalf("four at once: told %v, by causes %q", counts, causes)
		}
		h.loseAlias(8)
		h.after(5 * time.Hour)
		if in := h.pager.lastTold("RecordMissing d00008.test/dkim:s1"); in.Opened.IsZero() || in.Facts.Cause != "" {
			t.Errorf("who left later is told at %v, by the cause %q", in.Opened, in.Facts.Cause)
		}
		if root := h.pager.lastTold("CauseFound mail.example/cause").Facts.Root; root.Records != 4 {
			t.Errorf("%+v", root)
		}
	})
}

func TestTwoRecordsEditedTogetherAreTwoAlerts(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := mailingShop(t)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, "other")
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc", "RecordMissing shop.test/spf"}, nil)
		if _, causes := h.toldByName(); !slices.Equal(causes, []string{""}) {
			t.Errorf("causes %q", causes)
		}
	})
}

func TestACauseLosesItsRecordsOneByOne(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.fleet(4)
		h.loseTarget(4)
		h.after(2 * time.Hour)
		for i := range 4 {
			name := rrset.Name(fmt.Sprintf("s1._domainkey.d%05d.test", i))
			h.world.mu.Lock()
			delete(h.world.chains, name)
			h.world.mu.Unlock()
			h.world.set(t, name, rrset.TXT, newKey)
			h.after(2 * time.Hour)
			open := h.engine.Snapshot().Open
			switch {
			case i == 3 && len(open) != 0:
				t.Errorf("all are mended, open are %+v", open)
			case i < 3 && (len(open) != 4-i || open[0].Name != AlertCause || open[0].Facts.Root.Records != 3-i):
				t.Errorf("after %d: %d open, first %+v", i+1, len(open), open[0].Facts.Root)
			}
		}
		if s := h.engine.Snapshot().States.Get(RecordID{"d00000.test", "dkim:s1"}); s.Verdict != judge.Holding {
			t.Error(s.Verdict)
		}
	})
}

func TestAZoneThatIsSilentInAPauseIsToldAfterIt(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		if err := h.engine.Pause(context.Background(), RecordID{Domain: apex}, time.Now().Add(10*time.Hour), "ann", "migration"); err != nil {
			t.Fatal(err)
		}
		h.world.failNames(resolve.ServFail, "shop.test")
		h.after(6 * time.Hour)
		h.expectTold(nil, nil)
		h.after(6 * time.Hour)
		h.expectTold([]string{"CauseFound shop.test/cause"}, nil)
	})
}

func TestAZoneThatDiesAfterARecordWasLostIsToldForTheOthers(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove(dmarcName, rrset.TXT)
		h.after(2 * time.Hour)
		h.world.failNames(resolve.ServFail, "shop.test")
		h.after(6 * time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc", "CauseFound shop.test/cause"}, nil)
	})
}
