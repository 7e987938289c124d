package monitor

import (
	"encoding/json"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

func TestPastEchoes(t *testing.T) {
	turned := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	old, other := rrset.Hash{1}, rrset.Hash{2}
	past := Past{
		Until: turned.Add(time.Hour), Sources: map[string]time.Time{"r2": turned.Add(24 * time.Hour)},
		Wrong: []rrset.Hash{{}, old},
	}
	answer := func(source string, stand judge.Stand, after, ttl time.Duration, says rrset.Hash) Heard {
		h := Heard{Stand: stand}
		h.Source, h.At, h.TTL = &resolve.Source{ID: source}, turned.Add(after), uint32(ttl/time.Second)
		h.Finding.Meaning = says
		return h
	}
	server := answer("ns", judge.Good, time.Minute, time.Hour, rrset.Hash{})
	server.Source = &resolve.Source{ID: "ns", Role: resolve.Authoritative}
	tests := []struct {
		name     string
		heard    Heard
		standing judge.Verdict
		want     bool
	}{
		{"the good record with less than its TTL left", answer("r1", judge.Good, 10*time.Minute, 50*time.Minute, old), judge.Missing, true},
		{"two seconds of rounding", answer("r1", judge.Good, 10*time.Minute, 50*time.Minute+2*time.Second, old), judge.Missing, true},
		{"fetched since", answer("r1", judge.Good, 10*time.Minute, time.Hour, old), judge.Missing, false},
		{"a resolver that makes TTLs longer", answer("r2", judge.Good, 10*time.Minute, 23*time.Hour, old), judge.Missing, true},
		{"its cache was filled anew", answer("r2", judge.Good, 10*time.Minute, 24*time.Hour, old), judge.Missing, false},
		{"the old TTL is over", answer("r1", judge.Good, 61*time.Minute, time.Minute, old), judge.Missing, false},
		{"the loss itself", answer("r1", judge.Absent, time.Minute, time.Minute, rrset.Hash{}), judge.Missing, false},
		{"absence after the repair", answer("r1", judge.Absent, time.Minute, time.Minute, rrset.Hash{}), judge.Holding, true},
		{"the wrong value after the repair", answer("r1", judge.Differs, time.Minute, time.Minute, old), judge.Holding, true},
		{"a wrong value that nobody saw before", answer("r1", judge.Differs, time.Minute, time.Minute, other), judge.Holding, false},
		{"good is no echo of what was wrong", answer("r1", judge.Good, time.Minute, time.Minute, old), judge.Holding, false},
		{"servers of the zone have no cache", server, judge.Missing, false},
		{"what disagrees has no past", answer("r1", judge.Good, time.Minute, time.Minute, old), judge.Disagreeing, false},
		{"the clock was ahead by years", answer("r1", judge.Good, -365*24*time.Hour, time.Minute, old), judge.Missing, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := past.echoes(tt.heard, tt.standing); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			if (Past{}).echoes(tt.heard, tt.standing) {
				t.Error("an echo without a past")
			}
		})
	}
	text, err := json.Marshal(past)
	var back Past
	if err != nil || json.Unmarshal(text, &back) != nil || !back.Equal(past) {
		t.Errorf("%v: %s came back as %+v", err, text, back)
	}
}

// alone is a verified shop.test whose zone's own servers are not asked, with an hour's TTL.
func alone(t *testing.T) *house {
	settings := testSettings()
	settings.AskAuthority, settings.Recheck = false, 5*time.Minute
	h := newHouse(t, settings)
	h.world.ttl = 3600
	h.world.set(t, apex, rrset.TXT, spfText, "unrelated")
	h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
	h.add(shopSpec())
	h.after(90 * time.Minute)
	return h
}

func TestF34OldAnswersOfSecondCachesDoNotEndALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := alone(t)
		defer h.stop()
		gone := func() { h.world.remove("_dmarc.shop.test", rrset.TXT) }
		h.state("dmarc")
		h.world.mu.Lock()
		h.world.ttl = 600 // of the hour that it was
		h.world.mu.Unlock()
		gone()
		h.after(time.Hour)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		opened := h.state("dmarc").Since

		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc) // all at once the other caches of every operator answer
		h.after(time.Until(opened.Add(45 * time.Minute)))
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, nil)
		votes := h.engine.Snapshot().Votes.Of(RecordID{apex, "dmarc"})
		if s := h.state("dmarc"); s.Stage != judge.Recovering || !slices.ContainsFunc(votes, func(v SourceVote) bool { return v.Echo }) {
			t.Errorf("stage %s, votes %+v", s.Stage, votes)
		}
		h.after(30 * time.Minute) // past the hour of the old TTL
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

