package monitor

import (
	"errors"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	"maildrift/monitor/mailrec"
	"maildrift/monitor/rrset"
)

// sweptFleet is an engine that has heard all sources about a fleet.
func sweptFleet(t *testing.T, n int) (*Engine, *fleetOf) {
	t.Helper()
	f := newFleet(t, n)
	f.delegate()
	settings := testSettings()
	settings.Groups["default"] = Group{Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(12)}
	e, err := New(t.Context(), Options{Journal: noJournal{}, Logger: slog.New(slog.DiscardHandler)}, f.memory(t), settings, f.domains)
	if err != nil {
		t.Fatal(err)
	}
	f.sweep(t, e, settings.Groups["default"].Resolvers)
	return e, f
}

// names gives the fleet's domains, in order and as a set.
func (f *fleetOf) names() (names []rrset.Name, all map[rrset.Name]bool) {
	all = map[rrset.Name]bool{}
	for _, d := range f.domains {
		names = append(names, d.Name)
		all[d.Name] = true
	}
	return names, all
}

// known is all that an engine knows of its records.
func known(e *Engine, s States) map[RecordID]any {
	out := map[RecordID]any{}
	for state := range s.All() {
		v := e.heard.about(state.ID)
		kept := []bool{}
		for i := range v.voice {
			kept = append(kept, v.voice[i].kept > 0 && v.words[v.voice[i].kept-1].said.outcome.Evidence())
		}
		out[state.ID] = []any{*state, e.heard.votes(state.ID), kept, v.formerServers()}
	}
	return out
}

