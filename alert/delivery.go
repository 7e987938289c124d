package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// sendTimeout bounds one attempt to reach a receiver. Alertmanager alone lets
// an attempt hang until the group's next turn, minutes later.
const sendTimeout = 30 * time.Second

// fairTime is what an attempt must have had for its end by the group's turn to be held against the receiver.
const fairTime = 5 * time.Second

// Delivery is how one integration of a receiver fares: what a page or an alert
// about failing notifications needs to know.
type Delivery struct {
	Receiver     string    // name in the configuration
	Integration  string    // kind and position, "webhook[0]"
	LastSuccess  time.Time // zero: nothing sent since the start
	FailingSince time.Time // first failure after the last success; zero: not failing
	LastError    string    // of the last attempt, without URLs; empty: not failing
	LastAttempt  time.Time // zero: nothing sent since the start
}

// stale is after how long without an attempt a failure says nothing any more: what could not be sent is over, and
// nobody knows whether the next would arrive. Groups try again at their group_interval, far more often.
const stale = longestAsked + 30*time.Minute

// FailingFor says for how long nothing has been delivered although it was tried; 0 if nothing is known to fail.
func (d Delivery) FailingFor(now time.Time) time.Duration {
	if d.FailingSince.IsZero() || now.Sub(d.LastAttempt) > stale {
		return 0
	}
	return max(now.Sub(d.FailingSince), 1)
}

// deliveries collects the outcome of every attempt, over reloads.
type deliveries struct {
	mu sync.Mutex
	by map[string]Delivery
	// rest is until when each integration is left alone that refuses to be asked.
	rest map[string]rest
	// pace is how long its answers and its rests take.
	pace pace
	// notices are what was told to whom.
	notices notices
}

// watch wraps the integrations of a configuration so that their outcomes are
// noted, and forgets integrations that are no longer configured.
func (d *deliveries) watch(receivers map[string][]notify.Integration) map[string][]notify.Integration {
	d.mu.Lock()
	defer d.mu.Unlock()
	known := d.by
	d.by = make(map[string]Delivery)
	d.rest = nil // a configuration may bring the token that was missing
	out := make(map[string][]notify.Integration, len(receivers))
	for name, integrations := range receivers {
		out[name] = make([]notify.Integration, 0, len(integrations))
		for i := range integrations {
			it := &integrations[i]
			w := &watched{Integration: it, receiver: name, key: name + "\xff" + it.String(), to: d}
			out[name] = append(out[name], notify.NewIntegration(w, it, it.Name(), it.Index(), name))
			d.by[w.key] = cmp.Or(known[w.key], Delivery{Receiver: name, Integration: it.String()})
		}
	}
	return out
}

func (d *deliveries) note(key string, err error, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s, ok := d.by[key]
	if !ok {
		return // the end of an attempt that a reload has overtaken
	}
	s.LastAttempt = now
	if err == nil {
		s.LastSuccess, s.FailingSince, s.LastError = now, time.Time{}, ""
	} else {
		if s.FailingSince.IsZero() {
			s.FailingSince = now
		}
		s.LastError = err.Error()
	}
	d.by[key] = s
}

func (d *deliveries) list() []Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]Delivery, 0, len(d.by))
	for _, s := range d.by {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Delivery) int {
		return cmp.Or(cmp.Compare(a.Receiver, b.Receiver), cmp.Compare(a.Integration, b.Integration))
	})
	return out
}

// watched is an integration whose attempts end in time and are noted.
type watched struct {
	*notify.Integration
	receiver, key string
	to            *deliveries
}

// Notify implements notify.Notifier.
func (w *watched) Notify(ctx context.Context, alerts ...*amalert.Alert) (retry bool, err error) {
	if err := w.waitOut(ctx); err != nil {
		return true, err
	}
	began, within := time.Now(), w.to.pace.withDefaults().answer
	attempt, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("no answer within %v", within))
	defer cancel()
	retry, err = w.Integration.Notify(attempt, alerts...)
	now := time.Now()
	if err != nil {
		err = &redacted{err}
	}
	if err != nil && (errors.Is(ctx.Err(), context.Canceled) || ctx.Err() != nil && now.Sub(began) < fairTime) {
		return retry, err // cut off by a stop, a reload or the group's turn: says nothing
	}
	w.to.note(w.key, err, now)
	w.to.notices.note(ctx, w.receiver, w.Integration, alerts, began, now, err)
	refused := w.to.giveRest(w.key, refusalOf(retry, err), now)
	return refused == busy || retry && refused != final, err
}

// waitOut waits until the integration may be asked again. It fails if that is later than the group's next turn.
func (w *watched) waitOut(ctx context.Context) error {
	for ctx.Value(atOnce{}) == nil {
		until, over := w.to.admit(w.key, time.Now())
		if until.IsZero() {
			return nil
		}
		t := time.NewTimer(time.Until(until))
		select {
		case <-t.C:
		case <-over:
		case <-ctx.Done():
			t.Stop()
			return fmt.Errorf("left alone until %s, since it refused what it was told", until.UTC().Format(time.RFC3339))
		}
		t.Stop()
	}
	return nil
}

// redacted is an error whose text is fit for logs: not every integration keeps
// its URL, and with it its token, out of its errors.
type redacted struct{ error }

func (e *redacted) Error() string { return withoutURLs(e.error.Error()) }

// Unwrap lets Alertmanager find the reason of the failure for its metrics.
func (e *redacted) Unwrap() error { return e.error }
