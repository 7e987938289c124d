package pace

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// fleet is what 12 operators have to answer about so many records.
func fleet(records int, interval time.Duration, policy Policy, ttl uint32) Load {
	l := Load{Group: "default", Interval: interval, Policy: policy, TTLs: map[uint32]int{ttl: records}}
	for i := range 12 {
		l.Parties = append(l.Parties, Party{Name: fmt.Sprintf("op%02d", i+1), Questions: records, Fixed: 3, Rate: 20})
	}
	return l
}

func TestEstimate(t *testing.T) {
	tests := []struct {
		name string
		load Load
		pace Policy
		// asked of the slowest in a sweep, a day.
		asked, daily  int
		said, because string
		helps         []string
	}{
		{
			"a few records", fleet(600, 15*time.Minute, Auto, 3600), Every, 603, 57888,
			"a sweep fits into its interval of 15m: 603 questions asked of op01 at 20 a second take 30.2s (3.4 %)",
			"everybody is asked in every sweep: asking resolvers about everything takes 30.2s of an interval of 15m", nil,
		},
		{
			"a fleet that fits with TTL sense only", fleet(60000, 15*time.Minute, Auto, 3600), TTL, 15003, 1440288,
			"a sweep fits into its interval of 15m: 15003 questions asked of op01 at 20 a second take 12m30s (83.4 %)",
			"resolvers are asked when their answers end: asking resolvers about everything takes 50m of an interval of 15m, more than half", nil,
		},
		{
			"the same without", fleet(60000, 15*time.Minute, Every, 3600), Every, 60003, 5760288,
			"a sweep cannot finish in its interval of 15m: 60003 questions asked of op01 at 20 a second take 50m, 3.4 times as long",
			"pace: every is configured",
			[]string{
				"spare resolvers what they can only answer from their caches (asking.pace: ttl): then a sweep takes 12m30s",
				"allow 67 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for op01, op02, op03 and 9 more, if they put up with it",
				"sweep every 1h (schedules): then a sweep takes 50m",
				"ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: 67 or more, resolvers.groups, schedules)",
			},
		},
		{
			"a large fleet", fleet(600000, 15*time.Minute, Auto, 3600), TTL, 150003, 14400288,
			"a sweep cannot finish in its interval of 15m: 150003 questions asked of op01 at 20 a second take 2h5m, 8.4 times as long",
			"resolvers are asked when their answers end: asking resolvers about everything takes 8h20m of an interval of 15m, more than half",
			[]string{
				"allow 167 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for op01, op02, op03 and 9 more, if they put up with it",
				"sweep every 12h (schedules): then a sweep takes 8h20m",
				"ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: 167 or more, resolvers.groups, schedules)",
			},
		},
		{
			"records with a TTL of five minutes", fleet(60000, 15*time.Minute, TTL, 300), TTL, 60003, 5760288,
			"a sweep cannot finish in its interval of 15m: 60003 questions asked of op01 at 20 a second take 50m, 3.4 times as long",
			"pace: ttl is configured",
			[]string{
				"publish the records with a TTL of 1h or more: then a sweep takes 12m30s",
				"allow 67 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for op01, op02, op03 and 9 more, if they put up with it",
				"sweep every 1h (schedules): then a sweep takes 50m",
				"ask two or more resolvers of your own, which nobody limits, about most domains (resolvers.list with rate: 67 or more, resolvers.groups, schedules)",
			},
		},
		{
			"one server for all zones", Load{Interval: time.Minute, Policy: Auto, Parties: []Party{{Name: "ns1", Fixed: 2400, Rate: 20}, {Name: "op01", Questions: 100, Rate: 10}}},
			Every, 2400, 3456000,
			"a sweep cannot finish in its interval of 1m: 2400 questions asked of ns1 at 20 a second take 2m, 2 times as long",
			"everybody is asked in every sweep: asking resolvers about everything takes 10s of an interval of 1m",
			[]string{
				"allow 40 questions a second instead of 20 (rate in resolvers.list, or asking.rate for those that name none) for ns1, if they put up with it",
				"sweep every 2m (schedules): then a sweep takes 2m",
			},
		},
		{
			"a question in twenty seconds", Load{Interval: time.Minute, Policy: Every, Parties: []Party{{Name: "ns1", Fixed: 4, Rate: 0.05}}}, Every, 4, 5760,
			"a sweep cannot finish in its interval of 1m: 4 questions asked of ns1 at 0.05 a second take 1m20s, 1.4 times as long",
			"pace: every is configured",
			[]string{
				"allow 1 question a second instead of 0.05 (rate in resolvers.list, or asking.rate for those that name none) for ns1, if they put up with it",
				"sweep every 2m (schedules): then a sweep takes 1m20s",
			},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := tt.load.Estimate()
			slowest := e.Duties[0]
			if e.Pace != tt.pace || slowest.Asked != tt.asked || slowest.Daily != tt.daily || e.Takes != slowest.Takes {
				t.Errorf("%s: %+v", e.Pace, slowest)
			}
			if e.String() != tt.said || e.Reason() != tt.because {
				t.Errorf("said\n%s\n%s\nwant\n%s\n%s", e, e.Reason(), tt.said, tt.because)
			}
			if got, want := strings.Join(e.Helps(), "\n"), strings.Join(tt.helps, "\n"); got != want {
				t.Errorf("what helps:\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestEstimateWithoutLimits(t *testing.T) {
	if e := (Load{Interval: time.Minute}).Estimate(); !e.Fits() || e.String() != "nobody is to be asked" {
		t.Errorf("nobody to ask: %s", e)
	}
	if e := (Load{Interval: time.Minute, Parties: []Party{{Name: "mine", Questions: 1_000_000}}}).Estimate(); !e.Fits() || e.Takes != 0 {
		t.Errorf("no limit: %s", e)
	}
	if e := fleet(1_000_000, 0, Auto, 3600).Estimate(); !e.Fits() || e.Pace != Every || e.Duties[0].Daily != 0 {
		t.Errorf("a sweep that is the only one: %s", e)
	}
}

// TestHelpsHelp follows what is proposed.
func TestHelpsHelp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := rapid.SampledFrom([]uint32{0, 300, 3600, 86400}).Draw(t, "ttl")
		l := fleet(rapid.IntRange(1, 1_000_000).Draw(t, "records"), time.Duration(rapid.IntRange(1, 60).Draw(t, "minutes"))*time.Minute, Policy(rapid.IntRange(0, 2).Draw(t, "policy")), ttl)
		e := l.Estimate()
		if e.Fits() {
			if e.Helps() != nil {
				t.Fatalf("%s and yet %v", e, e.Helps())
			}
			return
		}
		for i := range l.Parties {
			l.Parties[i].Rate = e.Duties[0].RateToFit(l.Interval)
		}
		if faster := l.Estimate(); faster.Asked == e.Asked && !faster.Fits() {
			t.Fatalf("%s, and with rate %v %s", e, l.Parties[0].Rate, faster)
		}
	})
}

func TestPeriod(t *testing.T) {
	for _, tt := range []struct {
		interval time.Duration
		ttl      uint32
		want     int
	}{
		{15 * time.Minute, 3600, 4}, {15 * time.Minute, 900, 1}, {15 * time.Minute, 901, 1}, {15 * time.Minute, 902, 2}, {15 * time.Minute, 86400, 24},
		{5 * time.Minute, 3600, 12}, {time.Minute, 30, 1}, {10 * time.Second, 30, 1}, {10 * time.Second, 61, 6}, {time.Hour, 7 * 3600, 3}, {time.Hour, 0, 1},
		{7 * time.Hour, 86400, 1}, {0, 3600, 1}, {time.Minute, 1 << 31, 1},
	} {
		if got := Period(tt.interval, tt.ttl); got != tt.want {
			t.Errorf("a TTL of %d is asked each %d sweeps of %s, want %d", tt.ttl, got, tt.interval, tt.want)
		}
	}
	if s := Share(15*time.Minute, map[uint32]int{3600: 1, 300: 1}); s != 0.625 {
		t.Errorf("share %v", s)
	}
}

// TestPeriodIsWhatDecideDoes lets a cache that only we fill run under the policy. Who asks in the last second before an answer ends has to
// ask again, and periods are whole sweeps: the estimate is right but for a factor of two.
func TestPeriodIsWhatDecideDoes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ttl := rapid.OneOf(rapid.Int64Range(0, 200), rapid.Int64Range(0, 100_000)).Draw(t, "ttl")
		w := quiet()
		w.zone.changes[0].ttl, w.resolvers = ttl, w.resolvers[:1]
		w.interval, w.jitter = rapid.Int64Range(60, 7200).Draw(t, "interval")*second, []int64{0}
		period := Period(time.Duration(w.interval)*time.Millisecond, uint32(ttl))
		window := int(Longest.Milliseconds()/w.interval) + 2
		w.sweeps = window
		before := w.under(TTL).questions
		w.sweeps = window + 20*period
		if got := w.under(TTL).questions - before; got < 10 || got > 41 {
			t.Fatalf("%d questions in 20 periods of %d sweeps", got, period)
		}
	})
}