func TestGatheringChangesNothing(t *testing.T) {
	e, f := sweptFleet(t, 40)
	// One of the records is in trouble, and is kept as a whole.
	ill := RecordID{f.domains[7].Name, "spf"}
	state := *e.states.get(ill)
	state.BlindSince = time.Now().Round(0)
	e.states.put(&state, e.recordOf(ill))
	before := e.Snapshot()
	want := known(e, before.States)
	if len(want) != 6*len(f.domains) {
		t.Fatalf("%d records", len(want))
	}
	names, fresh := f.names()
	for range 3 {
		e.gather(names, true, fresh)
		e.touch()
		if diff := cmp.Diff(want, known(e, e.Snapshot().States)); diff != "" {
			t.Fatalf("what is known (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(want, known(e, before.States)); diff != "" {
			t.Fatalf("what was looked at before has changed:\n%s", diff)
		}
	}
	if e.Snapshot().States.Get(ill).BlindSince.IsZero() || len(slices.Collect(e.Snapshot().States.Unsettled())) != 1 {
		t.Error("the record in trouble is not")
	}
}

// TestWhatManyHaveStaysShared looks for the policy that all domains have alike.
func TestWhatManyHaveStaysShared(t *testing.T) {
	e, f := sweptFleet(t, 40)
	places := func() (octets, words int) {
		data, saids := map[*byte]bool{}, map[*said]bool{}
		for _, d := range f.domains {
			for _, r := range d.Records {
				if r.Kind != mailrec.TLSRPT {
					continue
				}
				id := RecordID{d.Name, r.Key}
				data[&e.states.baseline(id).Data[0][0]] = true
				for _, w := range e.heard.about(id).words {
					saids[w.said] = true
				}
			}
		}
		return len(data), len(saids)
	}
	octets, words := places()
	if octets > 2 || words > 4 {
		t.Fatalf("%d contents and %d words of one record that all have", octets, words)
	}
	for _, d := range f.domains {
		e.gather([]rrset.Name{d.Name}, false, map[rrset.Name]bool{d.Name: true})
	}
	if o, w := places(); o > octets || w > words {
		t.Errorf("%d contents and %d words, %d and %d before they were gathered", o, w, octets, words)
	}
}

// TestAStageIsGatheredAgainWhenATenthLivesApart changes one domain after the other.
func TestAStageIsGatheredAgainWhenATenthLivesApart(t *testing.T) {
	e, f := sweptFleet(t, 100)
	names, all := f.names()
	apart := func() int {
		n := 0
		for _, name := range names {
			if e.heard.of(name)[0].apart {
				n++
			}
		}
		return n
	}
	e.gather(names, true, all)
	most, again := 0, 0
	for i, name := range names {
		before := apart()
		e.gather(names, true, map[rrset.Name]bool{name: true})
		now := apart()
		if most = max(most, now); now < before {
			again++
		} else if now != before+1 {
			t.Errorf("%d domains live apart after change %d, %d before", now, i, before)
		}
	}
	if most >= len(names)/apartShare || again != apartShare {
		t.Errorf("at most %d of %d domains lived apart, and the stage was gathered again %d times", most, len(names), again)
	}
	v := e.heard.of(names[0])
	if e.gather(names, true, nil); &v[0].voice[0] != &e.heard.of(names[0])[0].voice[0] {
		t.Error("nothing was new, and all was copied")
	}
}

// TestRechecksKeepNoPieces lets a dozen domains be looked at again and again, of which one after the other is settled.
func TestRechecksKeepNoPieces(t *testing.T) {
	e, f := sweptFleet(t, 1012)
	names, all := f.names()
	for stage := range slices.Chunk(names, stageDomains) {
		e.gather(stage, true, all)
	}
	before := heapOf()
	for i := range len(names) - 12 {
		e.gather(names[i:i+12], false, map[rrset.Name]bool{names[i]: true, names[i+1]: true})
	}
	if after := heapOf(); after > 1.6*before {
		t.Errorf("%.1f MB in use, %.1f before the rechecks", after/1e6, before/1e6)
	}
	// The next sweep of all brings them together again, though nothing is new then.
	for stage := range slices.Chunk(names, stageDomains) {
		e.gather(stage, true, nil)
	}
	if after := heapOf(); after > 1.2*before {
		t.Errorf("%.1f MB in use after a sweep, %.1f before the rechecks", after/1e6, before/1e6)
	}
	runtime.KeepAlive(f)
}

// TestAReloadLetsGoOfTheRegistryBefore looks for what still leads into its texts, of which a hundred domains have one.
func TestAReloadLetsGoOfTheRegistryBefore(t *testing.T) {
	presets := testPresets(t)
	f := newFleet(t, 2*fewDomains)
	f.delegate()
	var specs []Spec
	for _, d := range f.domains {
		specs = append(specs, d.Spec)
	}
	load := func() []*Domain {
		domains, problems := ResolveAll(specs, presets)
		if err := errors.Join(problems...); err != nil {
			t.Fatal(err)
		}
		return domains
	}
	settings := testSettings()
	settings.Groups["default"] = Group{Name: "default", Schedule: cron.Every(time.Hour), Resolvers: resolvers(12)}
	f.domains = load()
	e, err := New(t.Context(), Options{Journal: noJournal{}, Presets: presets, Logger: slog.New(slog.DiscardHandler)}, f.memory(t), settings, f.domains)
	if err != nil {
		t.Fatal(err)
	}
	f.sweep(t, e, settings.Groups["default"].Resolvers)
	before := map[*byte]bool{}
	for _, d := range f.domains {
		before[unsafe.StringData(string(d.Name))] = true
		for i := range d.Records {
			before[unsafe.StringData(d.Records[i].Key)], before[unsafe.StringData(string(d.Records[i].Name))] = true, true
		}
	}
	if err := e.Apply(t.Context(), settings, load()); err != nil {
		t.Fatal(err)
	}
	check := func(what, text string) {
		if before[unsafe.StringData(text)] {
			t.Fatalf("%s %q is the registry's that was replaced", what, text)
		}
	}
	for i := range e.heard.parts {
		for name, list := range e.heard.parts[i].domains {
			check("name of voices", string(name))
			for _, v := range list {
				check("key of voices", v.key)
			}
		}
	}
	for name, list := range e.states.domains.all() {
		check("name of states", string(name))
		for i := range list {
			check("key of a state", list[i].record.Key)
		}
	}
	for name, d := range e.stored {
		check("name of what is stored", string(name))
		check("stored name", string(d.Name))
	}
}