// TestF34CachesAreReckonedByTheLongestTTLOfResolvers where the zone's servers are not asked, or do not know since an alias leads
// away: what one cache has left says little about the others.
func TestF34CachesAreReckonedByTheLongestTTLOfResolvers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := testSettings()
		settings.AskAuthority, settings.Recheck = false, 5*time.Minute
		h := newHouse(t, settings)
		defer h.stop()
		h.world.ttl = 3600
		h.world.set(t, dmarcName, rrset.TXT, dmarc)
		h.world.hold(dmarcName, rrset.TXT, "r1", "r2", "r3")
		h.world.holdFor(20) // is left
		h.add(Spec{Domain: "shop.test", Expect: []ExpectSpec{{Kind: 3}}})
		h.world.flush()
		h.after(time.Hour)
		h.world.remove(dmarcName, rrset.TXT)
		h.after(time.Hour)
		told := []string{"RecordMissing shop.test/dmarc"}
		h.expectTold(told, nil)
		opened := h.state("dmarc").Since
		h.world.setTTL(600)
		h.world.set(t, dmarcName, rrset.TXT, dmarc) // all at once the other caches of every operator answer
		h.after(time.Until(opened.Add(45 * time.Minute)))
		h.expectTold(told, nil)
	})
}

func TestF34FreshAnswersEndALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := alone(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(time.Hour)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(15 * time.Minute)
		h.expectTold([]string{"RecordMissing shop.test/dmarc"}, []string{"RecordMissing shop.test/dmarc"})
	})
}

func TestF49CachedAbsenceDoesNotRepeatALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.after(2 * time.Hour)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.after(time.Hour)
		told := []string{"RecordMissing shop.test/dmarc"}
		h.expectTold(told, told)

		h.world.remove("_dmarc.shop.test", rrset.TXT)
		h.world.hold("_dmarc.shop.test", rrset.TXT, "r1", "r2", "r3", "r4", "r5") // other caches of theirs
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.world.mu.Lock()
		h.world.ttl = 10
		h.world.mu.Unlock()
		if err := h.engine.CheckNow(t.Context(), apex); err != nil {
			t.Fatal(err)
		}
		h.expectTold(told, told)
		if d := h.state("dmarc"); d.Verdict != judge.Holding || d.Suspicion.Sightings != 0 {
			t.Errorf("%+v", d.State)
		}
		h.after(2 * time.Hour) // no cache of then is left: what they say now is new
		h.expectTold([]string{told[0], told[0]}, told)
	})
}

func TestF35Expired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		h.world.breakAll(resolve.Timeout, servers[0].ID, servers[1].ID)
		h.world.mu.Lock()
		h.world.ttl = 30
		h.world.mu.Unlock()
		h.after(2 * time.Hour)
		if s := h.state("dmarc"); s.BlindSince.IsZero() || s.Verdict != judge.Holding {
			t.Errorf("answers that seem to have expired are counted: %+v", s.State)
		}
		votes := h.engine.Snapshot().Votes.Of(RecordID{apex, "dmarc"})
		if i := slices.IndexFunc(votes, func(v SourceVote) bool { return v.Source == "r1" }); votes[i].Outcome != resolve.Stale {
			t.Errorf("vote %+v", votes[i])
		}
		h.world.mend()
		h.after(time.Hour)
		if s := h.state("dmarc"); !s.BlindSince.IsZero() {
			t.Error("with an authority that answers a TTL of 30 is a TTL of 30")
		}
	})
}

func TestF36FilteredAnswersHaveNoVote(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := verifiedShop(t)
		defer h.stop()
		for _, outcome := range []resolve.Outcome{resolve.Filtered, resolve.Stale, resolve.ServFail, resolve.Refused} {
			h.world.breakAll(outcome, "r1", "r2", "r3")
			h.after(3 * time.Hour)
		}
		h.expectTold(nil, nil)
		if s := h.state("spf"); !s.BlindSince.IsZero() || s.Verdict != judge.Holding {
			t.Errorf("half of the operators are enough: %+v", s.State)
		}
	})
}

// TestWhatCachesHoldOfAGoodRecord: the answer of a resolver that lasts longest counts, and what was wrong before the last change is over with it.
func TestWhatCachesHoldOfAGoodRecord(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	set := func(text string) rrset.Set {
		s, err := rrset.Parse(rrset.TXT, text)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := RecordState{Expectation: mailrec.Expectation{Kind: mailrec.DMARC, Match: mailrec.Captured}, Baseline: set(dmarc)}
	heard := []lastWord{
		{source: "r1", set: set(strictDMARC), ttl: 3600, ends: now.Add(time.Hour)},
		{source: "r1", set: set("v=DMARC1; p=none")}, // which history has
	}
	stale, recent := rrset.Hash{1}, rrset.Hash{2}
	for _, tt := range []struct {
		name  string
		until time.Time
		wrong []rrset.Hash
		kept  bool
	}{
		{"none", time.Time{}, nil, false},
		{"over", now.Add(-time.Minute), []rrset.Hash{stale}, false},
		{"not over", now.Add(time.Minute), []rrset.Hash{recent}, true},
	} {
		s.Past = Past{Until: tt.until, Wrong: tt.wrong}
		got := s.pastWith(heard, nil, now.Add(time.Minute), now)
		if ends := got.Sources["r1"]; !ends.Equal(now.Add(time.Hour)) {
			t.Errorf("%s: the resolver's answer ends at %v", tt.name, ends)
		}
		if kept := len(tt.wrong) > 0 && slices.Contains(got.Wrong, tt.wrong[0]); kept != tt.kept || len(got.Wrong) < 2 {
			t.Errorf("%s: %v are wrong", tt.name, got.Wrong)
		}
	}
}