func TestTogether(t *testing.T) {
	both := Together(fleet(6000, 15*time.Minute, Every, 0).Estimate(), fleet(6000, 10*time.Minute, Every, 0).Estimate())
	if len(both) != 12 || both[0].Name != "op01" || both[0].Daily != 6003*(96+144) || math.Abs(both[0].Of-6003.0/20/900-6003.0/20/600) > 1e-9 {
		t.Errorf("%+v", both[0])
	}
}

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0s", 12 * time.Millisecond: "12ms", 1234 * time.Millisecond: "1.2s", 60 * time.Second: "1m", 90 * time.Second: "1m30s",
		59*time.Minute + 59900*time.Millisecond: "1h", 8*time.Hour + 20*time.Minute: "8h20m", 26*time.Hour + 20*time.Minute: "1d2h", 48 * time.Hour: "2d",
		23*time.Hour + 40*time.Minute: "23h40m", 59970 * time.Millisecond: "1m",
	} {
		if got := Span(d); got != want {
			t.Errorf("%v is said as %s, want %s", d, got, want)
		}
	}
}

func TestRhythm(t *testing.T) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	every := func(d time.Duration) func(time.Time) time.Time {
		return func(at time.Time) time.Time { return at.Truncate(d).Add(d) }
	}
	twice := func(at time.Time) time.Time { // at 8 and at 9
		at = at.Add(time.Hour).Truncate(time.Hour)
		for at.Hour() != 8 && at.Hour() != 9 {
			at = at.Add(time.Hour)
		}
		return at
	}
	for name, tt := range map[string]struct {
		next     func(time.Time) time.Time
		shortest time.Duration
		daily    float64
	}{
		"each quarter": {every(15 * time.Minute), 15 * time.Minute, 96}, "very often": {every(10 * time.Millisecond), 10 * time.Millisecond, 8_640_000},
		"twice a morning": {twice, time.Hour, 2}, "never": {func(time.Time) time.Time { return time.Time{} }, 0, 0},
		"rarely": {every(1000 * 24 * time.Hour), 1000 * 24 * time.Hour, 0.001},
	} {
		shortest, daily := Rhythm(tt.next, noon)
		if shortest != tt.shortest || math.Abs(daily-tt.daily) > tt.daily/100 {
			t.Errorf("%s: %s, %v a day; want %s, %v", name, shortest, daily, tt.shortest, tt.daily)
		}
	}
}
