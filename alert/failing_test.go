package alert

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

// twoReceivers has "first" as default receiver and "second" for what has second="yes".
func twoReceivers(t *testing.T, first, second *oncall) *Config {
	t.Helper()
	cfg := parse(t, fmt.Sprintf(`
route:
  receiver: first
  group_wait: 20ms
  group_interval: 40ms
  repeat_interval: 1h
  routes: [{receiver: second, matchers: [second="yes"]}]
receivers:
- {name: first, webhook_configs: [{url: %q}]}
- {name: second, webhook_configs: [{url: %q}]}
`, first.URL, second.URL))
	cfg.SetFailingAfter(50 * time.Millisecond)
	return cfg
}

func (o *oncall) answers(status int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.answer = func() int { return status }
}

// tick does what the engine does every now and then.
func (r *running) tick() {
	r.t.Helper()
	if err := r.tellFailing(context.Background(), time.Now()); err != nil {
		r.t.Fatal(err)
	}
}

func TestAFailingDefaultReceiverIsToldByTheOthers(t *testing.T) {
	first, second := newOncall(t), newOncall(t)
	first.answers(http.StatusNotFound)
	e := start(t, Options{}, twoReceivers(t, first, second), firing("a.example"))
	until(t, func() bool { return len(e.Deliveries()) > 0 && e.Deliveries()[0].LastError != "" }, func() string { return "nothing fails" })
	if err := e.tellFailing(t.Context(), e.Deliveries()[0].FailingSince); err != nil {
		t.Fatal(err)
	}
	if got := second.told(); len(got) != 0 {
		t.Errorf("told %q before it has failed for long enough", got)
	}
	time.Sleep(60 * time.Millisecond)
	e.tick()
	second.await(t, "firing: =firing")
	var told Alert
	for _, a := range e.Firing() {
		if a.Labels["alertname"] == FailingName {
			told = a
		}
	}
	if told.Labels["receiver"] != "first" || !strings.Contains(told.Annotations["why"], "404") || strings.Contains(fmt.Sprint(told), first.URL) {
		t.Errorf("told %+v", told)
	}
	if err := e.Undeliverable(); err == nil || !strings.Contains(err.Error(), "receiver first") {
		t.Errorf("undeliverable: %v", err)
	}
	first.answers(http.StatusOK)
	first.await(t, "firing: a.example=firing") // nothing was lost
	e.tick()
	second.await(t, "firing: =firing", "resolved: =resolved")
	first.await(t, "firing: a.example=firing") // and it hears nothing of its own trouble
	if err := e.Undeliverable(); err != nil {
		t.Error(err)
	}
}

func TestAnotherFailingReceiverIsToldByTheDefaultOne(t *testing.T) {
	first, second := newOncall(t), newOncall(t)
	second.answers(http.StatusInternalServerError)
	a := firing("a.example")
	a.Labels["second"] = "yes"
	e := start(t, Options{}, twoReceivers(t, first, second), a)
	until(t, func() bool { return e.Undeliverable() != nil }, func() string { return "nothing fails" })
	time.Sleep(60 * time.Millisecond)
	e.tick()
	first.await(t, "firing: =firing")
}

// TestARestartEndsWhatTheProcessBeforeToldOfReceivers stops while a receiver fails, and starts when it works.
func TestARestartEndsWhatTheProcessBeforeToldOfReceivers(t *testing.T) {
	first, second := newOncall(t), newOncall(t)
	dir, cfg := t.TempDir(), twoReceivers(t, first, second)
	first.answers(http.StatusNotFound)
	e := start(t, Options{Dir: dir}, cfg, firing("a.example"))
	until(t, func() bool { return e.Undeliverable() != nil }, func() string { return "nothing fails" })
	time.Sleep(60 * time.Millisecond)
	e.tick()
	second.await(t, "firing: =firing")
	e.stop()
	first.answers(http.StatusOK)
	e = start(t, Options{Dir: dir}, cfg, firing("a.example"))
	first.await(t, "firing: a.example=firing")
	time.Sleep(60 * time.Millisecond)
	e.tick()
	second.await(t, "firing: =firing", "resolved: =resolved")
}

// TestF102AReceiverThatIsAskedTooOftenIsLeftAlone answers 429, which discord takes for a final no.
func TestF102AReceiverThatIsAskedTooOftenIsLeftAlone(t *testing.T) {
	d := &deliveries{}
	now := time.Now()
	often := refusalOf(false, errors.New("unexpected status code 429: slow down"))
	for _, want := range []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 10 * time.Minute, 10 * time.Minute} {
		d.giveRest("x", often, now)
		if got := d.resting("x").Sub(now); got != want {
			t.Errorf("left alone for %s, want %s", got, want)
		}
	}
	d.giveRest("x", refusalOf(true, errors.New("unexpected status code 500")), now)
	if d.resting("x").IsZero() {
		t.Error("another failure ends the rest")
	}
	d.giveRest("x", refusalOf(false, nil), now)
	if !d.resting("x").IsZero() {
		t.Error("success does not end the rest")
	}
}

func TestAFailureThatNobodyTriesAgainIsForgotten(t *testing.T) {
	now := time.Now()
	d := Delivery{FailingSince: now.Add(-3 * time.Hour), LastAttempt: now.Add(-time.Minute)}
	if d.FailingFor(now) != 3*time.Hour {
		t.Error(d.FailingFor(now))
	}
	if d.LastAttempt = now.Add(-2 * time.Hour); d.FailingFor(now) != 0 {
		t.Error(d.FailingFor(now))
	}
}
