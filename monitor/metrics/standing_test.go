package metrics

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/resolve"
)

// recordsWithSeries gives the domains that have a series, in the order of the text.
func recordsWithSeries(t *testing.T, snap *monitor.Snapshot, limit int) (domains []string, dropped float64) {
	t.Helper()
	reg := prometheus.NewRegistry()
	m := New(reg, func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: limit})
	families := parse(t, scrape(t, m.Gatherer(reg)))
	for _, m := range families["maildrift_record_state"].GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "domain" {
				domains = append(domains, l.GetValue())
			}
		}
	}
	return domains, families["maildrift_record_series_dropped"].GetMetric()[0].GetGauge().GetValue()
}

func TestRecordsInTroubleHaveSeriesFirst(t *testing.T) {
	snap := fleet(holding, holding, missing, pending, holding)
	for _, row := range []struct {
		name    string
		limit   int
		want    []string
		dropped float64
	}{
		{"room for all", 9, []string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"}, 0},
		{"room for exactly all", 5, []string{"d0.example", "d1.example", "d2.example", "d3.example", "d4.example"}, 0},
		{"room for those in trouble and one more", 3, []string{"d0.example", "d2.example", "d3.example"}, 2},
		{"room for one", 1, []string{"d2.example"}, 4},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, dropped := recordsWithSeries(t, snap, row.limit)
			if !slices.Equal(got, row.want) || dropped != row.dropped {
				t.Errorf("series for %v, %v left out; want %v, %v", got, dropped, row.want, row.dropped)
			}
		})
	}
}

// TestF137LabelsAreConfiguredAndUTF8 is about names that a configuration file can hold:
// one label that is not UTF-8 would make Prometheus refuse the whole scrape.
func TestF137LabelsAreConfiguredAndUTF8(t *testing.T) {
	bad := holding
	bad.ID = monitor.RecordID{Domain: "d.example", Key: "txt:\xff\n\u202e"}
	other := holding
	other.ID = monitor.RecordID{Domain: "d.example", Key: "txt:\xfe\n\u202e"}
	snap := fleet(bad, other)
	snap.NextSweep["\xc3\x28"] = time.Unix(1, 0)
	reg := prometheus.NewRegistry()
	m := New(reg, func() *monitor.Snapshot { return snap }, Options{PerRecordLimit: 9, Version: "\xff"})
	m.Swept(monitor.SweepSummary{Group: "\xc3\x28"})
	text := scrape(t, m.Gatherer(reg))
	for _, want := range []string{`record="txt:\\xff\\x0a\\u{202e}"`, `record="txt:\\xfe\\x0a\\u{202e}"`, `group="\\xc3("`} {
		if !strings.Contains(text, want) {
			t.Errorf("no label %s in\n%s", want, text)
		}
	}
}

func TestHowFarAChangeHasCome(t *testing.T) {
	vote := func(operator string, s judge.Stand) monitor.SourceVote {
		return monitor.SourceVote{Operator: resolve.Operator(operator), Stand: s}
	}
	authorities := monitor.SourceVote{Authority: true, Stand: judge.Absent}
	told := missing
	told.Incident = &monitor.Incident{Facts: monitor.Facts{Decision: judge.Decision{Heard: 4, Wrong: 3}}}
	recovering := missing
	recovering.Stage = judge.Recovering
	for _, row := range []struct {
		name     string
		state    monitor.RecordState
		votes    []monitor.SourceVote
		want     float64
		changing bool
	}{
		{"a record that holds does not change", holding, []monitor.SourceVote{vote("a", judge.Absent)}, 0, false},
		{"a pending record nobody was asked about", pending, nil, 0, true},
		{"a pending record that one of two sees", pending, []monitor.SourceVote{vote("a", judge.Good), vote("b", judge.Absent)}, 0.5, true},
		{"who failed does not count", pending, []monitor.SourceVote{vote("a", judge.Good), vote("b", judge.Unheard)}, 1, true},
		{"two addresses of one operator are one, the worse", pending,
			[]monitor.SourceVote{vote("a", judge.Good), vote("a", judge.Absent), vote("b", judge.Good)}, 0.5, true},
		{"a loss that one of four sees", missing,
			[]monitor.SourceVote{vote("a", judge.Absent), vote("b", judge.Good), vote("c", judge.Good), vote("d", judge.Good)}, 0.25, true},
		{"the zone's own servers are not receivers", missing, []monitor.SourceVote{authorities, vote("a", judge.Good)}, 0, true},
		{"a loss that nobody was asked about", missing, nil, 0, false},
		{"a loss known from before the restart", told, nil, 0.75, true},
		{"a recovery that one of two sees", recovering, []monitor.SourceVote{vote("a", judge.Good), vote("b", judge.Absent)}, 0.5, true},
		{"a recovery that all see", recovering, []monitor.SourceVote{vote("a", judge.Good)}, 1, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			got, changing := propagation(&row.state, monitor.NewVotes(map[monitor.RecordID][]monitor.SourceVote{{}: row.votes}))
			if got != row.want || changing != row.changing {
				t.Errorf("%v, %v; want %v, %v", got, changing, row.want, row.changing)
			}
		})
	}
}

func TestABlindGroupAndAClosedGateShow(t *testing.T) {
	snap := fleet(holding)
	snap.Self.BlindGroups = map[string]string{"default": "every resolver gave the same forged answer"}
	snap.Self.GateSince = time.Unix(1, 0)
	blind := *snap.States.Get(monitor.RecordID{Domain: "d0.example", Key: "spf"})
	blind.BlindSince = time.Unix(1, 0)
	snap.States = snap.States.With(&blind)
	reg := prometheus.NewRegistry()
	New(reg, func() *monitor.Snapshot { return snap }, Options{})
	text := scrape(t, reg)
	for _, want := range []string{"maildrift_group_blind{group=\"default\"} 1\n", "maildrift_gate_closed 1\n", "maildrift_records_blind 1\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no line %s", want)
		}
	}
	if strings.Contains(text, "forged") {
		t.Error("a reason has become part of the metrics")
	}
}

func TestTypeHasWords(t *testing.T) {
	for _, want := range []Type{Counter, Gauge, Histogram} {
		b, err := want.MarshalText()
		var got Type
		if err != nil || got.UnmarshalText(b) != nil || got != want {
			t.Errorf("%q became %v", b, got)
		}
	}
	var ty Type
	if err := ty.UnmarshalText([]byte("summary")); err == nil {
		t.Error("summary was taken")
	}
}

func labelNames(m *dto.Metric) []string {
	var names []string
	for _, l := range m.GetLabel() {
		names = append(names, l.GetName())
	}
	return sorted(names)
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }
