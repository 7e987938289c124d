package monitor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
	"maildrift/monitor/resolve/asktest"
	"maildrift/monitor/rrset"
)

// flap lets the DMARC record of shop.test come and go, each time for as long, and has it looked at.
func (h *house) flap(times int, each time.Duration) {
	h.t.Helper()
	for range times {
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.checkAfter(each)
		h.world.set(h.t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.checkAfter(each)
	}
}

func (h *house) checkAfter(d time.Duration) {
	h.t.Helper()
	if err := h.engine.CheckNow(context.Background(), apex); err != nil {
		h.t.Fatal(err)
	}
	h.after(d)
}

func TestF108FlappingIsOneIncident(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer func() { h.stop() }()
		began := len(h.journal.history())
		h.flap(8, 4*time.Minute)
		missing := "RecordMissing shop.test/dmarc"
		h.expectTold([]string{missing, missing}, []string{missing})
		open := h.state("dmarc").Incident
		if open == nil || open.Facts.Flips < 12 || open.Facts.FlappingSince.IsZero() {
			t.Fatalf("incident %+v", open)
		}
		flips := slices.DeleteFunc(h.journal.history()[began:], func(x Transition) bool { return !x.Flap })
		if len(flips) < 12 {
			t.Errorf("%d flips in the history", len(flips))
		}
		h.stop()
		h.start(testSettings())
		h.after(time.Minute)
		h.expectTold([]string{missing, missing}, []string{missing})
		h.after(2 * time.Hour)
		h.expectTold([]string{missing, missing}, []string{missing, missing})
	})
}

func TestAcceptingEndsAnEpisode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		const other = "v=DMARC1; p=none"
		for range 4 {
			h.world.set(t, "_dmarc.shop.test", rrset.TXT, other)
			h.checkAfter(time.Minute)
			h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
			h.checkAfter(time.Minute)
		}
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, other)
		h.checkAfter(time.Minute)
		if err := h.engine.Accept(t.Context(), RecordID{apex, "dmarc"}, "tester", "meant"); err != nil {
			t.Fatal(err)
		}
		if s := h.state("dmarc"); s.Flapping.On() || s.Verdict != judge.Holding || s.Incident != nil {
			t.Errorf("%+v", s.State)
		}
		h.after(3 * time.Hour)
		if s := h.state("dmarc"); s.Verdict != judge.Holding {
			t.Errorf("what was accepted is %s", s.Verdict)
		}
	})
}

// interceptor lets questions through until the canaries have passed once, and then answers everything itself, the
// zone's servers' part too.
type interceptor struct {
	*world
	mu      sync.Mutex
	armed   bool
	active  bool
	stopped bool
}

func (i *interceptor) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	forged, err := rrset.Parse(rrset.TXT, "landing page")
	if err != nil {
		panic(err)
	}
	i.world.Ask(ctx, queries, func(o resolve.Observation) {
		i.mu.Lock()
		defer i.mu.Unlock()
		if i.active && !i.stopped {
			o.Set, o.Outcome = forged, resolve.Answered
		}
		emit(o)
	})
	i.mu.Lock()
	defer i.mu.Unlock()
	i.active = i.active || i.armed
}

func TestF10ANetworkThatIsHijackedDuringASweepIsFoundOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := testSettings()
		settings.Canaries = append(settings.Canaries, Canary{
			Question: resolve.Question{Name: "invalid", Type: rrset.TXT}, Want: resolve.NXDomain, Random: true,
		})
		h := newHouse(t, settings)
		between := &interceptor{world: h.world}
		h.asker = between
		h.stop()
		h.start(settings)
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.add(shopSpec())
		h.after(2 * time.Hour)
		between.mu.Lock()
		between.armed = true
		between.mu.Unlock()
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, nil)
		if told := h.pager.lastTold("MonitorBlind"); !strings.Contains(told.Facts.Reason, "answers") {
			t.Errorf("reason %q", told.Facts.Reason)
		}
		between.mu.Lock()
		between.stopped = true
		between.mu.Unlock()
		h.after(2 * time.Hour)
		h.expectTold([]string{"MonitorBlind"}, []string{"MonitorBlind"})
	})
}

