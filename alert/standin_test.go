package alert

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"testing"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
)

// of gives an alert of a cause.
func of(name, cause string, n int) Alert {
	a := firing(fmt.Sprintf("d%05d.example", n))
	a.Labels["alertname"], a.Labels["record"], a.Labels[CauseLabel] = name, "dkim:s1", cause
	return a
}

func causeAlert(cause string) Alert {
	a := of(CauseName, cause, 0)
	a.Labels["domain"], a.Labels["record"] = "mail.example", "cause"
	return a
}

func over(a Alert) Alert {
	a.EndsAt = time.Now()
	return a
}

// TestOneCauseIsOnePage puts a cause and what it makes go wrong in one call, over and over: at group_wait 0 nothing
// of the latter may ever slip through.
func TestOneCauseIsOnePage(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, parse(t, fmt.Sprintf(`
route: {receiver: oncall, group_wait: 0s, group_interval: 40ms, repeat_interval: 1h}
receivers:
- name: oncall
  webhook_configs: [{url: %q}]
`, o.URL)))
	for round := range 20 {
		o.forget()
		cause := fmt.Sprintf("target/mail%d.example", round)
		var fire, end []Alert
		for n := range 30 {
			fire = append(fire, of("RecordMissing", cause, n))
		}
		fire = append(fire, causeAlert(cause))
		for _, a := range fire {
			end = append(end, over(a))
		}
		e.put(fire...)
		o.await(t, "firing: mail.example=firing")
		e.put(end...)
		o.await(t, "firing: mail.example=firing", "resolved: mail.example=resolved")
	}
}

func TestWhatOutlivesItsCauseIsToldThen(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	child := of("RecordMissing", "zone/a.example", 1)
	e.put(child, causeAlert("zone/a.example"))
	o.await(t, "firing: mail.example=firing")
	e.put(over(causeAlert("zone/a.example")))
	until(t, func() bool { return len(o.told()) == 3 }, func() string { return fmt.Sprint(o.told()) })
	got := o.told()
	slices.Sort(got) // two groups, each in its own time
	if want := []string{"firing: d00001.example=firing", "firing: mail.example=firing", "resolved: mail.example=resolved"}; !slices.Equal(got, want) {
		t.Errorf("told %q, want %q", got, want)
	}
}

// TestAnEscalationTakesThePlaceOfWhatItEscalates goes through all levels. Each is one message, none of them is an
// all-clear before the end, and at the end all are cleared in one.
func TestAnEscalationTakesThePlaceOfWhatItEscalates(t *testing.T) {
	o := newOncall(t)
	e := start(t, Options{}, swift(t, o, ""))
	level := func(l string) Alert {
		a := firing("a.example")
		a.Labels["record"], a.Labels[EscalationLabel] = "dkim:s1", l
		return a
	}
	var so []Alert
	var want []string
	for _, l := range append([]string{""}, Escalations()...) {
		so = append(so, level(l))
		e.put(so...)
		want = append(want, "firing: a.example=firing")
		o.await(t, want...)
	}
	for i := range so {
		so[i] = over(so[i])
	}
	e.put(so...)
	o.await(t, append(want, "resolved: a.example=resolved a.example=resolved a.example=resolved a.example=resolved")...)
}

// TestTenThousandDomainsOneCause measures what one cause of ten thousand alerts costs.
func TestTenThousandDomainsOneCause(t *testing.T) {
	const domains = 10_000
	o := newOncall(t)
	e := start(t, Options{}, parse(t, fmt.Sprintf(`
route: {receiver: oncall, group_wait: 200ms, group_interval: 1s, repeat_interval: 1h}
receivers:
- name: oncall
  webhook_configs: [{url: %q}]
`, o.URL)))
	alerts := make([]Alert, 0, domains+1)
	for n := range domains {
		alerts = append(alerts, of("RecordMissing", "target/mail.example", n))
	}
	alerts = append(alerts, causeAlert("target/mail.example"))
	before := heap()
	e.put(alerts...)
	o.await(t, "firing: mail.example=firing")
	e.put(alerts...) // as the engine does every minute
	if grown := heap() - before; grown > 150<<20 {
		t.Errorf("ten thousand alerts take %d MiB", grown>>20)
	}
	for i := range alerts {
		alerts[i] = over(alerts[i])
	}
	e.put(alerts...)
	o.await(t, "firing: mail.example=firing", "resolved: mail.example=resolved")
	if left := len(e.Firing()); left != 0 {
		t.Errorf("%d alerts still fire", left)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc) //nolint:gosec // far below
}

func BenchmarkPutTenThousandInhibited(b *testing.B) {
	cfg, err := ParseConfig(nil)
	if err != nil {
		b.Fatal(err)
	}
	e, err := NewEngine(Options{}, cfg)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = e.Close() })
	alerts := []Alert{causeAlert("target/mail.example")}
	for n := range 10_000 {
		alerts = append(alerts, of("RecordMissing", "target/mail.example", n))
	}
	for b.Loop() {
		if err := e.Put(context.Background(), alerts...); err != nil {
			b.Fatal(err)
		}
	}
}

// ending is a stage that lets everything through, and during whose first look an alert ends, as when the cause that held
// it back has just ended, too.
type ending struct {
	looks int
	end   func()
}

func (s *ending) Exec(ctx context.Context, _ *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	if s.looks++; s.looks == 1 {
		s.end()
	}
	return ctx, alerts, nil
}

// TestNothingSlipsThroughBetweenTwoLooks ends an alert after it was looked at and before the inhibitor is asked.
func TestNothingSlipsThroughBetweenTwoLooks(t *testing.T) {
	e := idle(t, Options{})
	child := of("RecordMissing", "target/mail.example", 1)
	put := func(a Alert) {
		if err := e.Put(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	put(child)
	x, err := child.export(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	known, err := e.alerts.Get(x.Fingerprint())
	if err != nil {
		t.Fatal(err)
	}
	look := &ending{end: func() { put(over(child)) }}
	_, kept, err := upToDate{e.alerts, look}.Exec(t.Context(), e.log, known)
	if err != nil || look.looks != 2 || len(kept) != 1 || !kept[0].Resolved() {
		t.Errorf("after %d looks %v, %v: want its end, after two", look.looks, kept, err)
	}
}
