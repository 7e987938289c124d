package pace

import (
	"encoding"
	"testing"
	"time"
)

func TestDecide(t *testing.T) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	at := noon.Add
	steady := Authority{}.Hear(at(-24*time.Hour), 1, 3600)
	holds := Record{Settled: true, Authority: steady}
	with := func(a Authority) Record { return Record{Settled: true, Authority: a} }
	tests := []struct {
		name   string
		record Record
		memory Memory
		want   Reason
		until  time.Time
	}{
		{"its answer stands", holds, Heard(at(-30*time.Minute), 3600), Stands, at(30*time.Minute - time.Second)},
		{"its answer ends in this second", holds, Heard(at(-time.Hour+time.Second), 3600), Ended, time.Time{}},
		{"its answer ends in the next one", holds, Heard(at(-time.Hour+2*time.Second), 3600), Stands, at(time.Second)},
		{"heard in the middle of a second", holds, Heard(at(-time.Hour+1999*time.Millisecond), 3600), Ended, time.Time{}},
		{"an answer for a day stands for six hours", holds, Heard(at(-time.Hour), 86400), Stands, at(5 * time.Hour)},
		{"the next sweep is later than that", holds, Heard(at(-6*time.Hour+10*time.Minute), 86400), LongAgo, time.Time{}},
		{"the next sweep is then", holds, Heard(at(-6*time.Hour+15*time.Minute), 86400), Stands, at(15 * time.Minute)},
		{"nothing heard", holds, Memory{}, NoAnswer, time.Time{}},
		{"heard in the future: the clock was set back", holds, Heard(at(time.Second), 3600), NoAnswer, time.Time{}},
		{"heard in this second", holds, Heard(at(500*time.Millisecond), 3600), Stands, at(time.Hour - time.Second)},
		{"TTL 0", holds, Heard(noon, 0), NoAnswer, time.Time{}},
		{"the TTL of expired answers", holds, Heard(noon, 30), NoAnswer, time.Time{}},
		{"a little more", holds, Heard(noon, 31), Stands, at(30 * time.Second)},
		{"no TTL (RFC 2181)", holds, Heard(noon, 1<<31), NoAnswer, time.Time{}},
		{"a clock before 1970", holds, Heard(time.Unix(-1, 0), 3600), NoAnswer, time.Time{}},
		{"not settled", Record{Authority: steady}, Heard(noon, 3600), Unsettled, time.Time{}},
		{"authority never heard", with(Authority{}), Heard(noon, 3600), Unknown, time.Time{}},
		{"authority silent", with(steady.Silent()), Heard(noon, 3600), Unknown, time.Time{}},
		{"authority changed now", with(steady.Hear(noon, 2, 3600)), Heard(at(-time.Minute), 3600), Changed, time.Time{}},
		{"authority changed and back an hour before the answer", with(steady.Hear(at(-3*time.Hour), 2, 60).Hear(at(-2*time.Hour), 1, 3600)), Heard(at(-time.Hour), 7200), Stands, at(time.Hour - time.Second)},
		{"and a second less", with(steady.Hear(at(-3*time.Hour), 2, 60).Hear(at(-2*time.Hour), 1, 3600)), Heard(at(-time.Hour-time.Second), 7200), Changed, time.Time{}},
		{"what it said meanwhile had a longer TTL", with(steady.Hear(at(-3*time.Hour), 2, 7200).Hear(at(-2*time.Hour), 1, 3600)), Heard(at(-time.Hour), 7200), Changed, time.Time{}},
		{"silent for a while, and said the same since", with(steady.Silent().Hear(at(-2*time.Hour), 1, 3600)), Heard(at(-90*time.Minute), 7200), Changed, time.Time{}},
		{"changed in the middle of a second", with(Authority{}.Hear(at(-10*time.Minute+500*time.Millisecond), 2, 5)), Heard(at(-5*time.Minute+200*time.Millisecond), 3600), Changed, time.Time{}},
		{"a TTL that was lowered before", with(steady.Hear(at(-time.Hour), 1, 300).Silent().Hear(at(-20*time.Minute), 1, 300)), Heard(at(-10*time.Minute), 3600), Stands, at(50*time.Minute - time.Second)},
		{"a short TTL that resolvers raise", with(steady.Hear(at(-5*time.Hour), 1, 5).Silent().Hear(at(-2*time.Minute), 1, 5)), Heard(noon, 300), Changed, time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Sweep{Policy: TTL, Now: noon, Next: at(15 * time.Minute)}.Decide(tt.record, tt.memory)
			if d.Why != tt.want || !d.Until.Equal(tt.until) || d.Ask != (d.Why != Stands) {
				t.Errorf("%s: %+v, want %s until %s", d, d, tt.want, tt.until)
			}
			for _, p := range []Policy{Every, Auto} {
				if d := (Sweep{Policy: p, Now: noon, Next: at(15 * time.Minute)}).Decide(tt.record, tt.memory); !d.Ask || d.Why != EverySweep {
					t.Errorf("under %s: %+v", p, d)
				}
			}
		})
	}
	late := Sweep{Policy: TTL, Now: at(7 * time.Hour), Next: noon}
	if d := late.Decide(holds, Heard(noon, 86400)); d.Why != LongAgo {
		t.Errorf("a sweep that is late: %+v", d)
	}
}

func TestDecisionsAreSaid(t *testing.T) {
	until := time.Date(2026, 3, 14, 12, 30, 0, 0, time.UTC)
	said := map[string]bool{}
	for why := EverySweep; why <= Stands; why++ {
		said[Decision{Ask: why != Stands, Why: why, Until: until}.String()] = true
	}
	if len(said) != int(Stands)+1 || !said["not asked: its last answer stands until 12:30:00 UTC, and the zone's servers say the same since before it"] ||
		!said["asked: it is at least every 6h"] {
		t.Errorf("%v", said)
	}
}

func TestNames(t *testing.T) {
	back := func(name encoding.TextMarshaler, into encoding.TextUnmarshaler) {
		t.Helper()
		text, err := name.MarshalText()
		if err == nil {
			err = into.UnmarshalText(text)
		}
		if err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for p := Every; p <= Auto; p++ {
		var got Policy
		if back(p, &got); got != p {
			t.Errorf("%s is read as %s", p, got)
		}
	}
	for r := EverySweep; r <= Stands; r++ {
		var got Reason
		if back(r, &got); got != r {
			t.Errorf("%s is read as %s", r, got)
		}
	}
	if err := new(Policy).UnmarshalText([]byte("slow")); err == nil || err.Error() != `unknown pace "slow": use every, ttl or auto` {
		t.Error(err)
	}
	if err := new(Reason).UnmarshalText(nil); err == nil {
		t.Error("no reason is no error")
	}
}

// BenchmarkDecide is what sparing a question costs.
func BenchmarkDecide(b *testing.B) {
	noon := time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)
	s := Sweep{Policy: TTL, Now: noon, Next: noon.Add(15 * time.Minute)}
	r := Record{Settled: true, Authority: Authority{}.Hear(noon.Add(-24*time.Hour), 1, 3600)}
	m := Heard(noon.Add(-30*time.Minute), 3600)
	b.ReportAllocs()
	for b.Loop() {
		r.Authority = r.Authority.Hear(noon, 1, 3600)
		if s.Decide(r, m).Ask {
			b.Fatal("asked")
		}
	}
}
