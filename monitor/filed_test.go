package monitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// maybe calls one time in four.
func maybe(rt *rapid.T, what string, do func()) {
	if rapid.IntRange(0, 3).Draw(rt, what) == 0 {
		do()
	}
}

// drawWholeState draws a state in which anything may be set that a sweep or a person sets.
func drawWholeState(rt *rapid.T) *RecordState {
	at := time.Unix(1_800_000_000, 5)
	set := rrset.NewSet(rrset.TXT, []byte("\x06v=spf1"), []byte("\x01x"))
	s := &RecordState{ID: RecordID{"d.test", "spf"}, Name: "d.test", Expectation: mailrec.Expectation{Kind: mailrec.SPF, Want: []string{"include:x.test"}}}
	s.Phase = rapid.SampledFrom(judge.Phases()).Draw(rt, "phase")
	s.Verdict = rapid.SampledFrom(judge.Verdicts()[:judge.Blind]).Draw(rt, "verdict")
	s.Registered, s.Since = at, at.Add(time.Minute)
	maybe(rt, "verified", func() { s.VerifiedAt = at.Add(time.Hour) })
	maybe(rt, "baseline", func() { s.Baseline = set })
	maybe(rt, "seen", func() { s.Seen = set })
	maybe(rt, "absent", func() { s.Seen = rrset.Set{Type: rrset.TXT} })
	maybe(rt, "notes", func() { s.Finding.Notes = []string{"worth knowing"} })
	maybe(rt, "reason", func() { s.Finding.Class, s.Finding.Reason = mailrec.Absent, "it is not there" })
	maybe(rt, "changes", func() { s.Finding.Changes = []mailrec.Change{{Op: "+", Term: "a"}} })
	maybe(rt, "deadline", func() { s.Deadline = at })
	maybe(rt, "affordable", func() { s.Affordable = true })
	maybe(rt, "inherited", func() { s.Inherited = "reject" })
	maybe(rt, "ttl", func() { s.OldTTL = 300 })
	maybe(rt, "zone", func() { s.Zone, s.Servers = "d.test", []rrset.Name{"ns1.test", "ns2.test"} })
	maybe(rt, "change", func() { s.Change = &Change{Announced: at} })
	maybe(rt, "past", func() { s.Past.Until = at })
	maybe(rt, "wrong", func() { s.Past.WrongTTL, s.Past.Wrong = 7, []rrset.Hash{{1}} })
	maybe(rt, "incident", func() { s.Incident = &Incident{Name: AlertMissing} })
	maybe(rt, "suspicion", func() { s.Suspicion.Sightings = 1 })
	maybe(rt, "turns", func() { s.Turns[0] = 9 })
	maybe(rt, "flapping", func() { s.Flapping.Since = at })
	maybe(rt, "blind", func() { s.BlindSince = at })
	maybe(rt, "meaning", func() { s.Meaning[3] = 1 })
	maybe(rt, "stage", func() { s.Stage, s.FromAuthority = judge.Recovering, true })
	return s
}

// TestWhatIsFiledComesBack files states, alone and beside others, and holds what comes back against them in the form in
// which they are kept on disk.
func TestWhatIsFiledComesBack(t *testing.T) {
	asKept := func(s *RecordState) string {
		next := *s
		for _, at := range []*time.Time{&next.Since, &next.Registered, &next.VerifiedAt} {
			*at = at.UTC()
		}
		text, err := json.Marshal(next)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	rapid.Check(t, func(rt *rapid.T) {
		var f filing
		f.share()
		var beside []filed
		for range 3 {
			s := drawWholeState(rt)
			kept := f.file(s, &Record{Key: "spf", Name: "d.test", Expectation: s.Expectation}, beside)
			back := kept.state("d.test")
			if diff := cmp.Diff(asKept(s), asKept(back)); diff != "" {
				rt.Fatalf("filed as a whole: %v (-put +got):\n%s", kept.full != nil, diff)
			}
			if !kept.is(back) || kept.unsettled() != s.Unsettled() || kept.blind() != !s.BlindSince.IsZero() {
				rt.Fatalf("filed as %+v", kept)
			}
			other := *back
			if other.OldTTL, other.Since = 0, other.Since.Add(1); kept.is(&other) {
				rt.Fatal("another state was taken for the one that is filed")
			}
			beside = append(beside, kept)
		}
	})
}

func TestGoodRecordsAreBriefWithWhatSweepsPutThere(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		h := newHouse(t, testSettings())
		defer h.stop()
		h.world.set(t, apex, rrset.TXT, spfText)
		h.world.set(t, "_dmarc.shop.test", rrset.TXT, dmarc)
		h.world.set(t, "spf.service.test", rrset.TXT, "v=spf1 ip4:192.0.2.0/24 -all")
		h.add(shopSpec())
		h.after(3 * time.Hour)
		h.engine.mu.Lock()
		defer h.engine.mu.Unlock()
		list, _ := h.engine.states.domains.get(apex)
		d := h.engine.domains[apex]
		for i, f := range list {
			if f.full != nil || f.record != &d.Records[i] {
				t.Errorf("%s is kept as %+v, with a record of its own: %v", f.record.Key, f.full, f.record != &d.Records[i])
			}
		}
		if len(list) != 2 {
			t.Errorf("%d states", len(list))
		}
	})
}

