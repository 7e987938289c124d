package monitor

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"maildrift/monitor/hygiene"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// surveys answers looks from a script.
type surveys struct {
	mu       sync.Mutex
	findings []hygiene.Finding
	blocked  bool
	looks    []time.Time
	subject  hygiene.Subject
}

func (s *surveys) Look(_ context.Context, subject hygiene.Subject, _ []*resolve.Source) hygiene.Survey {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looks, s.subject = append(s.looks, time.Now()), subject
	return hygiene.Survey{Findings: slices.Clone(s.findings), Complete: !s.blocked, Known: &hygiene.KnownPolicy{ID: "1", Text: "known"}}
}

func (s *surveys) set(blocked bool, findings ...hygiene.Finding) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.findings, s.blocked = findings, blocked
}

func (s *surveys) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.looks)
}

var (
	lame    = hygiene.Finding{ID: "ns_lame", Severity: hygiene.Warning, At: "ns2.test", Text: "does not answer"}
	expired = hygiene.Finding{ID: "rrsig_expired", Severity: hygiene.Critical, At: "shop.test SOA", Text: "ended", Impact: mailrec.Rejected}
	caa     = hygiene.Finding{ID: "caa_missing", Severity: hygiene.Note, At: "shop.test CAA", Text: "missing"}
)

// upkept gives a house with one verified domain that is looked at every day.
func upkept(t *testing.T) (*house, *surveys) {
	t.Helper()
	s := &surveys{}
	settings := testSettings()
	settings.Upkeep = 24 * time.Hour
	h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager(), surveyor: s}
	h.world.set(t, "canary.test", rrset.TXT, "alive")
	h.world.set(t, apex, rrset.TXT, "v=spf1 -all")
	h.start(settings)
	h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: mailrec.SPF}}, SendingAddresses: []string{"192.0.2.1"}, MailFrom: "bounce.shop.test"})
	return h, s
}

const atRisk = "DomainAtRisk shop.test/upkeep"

func TestUpkeepTellsOnlyWhatIsSeenTwice(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		h.after(11 * time.Hour)
		if n := s.count(); n != 0 {
			t.Errorf("looked at %d times in the first half of the interval", n)
		}
		s.set(false, lame, caa)
		h.after(24 * time.Hour)
		h.expectTold([]string{atRisk}, nil)
		if i := h.pager.lastTold(atRisk); i.Value != "warning" || len(i.Facts.Hygiene) != 1 || i.Facts.Hygiene[0].ID != "ns_lame" {
			t.Errorf("%+v", i)
		}
		if s.subject.Known == nil || s.subject.MailFrom != "bounce.shop.test" || len(s.subject.Addresses) != 1 {
			t.Errorf("looked at %+v", s.subject)
		}
		// In order again: seen twice as well, a quarter of an hour apart.
		s.set(false, caa)
		h.after(24*time.Hour + time.Minute)
		h.expectTold([]string{atRisk}, []string{atRisk})
	})
}

func TestUpkeepSightsThatDoNotLastCallNobody(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		for range 6 {
			s.set(false, lame)
			for n := s.count(); s.count() == n; {
				h.after(time.Minute)
			}
			s.set(false)
			for n := s.count(); s.count() == n; {
				h.after(time.Minute)
			}
		}
		h.expectTold(nil, nil)
	})
}

func TestUpkeepThatCannotAskTakesNothingBack(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		s.set(false, expired)
		h.after(48 * time.Hour)
		s.set(true)
		h.after(72 * time.Hour)
		h.expectTold([]string{atRisk}, nil)
		if i := h.pager.lastTold(atRisk); i.Value != "critical" || i.Impact != mailrec.Rejected {
			t.Errorf("%+v", i)
		}
	})
}

func TestUpkeepDoesNotHoldOnForEver(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		s.set(false, expired)
		h.after(48 * time.Hour)
		s.set(true) // something else never answers
		h.after(120 * time.Hour)
		h.expectTold([]string{atRisk}, []string{atRisk})
	})
}

func TestUpkeepThatGetsWorseReplacesItsAlert(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		s.set(false, lame)
		h.after(48 * time.Hour)
		s.set(false, lame, expired)
		h.after(48 * time.Hour)
		h.expectTold([]string{atRisk, atRisk}, []string{atRisk})
		if i := h.pager.lastTold(atRisk); len(i.Facts.Hygiene) != 2 {
			t.Errorf("%+v", i.Facts)
		}
	})
}

func TestUpkeepSurvivesARestartAndEndsWithItsDomain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		s.set(false, expired)
		h.after(48 * time.Hour)
		h.stop()
		settings := testSettings()
		settings.Upkeep = 24 * time.Hour
		h.start(settings)
		defer func() { h.stop() }()
		h.after(48 * time.Hour)
		h.expectTold([]string{atRisk}, nil)
		if err := h.engine.Remove(context.Background(), apex, "tester"); err != nil {
			t.Fatal(err)
		}
		h.after(time.Minute)
		h.expectTold([]string{atRisk}, []string{atRisk})
		if n := h.engine.Snapshot().Upkeep.Len(); n != 0 {
			t.Errorf("%d left", n)
		}
	})
}

func TestUpkeepWaitsWhileTheMonitorIsBlind(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h, s := upkept(t)
		defer h.stop()
		h.world.breakAll(resolve.Timeout, "r1", "r2", "r3", "r4", "r5", "r6", servers[0].ID, servers[1].ID)
		s.set(false, lame)
		h.after(72 * time.Hour)
		if n := s.count(); n != 0 {
			t.Errorf("looked at %d times while blind", n)
		}
	})
}

func TestSpecsSayWhatIsWrongWithTheirSending(t *testing.T) {
	presets := testPresets(t)
	for path, spec := range map[string]Spec{
		"sending_addresses[0]": {Domain: "x.test", SendingAddresses: []string{"mail.x.test"}},
		"mail_from":            {Domain: "x.test", MailFrom: "a@x.test"},
	} {
		if _, err := spec.Resolve(presets); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v, want an error at %s", err, path)
		}
	}
}
