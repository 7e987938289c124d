package monitor

import (
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"
	"time"

	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/pace"
	"maildrift/monitor/rrset"
)

// livingAt gives a table of verified states: each of so many domains has its records, one a name, in a zone with servers.
func livingAt(domains, records int, servers func(domain int) []rrset.Name) (*stateTable, []*Domain) {
	table := newStateTable(States{})
	var all []*Domain
	for i := range domains {
		d := &Domain{Name: rrset.Name(fmt.Sprintf("d%06d.test", i))}
		for r := range records {
			d.Records = append(d.Records, Record{
				Key: fmt.Sprintf("r%d", r), Name: rrset.Name(fmt.Sprintf("n%d.%s", r, d.Name)), Expectation: mailrec.Expectation{Kind: mailrec.TXT},
			})
		}
		for r := range d.Records {
			s := &RecordState{ID: RecordID{d.Name, d.Records[r].Key}, Name: d.Records[r].Name, Expectation: d.Records[r].Expectation, OldTTL: 3600}
			s.Phase, s.Verdict, s.Zone, s.Servers = judge.Verified, judge.Holding, d.Name, servers(i)
			table.put(s, &d.Records[r])
		}
		all = append(all, d)
	}
	return table, all
}

func TestServersAreCountedByQuestions(t *testing.T) {
	table, domains := livingAt(3, 2, func(i int) []rrset.Name {
		return []rrset.Name{"ns1.host.test", rrset.Name(fmt.Sprintf("ns.d%d.test", i))}
	})
	alike := domains[0].Records[0]
	alike.Key = "again"
	suspected := &RecordState{ID: RecordID{domains[1].Name, "suspected"}, Name: "else.test", Servers: []rrset.Name{"ns2.host.test"}}
	suspected.Suspicion.Sightings = 1
	for _, s := range []*RecordState{
		{ID: RecordID{domains[0].Name, alike.Key}, Name: alike.Name, Expectation: alike.Expectation, Servers: []rrset.Name{"ns1.host.test", "ns.d0.test"}},
		suspected, {ID: RecordID{domains[2].Name, "pending"}, Name: "new.test"},
	} {
		table.put(s, nil)
	}
	got := workload{}
	for _, d := range domains {
		got.count(table.look(), d.Name)
	}
	got.count(table.look(), "unknown.test")
	got.count(States{}, domains[0].Name)
	want := workload{"ns1.host.test": 6, "ns.d0.test": 2, "ns.d1.test": 2, "ns.d2.test": 2, "ns2.host.test": 1}
	if !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestOnlyServersThatMatterAreParties(t *testing.T) {
	fleet := workload{"a.test": 5, "b.test": 5, "evil\x1b.test": 2401, "busy.test": 1201, "just.test": 1200}
	tests := []struct {
		name     string
		all      workload
		interval time.Duration
		want     []pace.Party
	}{
		{"none", workload{}, time.Minute, nil},
		{"all are quick", workload{"b.test": 5, "a.test": 5, "c.test": 4}, time.Minute, []pace.Party{{Name: "a.test", Fixed: 5, Rate: 20}}},
		{"two are not", fleet, time.Minute, []pace.Party{{Name: "busy.test", Fixed: 1201, Rate: 20}, {Name: `evil\x1b.test`, Fixed: 2401, Rate: 20}}},
		{"a sweep that is the only one", fleet, 0, []pace.Party{{Name: `evil\x1b.test`, Fixed: 2401, Rate: 20}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.all.parties(pace.Load{Interval: tt.interval}, 20); !reflect.DeepEqual(got, tt.want) {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}

// TestAServerOfTheWholeFleetIsItsBottleneck: resolvers of one's own are as quick as one likes, and the host of all zones is not.
func TestAServerOfTheWholeFleetIsItsBottleneck(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		settings := testSettings()
		settings.Rate = 0.1
		for _, r := range settings.Groups["default"].Resolvers {
			r.Rate = 1000
		}
		const n = 400
		h := houseWith(t, settings, n, "d%05d.test")
		defer func() { h.stop() }()
		if e := h.engine.Snapshot().Estimates["default"]; !e.Fits() {
			t.Errorf("before it is known where the records live: %s", e)
		}
		h.after(2*time.Hour + 30*time.Minute)
		check := func() {
			t.Helper()
			e := h.engine.Snapshot().Estimates["default"]
			if want := "a sweep cannot finish in its interval of 1h: 400 questions asked of ns1.test at 0.1 a second take 1h7m, 1.2 times as long"; e.String() != want {
				t.Errorf("got  %s\nwant %s", e, want)
			}
		}
		check()
		// One of them is what others' records include, too: its servers are asked once.
		e, d := h.engine, h.configured[0]
		also := &Domain{Name: d.Name, Shared: &Shared{Count: 1}, Records: []Record{{Key: SharedKey, Name: d.Name, Expectation: mailrec.Expectation{Kind: mailrec.SPF}}}}
		for _, party := range e.estimate(e.currentSettings(), settings.Groups["default"], append(h.configured[:n:n], also), time.Now()).Parties {
			if party.Name == "ns1.test" && party.Fixed != n {
				t.Errorf("%d questions for the server", party.Fixed)
			}
		}
		alone := *e.currentSettings()
		alone.AskAuthority, alone.Pace = false, pace.Auto
		if x := e.estimate(&alone, settings.Groups["default"], h.configured, time.Now()); x.Pace != pace.Every || !strings.Contains(x.Reason(), "are not asked") {
			t.Errorf("where nobody vouches for an answer: %s, %s", x.Pace, x.Reason())
		}
		h.stop()
		h.start(settings, h.configured...)
		check() // from the first sweep on: it is remembered
	})
}

// BenchmarkEstimate reckons what a sweep of 100,000 domains with six records each comes to.
func BenchmarkEstimate(b *testing.B) {
	settings := testSettings()
	table, domains := livingAt(100_000, 6, func(i int) []rrset.Name {
		host := fmt.Sprintf("ns%%d.host%d.test", i%2000)
		return []rrset.Name{rrset.Name(fmt.Sprintf(host, 1)), rrset.Name(fmt.Sprintf(host, 2))}
	})
	e := &Engine{states: table, settings: &settings}
	e.Snapshot()
	b.ReportAllocs()
	for b.Loop() {
		e.estimate(&settings, settings.Groups["default"], domains, time.Unix(1_800_000_000, 0))
	}
}