func TestHalfOfAMemoryIsNone(t *testing.T) {
	d, err := shopSpec().Resolve(testPresets(t))
	if err != nil {
		t.Fatal(err)
	}
	d.Origin = Origin{File: "fleet.yml", Line: 1}
	var broken error
	var states []RecordState
	for _, r := range d.Records {
		s := RecordState{ID: RecordID{d.Name, r.Key}, Name: r.Name, Expectation: r.Expectation}
		s.Phase, s.Verdict = judge.Verified, judge.Holding
		states = append(states, s)
	}
	memory := Memory{Records: func(take func([]Remembered)) error {
		return errors.Join(handOver(states, nil)(take), broken)
	}}
	start := func() (*Engine, error) {
		return New(t.Context(), Options{Journal: newMemJournal(), Presets: testPresets(t)}, memory, testSettings(), []*Domain{d})
	}
	e, err := start()
	if err != nil {
		t.Fatal(err)
	}
	if n := e.Snapshot().States.Counts().Records[judge.Verified][judge.Holding]; n != len(d.Records) {
		t.Errorf("%d of %d records are known to hold", n, len(d.Records))
	}
	broken = errors.New("the disk is broken")
	if _, err := start(); !errors.Is(err, broken) {
		t.Errorf("began with half of a memory: %v", err)
	}
}

func TestWhatManyHaveAlikeIsKeptOnce(t *testing.T) {
	var f filing
	f.share()
	common := func() rrset.Set { return rrset.NewSet(rrset.TXT, []byte("\x06v=spf1")) }
	own := func(i int) rrset.Set { return rrset.NewSet(rrset.TXT, fmt.Appendf(nil, "key %d", i)) }
	first := f.set(common())
	var kept []*rrset.Set
	for i := range 200 {
		kept = append(kept, f.set(common()), f.set(own(i)))
	}
	if kept[0] == first || kept[2] != kept[0] || &f.like(common()).Data[0] != &kept[0].Data[0] {
		t.Error("what came again is not shared")
	}
	if n := len(f.sets.known); n != 1 {
		t.Errorf("%d contents are looked up, most of which only one record has", n)
	}
	if f.set(rrset.Set{}) != nil || f.like(rrset.Set{}).Data != nil {
		t.Error("nothing takes room")
	}
	say := func() *said {
		return f.said(&said{outcome: resolve.Answered, stand: judge.Good, set: f.like(common())})
	}
	say()
	if a, b := say(), say(); a != b {
		t.Error("what is said alike is not shared")
	}
	runtime.KeepAlive(kept)
}

func TestWhatNobodyHasIsForgotten(t *testing.T) {
	var n interned[[4]int]
	var kept []*[4]int
	for i := range 100 * minInterned {
		v := n.get(uint64(i), func(*[4]int) bool { return true }, func() *[4]int { return &[4]int{i} })
		if i%100 == 0 {
			kept = append(kept, v)
		}
		if i%20 == 0 {
			runtime.GC()
		}
	}
	if len(n.known) > 5*minInterned {
		t.Errorf("%d values are known of which %d are in use", len(n.known), len(kept))
	}
	for i, v := range kept {
		if v[0] != 100*i || n.peek(uint64(100*i)) != v {
			t.Errorf("value %d was lost", 100*i)
		}
	}
	if !slices.IsSortedFunc(kept, func(a, b *[4]int) int { return a[0] - b[0] }) {
		t.Error("values were mixed up")
	}
}
