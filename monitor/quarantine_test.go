package monitor

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// lyingShop is a verified shop.test at which r3 alone says that the SPF record is gone.
func lyingShop(t *testing.T) *house {
	settings := testSettings()
	settings.Quarantine = DefaultQuarantine()
	h := newHouse(t, settings)
	h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
	h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
	h.add(shopSpec())
	h.lie("r3")
	return h
}

// lie makes sources say that shop.test has no SPF record.
func (h *house) lie(sources ...string) {
	h.world.mu.Lock()
	defer h.world.mu.Unlock()
	q := resolve.Question{Name: apex, Type: rrset.TXT}
	for _, s := range sources {
		h.world.caches[s] = map[resolve.Question]rrset.Set{q: {}}
	}
}

func (h *house) quarantined() []resolve.Operator { return h.engine.Snapshot().Self.Quarantined() }

func TestF8ALoneLiarIsQuarantined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := lyingShop(t)
		defer func() { h.stop() }()
		h.after(4 * time.Hour)
		h.expectTold(nil, nil)
		h.after(time.Hour)
		h.expectTold([]string{"ResolverQuarantined"}, nil)
		if got := h.quarantined(); !slices.Equal(got, []resolve.Operator{"r3"}) {
			t.Fatalf("in quarantine: %v", got)
		}
		if told := h.pager.lastTold("ResolverQuarantined"); told.Value != "r3" || !strings.Contains(told.Facts.Reason, "shop.test/spf is not there") {
			t.Errorf("told %+v", told)
		}
		h.after(time.Hour)
		votes := h.engine.Snapshot().Votes.Of(RecordID{apex, "spf"})
		i := slices.IndexFunc(votes, func(v SourceVote) bool { return v.Source == "r3" })
		if votes[i].Stand != judge.Unheard || !strings.Contains(votes[i].Detail, "in quarantine since") {
			t.Errorf("its vote: %+v", votes[i])
		}

		h.world.flush()
		h.after(3 * time.Hour)
		h.stop()
		h.start(h.engine.settings.clone())
		h.after(time.Minute)
		if len(h.quarantined()) != 1 {
			t.Error("the restart set it free")
		}
		h.after(time.Hour)
		h.expectTold([]string{"ResolverQuarantined"}, []string{"ResolverQuarantined"})
		if len(h.engine.Snapshot().Self.Dissenters) != 0 {
			t.Error("it has agreed five times")
		}
	})
}

// clone gives settings for another engine.
func (s *Settings) clone() Settings { return *s }

func TestAgreeingOnceMakesTheCountBeginAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := lyingShop(t)
		defer h.stop()
		for range 3 {
			h.lie("r3")
			h.after(4 * time.Hour)
			h.world.flush()
			h.after(time.Hour)
		}
		h.expectTold(nil, nil)
	})
}

func TestTwoWhoSayTheSameAreNotAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := lyingShop(t)
		defer h.stop()
		h.lie("r4")
		h.after(12 * time.Hour)
		h.expectTold(nil, nil)
	})
}

func TestSilenceOfAuthorityOrResolverProvesNobodyWrong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := lyingShop(t)
		defer h.stop()
		h.after(4 * time.Hour)
		h.world.breakAll(resolve.Timeout, servers[0].ID, servers[1].ID)
		h.after(6 * time.Hour)
		h.expectTold(nil, nil)
		h.world.mend()
		h.after(time.Hour)
		h.expectTold([]string{"ResolverQuarantined"}, nil)
		h.world.breakAll(resolve.Timeout, "r3")
		h.after(24 * time.Hour)
		h.expectTold([]string{"ResolverQuarantined"}, nil)
	})
}

func TestAnOperatorThatIsConfiguredNoMoreLeavesQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := lyingShop(t)
		defer h.stop()
		h.after(6 * time.Hour)
		settings := h.engine.settings.clone()
		group := settings.Groups["default"]
		group.Resolvers = slices.DeleteFunc(slices.Clone(group.Resolvers), func(s *resolve.Source) bool { return s.ID == "r3" })
		settings.Groups = map[string]Group{"default": group}
		if err := h.engine.Apply(t.Context(), settings, nil); err != nil {
			t.Fatal(err)
		}
		h.after(time.Hour)
		h.expectTold([]string{"ResolverQuarantined"}, []string{"ResolverQuarantined"})
		if told := h.pager.lastTold("ResolverQuarantined"); told.Why != "removed" {
			t.Errorf("ended as %q", told.Why)
		}
	})
}

func TestQuarantineLeavesAQuorum(t *testing.T) {
	// By configured operators: how many may be in quarantine at once.
	for n, want := range map[int]int{2: 0, 3: 1, 4: 2, 5: 1, 6: 2, 7: 2, 8: 3, 12: 4} {
		settings := &Settings{
			Groups: map[string]Group{"default": {Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(n)}},
			Rules:  judge.DefaultRules(), Quarantine: Quarantine{After: 1, Release: 1},
		}
		self := SelfState{}
		for _, r := range resolvers(n) {
			d := dissent{
				group: "default", alone: map[resolve.Operator]string{r.Operator: "it lies"},
				wrong: map[resolve.Operator]bool{r.Operator: true}, heard: map[resolve.Operator]bool{r.Operator: true},
			}
			self, _ = self.hearing(d, settings, time.Unix(int64(n), 0))
		}
		if got := len(self.Quarantined()); got != want {
			t.Errorf("%d of %d are in quarantine, want %d", got, n, want)
		}
	}
}
