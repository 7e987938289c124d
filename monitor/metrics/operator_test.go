package metrics

import (
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
)

func TestAnsweringIsCountedFromSeveralGoroutines(t *testing.T) {
	m := New(prometheus.NewRegistry(), func() *monitor.Snapshot { return nil }, Options{})
	source := &resolve.Source{ID: "quad9", Operator: "quad9"}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				m.Observed(resolve.Observation{Source: source, Latency: time.Millisecond, Tries: 1})
			}
		})
	}
	all.Wait()
	if got := testutil.ToFloat64(m.lookups.WithLabelValues("quad9", "answer")); got != 800 {
		t.Errorf("%v answers, want 800", got)
	}
}

func TestAResolverWithoutAnOperatorIsItsOwn(t *testing.T) {
	m := New(prometheus.NewRegistry(), func() *monitor.Snapshot { return nil }, Options{})
	m.Observed(resolve.Observation{Source: &resolve.Source{ID: "office"}})
	if got := testutil.ToFloat64(m.lookups.WithLabelValues("office", "answer")); got != 1 {
		t.Errorf("%v answers, want 1", got)
	}
}

// TestEveryOutcomeHasACounter would panic if an outcome were added that the series
// do not know.
func TestEveryOutcomeHasACounter(t *testing.T) {
	m := New(prometheus.NewRegistry(), func() *monitor.Snapshot { return nil }, Options{})
	source := &resolve.Source{ID: "x", Operator: "x"}
	for _, o := range resolve.Outcomes() {
		m.Observed(resolve.Observation{Source: source, Outcome: o})
		if got := testutil.ToFloat64(m.lookups.WithLabelValues("x", o.String())); got != 1 {
			t.Errorf("%s was counted %v times", o, got)
		}
	}
}

func BenchmarkObserved(b *testing.B) {
	m := New(prometheus.NewRegistry(), func() *monitor.Snapshot { return nil }, Options{})
	o := resolve.Observation{Source: &resolve.Source{ID: "quad9", Operator: "quad9"}, Latency: time.Millisecond, Tries: 1}
	b.ReportAllocs()
	for b.Loop() {
		m.Observed(o)
	}
}