func TestCanariesAreAskedAgainBeforeAChangeIsBelieved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		asked := h.world.askedOf("r1", "canary.test")
		h.after(time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		if n := h.world.askedOf("r1", "canary.test") - asked; n != 2 {
			t.Errorf("the canary was asked %d times, want before and after", n)
		}
	})
}

// cutter answers with the same record cut into strings in many ways.
type cutter struct {
	*world
	cut int
}

func (c *cutter) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	n := 0
	c.world.Ask(ctx, queries, func(o resolve.Observation) {
		n++
		if o.Question.Type == rrset.TXT && !o.Set.Empty() {
			o.Set = recut(o.Set, 1+(c.cut*n)%17)
		}
		emit(o)
	})
}

// recut gives the same TXT data in strings of another length (RFC 7208 section 3.3: they are joined without a space).
func recut(set rrset.Set, length int) rrset.Set {
	var data [][]byte
	for _, d := range set.Data {
		var joined []byte
		for i := 0; i < len(d); i += 1 + int(d[i]) {
			joined = append(joined, d[i+1:i+1+int(d[i])]...)
		}
		var out []byte
		for part := range slices.Chunk(joined, length) {
			out = append(append(out, byte(len(part))), part...)
		}
		data = append(data, out)
	}
	return rrset.NewSet(set.Type, data...)
}

func TestLawTXTCutAnotherWayChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer func() { h.stop() }()
		for _, gone := range []bool{false, true} {
			if gone {
				h.world.set(t, "_dmarc.shop.test", rrset.TXT, "v=DMARC1; p=none")
			}
			h.asker = nil
			want := h.decisions()
			for cut := 1; cut < 40; cut++ {
				h.asker = &cutter{world: h.world, cut: cut}
				if got := h.decisions(); !slices.Equal(got, want) {
					t.Fatalf("cut %d: %v, want %v", cut, got, want)
				}
			}
		}
	})
}

func TestLawResolversOfOneOperatorHaveOneVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.lie("r1", "r2", "r3")
		want := h.decisions()
		group := h.engine.settings.Groups["default"]
		for _, names := range [][]string{{"r1", "r1"}, {"zz-other-name", "r1"}, {"r1", "aa-other-name", "r1-v6"}} {
			doubled := slices.Clone(group.Resolvers[1:])
			for i, name := range names {
				source := *group.Resolvers[0]
				source.ID = name
				doubled = slices.Insert(doubled, i*2, &source)
				h.lie(name)
			}
			if got := h.decisionsOf(doubled); !slices.Equal(got, want) {
				t.Errorf("operator r1 asked as %v: %v, want %v", names, got, want)
			}
		}
	})
}

// decisions asks about all records of shop.test once and gives what it comes to.
func (h *house) decisions() []judge.Decision {
	return h.decisionsOf(h.engine.currentSettings().Groups["default"].Resolvers)
}

func (h *house) decisionsOf(resolvers []*resolve.Source) []judge.Decision {
	h.t.Helper()
	var asker resolve.Asker = h.world
	if h.asker != nil {
		asker = h.asker
	}
	q := &Inquiry{Asker: asktest.New(asker), Authorities: h.world, Rules: judge.DefaultRules()}
	d := h.engine.Snapshot().Domains[0]
	var subjects []Subject
	for _, r := range d.Records {
		subjects = append(subjects, Subject{Domain: d, Record: r, Resolvers: resolvers}.as(h.state(r.Key)))
	}
	evidence, _ := q.Round(context.Background(), subjects, nil, false)
	var out []judge.Decision
	for _, e := range evidence {
		out = append(out, e.Decision)
	}
	return out
}

// TestASettledRecordMovesToAZoneOfItsOwn: the servers of the zone that it lived in do not know any more.
func TestASettledRecordMovesToAZoneOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.after(3 * time.Hour)
		h.world.mu.Lock()
		own := &resolve.Source{ID: "ns.hoster.test/203.0.113.53", Role: resolve.Authoritative}
		h.world.cuts = map[rrset.Name][]*resolve.Source{"_dmarc.shop.test": {own}}
		h.world.mu.Unlock()
		h.after(3 * time.Hour)
		if zone := h.state("dmarc").Zone; zone != "_dmarc.shop.test" || h.world.askedOf(own.ID, "_dmarc.shop.test") == 0 {
			t.Errorf("the record is believed to live in %s", zone)
		}
	})
}

// tardy is an asker to which a resolver answers one question only after some tries, and then something else than others.
type tardy struct {
	*world
	mu    sync.Mutex
	fails int
	asked int
}

func (a *tardy) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	a.world.Ask(ctx, queries, func(o resolve.Observation) {
		a.mu.Lock()
		defer a.mu.Unlock()
		if o.Source.ID == "r3" && o.Question.Name == "_dmarc.shop.test" {
			if a.asked++; a.asked <= a.fails {
				o.Outcome, o.Set = resolve.Timeout, rrset.Set{}
			} else if other, err := rrset.Parse(rrset.TXT, "v=DMARC1; p=none"); err == nil {
				o.Set = other
			}
		}
		emit(o)
	})
}

// TestDissentIsNotForgottenOnceARecordIsVerified: what could have been the record was right, until another one was verified.
func TestDissentIsNotForgottenOnceARecordIsVerified(t *testing.T) {
	for fails := range 5 {
		synctest.Test(t, func(t *testing.T) {
			h := &house{t: t, world: newWorld(), journal: newMemJournal(), pager: newPager()}
			h.world.set(t, "canary.test", rrset.TXT, "alive")
			h.asker = &tardy{world: h.world, fails: fails}
			h.start(testSettings())
			defer h.stop()
			h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
			h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
			h.add(shopSpec())
			h.after(3 * time.Hour)
			votes := h.engine.Snapshot().Votes.Of(RecordID{apex, "dmarc"})
			if i := slices.IndexFunc(votes, func(v SourceVote) bool { return v.Source == "r3" }); i < 0 || votes[i].Stand != judge.Differs {
				t.Errorf("after %d failures: %+v", fails, votes[max(i, 0)])
			}
		})
	}
}

func TestStagesAreOfLikeSize(t *testing.T) {
	domains := make([]*Domain, stageDomains+1)
	for i := range domains {
		domains[i] = &Domain{Name: rrset.Name(fmt.Sprintf("d%d.test", i))}
	}
	for _, stage := range stagesOf(domains) {
		if len(stage) < stageDomains/2 {
			t.Errorf("a stage of %d domains: the gate can say nothing of so few", len(stage))
		}
	}
}

// TestAZoneIsInOneStage: what goes wrong with all of a zone is told as one thing only if it is seen at once.
func TestAZoneIsInOneStage(t *testing.T) {
	var domains []*Domain
	for i := range 2 * stageDomains {
		domains = append(domains, &Domain{Name: rrset.Name(fmt.Sprintf("d%d.z%d.test", i, i*7/(2*stageDomains)))})
	}
	stage, n := map[rrset.Name]int{}, 0
	for k, names := range stagesOf(domains) {
		for _, name := range names {
			n++
			zone := name.Parent()
			if in, known := stage[zone]; known && in != k {
				t.Fatalf("%s is in stage %d and in %d", zone, in, k)
			}
			stage[zone] = k
		}
	}
	if n != len(domains) {
		t.Errorf("%d of %d domains are in stages", n, len(domains))
	}
}
