package monitor

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"maildrift/monitor/judge"
	"maildrift/monitor/rrset"
)

// drawState draws a state of one of few records.
func drawState(rt *rapid.T) *RecordState {
	key := rapid.SampledFrom([]string{"spf", "dkim:a", "dmarc", SharedKey}).Draw(rt, "key")
	s := &RecordState{ID: RecordID{rrset.Name(fmt.Sprintf("d%d.test", rapid.IntRange(0, 20).Draw(rt, "domain"))), key}}
	s.Phase = rapid.SampledFrom(judge.Phases()).Draw(rt, "phase")
	s.Verdict = rapid.SampledFrom(judge.Verdicts()[:judge.Blind]).Draw(rt, "verdict")
	if rapid.IntRange(0, 5).Draw(rt, "blind") == 0 {
		s.BlindSince = time.Unix(1, 0)
	}
	if rapid.IntRange(0, 5).Draw(rt, "incident") == 0 {
		s.Incident = &Incident{ID: s.ID, Name: AlertDrifted}
	}
	return s
}

// modelCounts are the numbers as one gets them by looking at all.
func modelCounts(states map[RecordID]*RecordState) (counts Counts, unsettled, alerting int) {
	for _, s := range states {
		counts.add(&filed{record: &Record{Key: s.ID.Key}, full: s}, 1)
		if s.Unsettled() {
			unsettled++
		}
		if len(s.open()) > 0 {
			alerting++
		}
	}
	return counts, unsettled, alerting
}

func sameState(a, b *RecordState) bool { return a != nil && a.ID == b.ID && !a.differs(b) }

func holds(rt *rapid.T, got States, want map[RecordID]*RecordState) {
	all := map[RecordID]*RecordState{}
	for s := range got.All() {
		all[s.ID] = s
	}
	if !maps.EqualFunc(all, want, sameState) || got.Len() != len(want) {
		rt.Fatalf("%d states (%d by number), want %d", len(all), got.Len(), len(want))
	}
	counts, unsettled, _ := modelCounts(want)
	if diff := cmp.Diff(counts, got.Counts()); diff != "" {
		rt.Fatalf("counts (-want +got):\n%s", diff)
	}
	if n := len(slices.Collect(got.Unsettled())); n != unsettled {
		rt.Fatalf("%d unsettled, want %d", n, unsettled)
	}
	for id, s := range want {
		if !sameState(got.Get(id), s) {
			rt.Fatalf("%s is not found", id)
		}
	}
	if got.Get(RecordID{"other.test", "spf"}) != nil {
		rt.Fatal("a record is there that never was")
	}
}

// TestLooksStayWhatTheyWere changes a table at random and takes looks in between: each must stay what it was,
// whatever happens to the table later.
func TestLooksStayWhatTheyWere(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		table, model := newStateTable(States{}), map[RecordID]*RecordState{}
		var looks []States
		var were []map[RecordID]*RecordState
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			s := drawState(rt)
			switch rapid.IntRange(0, 4).Draw(rt, "step") {
			case 0:
				table.drop(s.ID)
				delete(model, s.ID)
			case 1:
				looks, were = append(looks, table.look()), append(were, maps.Clone(model))
			default:
				table.put(s, nil)
				model[s.ID] = s
			}
		}
		_, _, alerting := modelCounts(model)
		if len(table.alerting) != alerting {
			rt.Fatalf("%d alerting, want %d", len(table.alerting), alerting)
		}
		holds(rt, table.look(), model)
		for i := range looks {
			holds(rt, looks[i], were[i])
		}
	})
}

func TestStatesMadeByHand(t *testing.T) {
	spf := &RecordState{ID: RecordID{"a.test", "spf"}}
	var none States
	one := none.With(spf)
	if none.Len() != 0 || none.Get(spf.ID) != nil || !sameState(one.Get(spf.ID), spf) || one.Len() != 1 {
		t.Errorf("%d in none, %d in one", none.Len(), one.Len())
	}
	if left := one.Without(spf.ID); left.Len() != 0 || one.Len() != 1 || left.Get(spf.ID) != nil {
		t.Errorf("%d left of %d", left.Len(), one.Len())
	}
}

// BenchmarkSnapshot is what a look at a fleet costs after one record has changed.
func BenchmarkSnapshot(b *testing.B) {
	for _, domains := range []int{1_000, 100_000} {
		b.Run(fmt.Sprint(domains, " domains"), func(b *testing.B) {
			e := &Engine{states: newStateTable(States{}), settings: &Settings{}, domains: map[rrset.Name]*Domain{}}
			for i := range domains {
				name := rrset.Name(fmt.Sprintf("d%06d.test", i))
				e.domains[name] = &Domain{Name: name}
				for _, key := range []string{"dkim:s1", "dkim:s2", "dmarc", "mx", "ownership", "spf"} {
					s := &RecordState{ID: RecordID{name, key}}
					s.Phase, s.Verdict = judge.Verified, judge.Holding
					e.states.put(s, nil)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				changed := *e.states.get(RecordID{"d000500.test", "spf"})
				e.states.put(&changed, nil)
				e.touch()
				if e.Snapshot().States.Len() != 6*domains {
					b.Fatal("not all are there")
				}
			}
		})
	}
}
