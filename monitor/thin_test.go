package monitor

import (
	"fmt"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// thinlySpread is a fleet of some stages, of whose domains a few in each have a DKIM record that is an alias of a provider's.
type thinlySpread struct {
	*house
	aliases []rrset.Name
}

const thinStages = 6

func newThinlySpread(t *testing.T, settings Settings, each int) *thinlySpread {
	f := &thinlySpread{house: emptyHouse(t, thinStages*stageDomains, "d%05d.test")}
	presets := testPresets(t)
	for stage := range thinStages {
		for i := range each {
			at := stage*stageDomains + 50 + 40*i
			d := f.configured[at]
			spec := Spec{Domain: string(d.Name), Expect: []ExpectSpec{{Kind: mailrec.SPF}, {Kind: mailrec.DKIM, Host: "s1._domainkey"}}}
			with, err := spec.Resolve(presets)
			if err != nil {
				t.Fatal(err)
			}
			with.Origin = d.Origin
			f.configured[at] = with
			alias := "s1._domainkey." + d.Name
			f.world.set(t, alias, rrset.TXT, newKey)
			f.aliases = append(f.aliases, alias)
		}
	}
	f.start(settings, f.configured...)
	f.after(time.Hour + 30*time.Minute)
	f.expectTold(nil, nil)
	return f
}

// loseTarget takes away what the aliases lead to.
func (f *thinlySpread) loseTarget() {
	for i, alias := range f.aliases {
		f.world.remove(alias, rrset.TXT)
		f.world.mu.Lock()
		f.world.chains[alias] = []rrset.Name{rrset.Name(fmt.Sprintf("k%d.dkim.mail.example", i))}
		f.world.mu.Unlock()
	}
}

// pages counts what calls somebody: causes, and records that are told by themselves.
func (f *thinlySpread) pages() (causes, alone int) {
	f.pager.mu.Lock()
	defer f.pager.mu.Unlock()
	for _, i := range f.pager.last {
		switch {
		case i.Name == AlertCause:
			causes++
		case i.Facts.Cause == "":
			alone++
		}
	}
	return causes, alone
}

func TestLostWithin(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	lost := func(ago time.Duration, ttl uint32) *RecordState {
		s := &RecordState{OldTTL: ttl}
		s.Phase, s.Verdict, s.Since = judge.Verified, judge.Missing, now.Add(-ago)
		return s
	}
	held := lost(72*time.Hour, 0)
	held.Verdict = judge.Holding
	told := lost(0, 0)
	told.Incident = &Incident{Opened: now.Add(-3 * time.Hour)}
	for _, tt := range []struct {
		name  string
		state *RecordState
		want  bool
	}{
		{"well until now", held, true},
		{"a while ago", lost(2*time.Hour, 0), true},
		{"before that", lost(2*time.Hour+time.Second, 0), false},
		{"when caches let go of it", lost(6*time.Hour, 4*3600), true},
		{"before that too", lost(6*time.Hour+time.Second, 4*3600), false},
		{"told long ago, and at another stage now", told, false},
	} {
		if got := tt.state.lostWithin(2*time.Hour, now); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// TestAProviderThatEachStageSeesLittleOfIsOneCause: of a provider's name under 12 domains in six stages, each stage sees one or two.
// Those that are told before it is known to be one thing are at most two.
func TestAProviderThatEachStageSeesLittleOfIsOneCause(t *testing.T) {
	for _, tt := range []struct {
		name   string
		each   int
		spread float64
		// goes is how long after the last sweep began the name is gone.
		goes time.Duration
	}{
		{"one each, all at once", 1, 0, 30 * time.Minute},
		{"one each, one after the other", 1, 0.5, 30 * time.Minute},
		{"two each, one after the other", 2, 0.5, 30 * time.Minute},
		{"one each, lost in the middle of a sweep", 1, 0.5, time.Hour + 19*time.Minute},
		{"two each, lost late in a sweep", 2, 0.5, time.Hour + 24*time.Minute},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				settings := testSettings()
				settings.Spread = tt.spread
				f := newThinlySpread(t, settings, tt.each)
				defer func() { f.stop() }()
				f.after(tt.goes - 30*time.Minute)
				f.loseTarget()
				f.after(2 * time.Hour)
				causes, alone := f.pages()
				if causes != 1 || alone > 2 {
					t.Errorf("%d causes, and %d records that are told by themselves", causes, alone)
				}
			})
		})
	}
}
