package health_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"maildrift/monitor/health"
	"maildrift/monitor/resolve"
)

func TestReport(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	r := health.New(func() time.Time { return now })
	google := &resolve.Source{ID: "google", Operator: "google"}
	server := &resolve.Source{ID: "ns1.example", Role: resolve.Authoritative}
	ask := func(s *resolve.Source, o resolve.Outcome, tries int, latency time.Duration) {
		r.Observed(resolve.Observation{Source: s, Outcome: o, Tries: tries, Latency: latency})
	}
	if got := r.Report(); len(got) != 0 {
		t.Errorf("before anything was asked: %+v", got)
	}
	ask(google, resolve.Answered, 1, 12*time.Millisecond)
	now = now.Add(2 * time.Hour)
	heard := now
	ask(google, resolve.NXDomain, 2, 30*time.Millisecond)
	ask(google, resolve.ServFail, 1, 4*time.Millisecond)
	ask(server, resolve.Lame, 1, time.Minute)
	now = now.Add(time.Minute)
	ask(google, resolve.Timeout, 3, 3*time.Second)

	ms := time.Millisecond
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	want := []health.Source{
		{
			ID: "google", Last: now, Heard: heard,
			Hour: health.Slot{Start: now.Add(-time.Hour), Asked: 3, Evidence: 1, Lost: 1, Refused: 1, Tries: 6, Median: 5 * ms, P99: 35 * ms},
			Day:  health.Slot{Start: noon, Asked: 4, Evidence: 2, Lost: 1, Refused: 1, Tries: 7, Median: 20 * ms, P99: 35 * ms},
			Slots: []health.Slot{
				{Start: noon, Asked: 1, Evidence: 1, Tries: 1, Median: 20 * ms, P99: 20 * ms},
				{Start: noon.Add(2 * time.Hour), Asked: 3, Evidence: 1, Lost: 1, Refused: 1, Tries: 6, Median: 5 * ms, P99: 35 * ms},
			},
		},
		{
			ID: health.Authority, Last: heard, Heard: heard,
			Hour:  health.Slot{Start: now.Add(-time.Hour), Asked: 1, Tries: 1, Median: 5 * time.Second, P99: 5 * time.Second},
			Day:   health.Slot{Start: heard, Asked: 1, Tries: 1, Median: 5 * time.Second, P99: 5 * time.Second},
			Slots: []health.Slot{{Start: heard, Asked: 1, Tries: 1, Median: 5 * time.Second, P99: 5 * time.Second}},
		},
	}
	if diff := cmp.Diff(want, r.Report(), cmpopts.IgnoreUnexported(health.Slot{})); diff != "" {
		t.Errorf("report (-want +got):\n%s", diff)
	}

	// A day later the ring has come round: what is older is gone, also where a slot was not used again.
	now = noon.Add(24*time.Hour + time.Minute)
	ask(google, resolve.Answered, 1, ms)
	got := r.Report()
	if len(got) != 2 || got[0].Day.Asked != 4 || len(got[0].Slots) != 2 {
		t.Errorf("a day later: %+v", got)
	}
	now = now.Add(48 * time.Hour)
	if got := r.Report(); len(got) != 0 {
		t.Errorf("after two days without a question: %+v", got)
	}
}

// TestWhoIsLeftAloneIsNotCountedAsAsked: what did not go out is no loss.
func TestWhoIsLeftAloneIsNotCountedAsAsked(t *testing.T) {
	now := time.Date(2026, 3, 14, 12, 1, 0, 0, time.UTC)
	r := health.New(func() time.Time { return now })
	google, server := &resolve.Source{ID: "google", Operator: "google"}, &resolve.Source{ID: "ns1.example", Role: resolve.Authoritative}
	asked := now
	r.Observed(resolve.Observation{Source: google, Outcome: resolve.Timeout, Tries: 6})
	now = now.Add(time.Minute)
	alone := now
	for range 3 {
		r.Observed(resolve.Observation{Source: google, Outcome: resolve.Timeout, Withheld: true})
		r.Observed(resolve.Observation{Source: server, Outcome: resolve.Timeout, Withheld: true})
		now = now.Add(time.Minute)
	}
	got := r.Report()
	if len(got) != 2 || !got[0].LeftAlone.Equal(alone) || !got[0].Last.Equal(asked) || got[0].Day.Asked != 1 || got[0].Day.Lost != 1 || got[0].Day.Withheld != 3 || got[0].Withheld != 3 {
		t.Errorf("it is left alone: %+v", got)
	}
	if !got[1].LeftAlone.IsZero() || got[1].Withheld != 0 || got[1].Day.Asked != 0 || got[1].Day.Withheld != 3 {
		t.Errorf("the zones' own servers: %+v", got[1])
	}
	r.Observed(resolve.Observation{Source: google, Outcome: resolve.NXDomain, Tries: 1})
	if got := r.Report(); !got[0].LeftAlone.IsZero() || got[0].Withheld != 0 || got[0].Day.Asked != 2 {
		t.Errorf("it answers again: %+v", got[0])
	}
}

func BenchmarkObserved(b *testing.B) {
	r := health.New(nil)
	o := resolve.Observation{Source: &resolve.Source{ID: "google"}, Outcome: resolve.Answered, Latency: 20 * time.Millisecond, Tries: 1}
	b.ReportAllocs()
	for b.Loop() {
		r.Observed(o)
	}
}
