package monitor

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// explainer says what it was asked about.
type explainer struct {
	mu    sync.Mutex
	asked []RecordID
	slow  bool
}

func (x *explainer) Explain(ctx context.Context, evidence []Evidence) []Explanation {
	x.mu.Lock()
	defer x.mu.Unlock()
	out := make([]Explanation, len(evidence))
	for i, e := range evidence {
		x.asked = append(x.asked, e.Subject.ID())
		out[i] = Explanation{Cause: "because of " + e.Subject.ID().String(), Fix: "mend it"}
	}
	if x.slow {
		<-ctx.Done()
	}
	return out
}

func explained(t *testing.T, x *explainer) *house {
	t.Helper()
	h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager(), explainer: x}
	h.world.set(t, "canary.test", rrset.TXT, "alive")
	h.start(testSettings())
	return h
}

func TestWhatIsGoneOrNeverCameIsExplainedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := &explainer{}
		h := explained(t, x)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DMARC}}})
		h.after(60 * time.Hour) // DMARC is overdue
		h.world.remove(apex, rrset.TXT)
		h.after(10 * time.Hour)
		if got := fmt.Sprint(x.asked); got != "[shop.test/dmarc shop.test/spf]" {
			t.Errorf("asked to explain %s", got)
		}
		for _, alert := range []string{"VerificationOverdue shop.test/dmarc", "RecordMissing shop.test/spf"} {
			i := h.pager.lastTold(alert)
			if e := i.Facts.Explanation; e == nil || e.Cause != "because of "+i.ID.String() || e.Fix != "mend it" {
				t.Errorf("%s: %+v", alert, e)
			}
		}
	})
}

func TestAnAlertDoesNotWaitForEverForItsExplanation(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := &explainer{slow: true}
		h := explained(t, x)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		h.after(2 * time.Hour)
		h.world.remove(apex, rrset.TXT)
		h.after(2 * time.Hour)
		if i := h.pager.lastTold("RecordMissing shop.test/spf"); !i.Open() || i.Name == "" || i.Facts.Explanation != nil {
			t.Errorf("%+v", i)
		}
	})
}

func TestOnlySomeOfManyAreExplained(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		x := &explainer{}
		h := explained(t, x)
		defer h.stop()
		var specs []Spec
		for i := range 100 {
			name := rrset.Name(fmt.Sprintf("d%d.test", i))
			h.world.set(t, name, rrset.TXT, "v=spf1 -all")
			specs = append(specs, Spec{Domain: string(name), Expect: []ExpectSpec{{Kind: mailrec.SPF}}})
		}
		h.add(specs...)
		h.after(2 * time.Hour)
		for i := range 25 {
			h.world.remove(rrset.Name(fmt.Sprintf("d%d.test", i)), rrset.TXT)
		}
		h.after(2 * time.Hour)
		if fired, _ := h.pager.told(); len(fired) != 25 || len(x.asked) != explainAtMost {
			t.Errorf("%d told, %d explained", len(fired), len(x.asked))
		}
	})
}
