package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// ErrNoReceiver is that no receiver has that name.
var ErrNoReceiver = errors.New("no receiver")

// TrialLabel marks an alert as a test; its value is "true".
const TrialLabel = "test"

const (
	// trialWithin bounds a trial, repeats included.
	trialWithin = 30 * time.Second
	// trialRepeats is how often a failure is tried again that may pass.
	trialRepeats = 2
)

// Trial is what one integration made of a test.
type Trial struct {
	Receiver, Integration string
	// Err is nil if it took the alert; its text holds no URL.
	Err error
	// Took is the time that it took, repeats included.
	Took time.Duration
}

// Try sends an alert, and then its end, to the integrations of a receiver, or without one to those of the receivers
// that the routes choose, and says what each answers. The way is that of every alert: templates, credentials,
// timeouts. Grouping, silences and inhibition are left out, since they would only put it off. Who is tried counts as
// told in Deliveries. The error is ErrNoReceiver.
func (e *Engine) Try(ctx context.Context, receiver string, a Alert) ([]Trial, error) {
	e.mu.Lock()
	r := e.current.Load()
	if r == nil {
		r = e.next // not running, as in a check of a configuration
	}
	e.mu.Unlock()
	x, err := a.export(time.Now())
	if err != nil {
		return nil, err
	}
	names, err := r.receiversFor(receiver, x.Labels)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, atOnce{}, true), trialWithin)
	defer cancel()
	var out []Trial
	var mu sync.Mutex
	var all sync.WaitGroup
	for _, name := range names {
		for _, it := range r.told(e)[name] {
			all.Go(func() {
				t := try(ctx, name, it, a)
				mu.Lock()
				defer mu.Unlock()
				out = append(out, t)
			})
		}
	}
	all.Wait()
	slices.SortFunc(out, func(a, b Trial) int {
		return strings.Compare(a.Receiver+"\xff"+a.Integration, b.Receiver+"\xff"+b.Integration)
	})
	return out, nil
}

// receiversFor gives the receivers that get a test.
func (r *routing) receiversFor(receiver string, l model.LabelSet) ([]string, error) {
	if receiver != "" {
		if _, ok := r.receivers[receiver]; !ok || receiver == nowhere {
			var known []string
			for name := range r.receivers {
				if name != nowhere {
					known = append(known, name)
				}
			}
			slices.Sort(known)
			return nil, fmt.Errorf("%w %q: the configuration has %s", ErrNoReceiver, receiver, strings.Join(known, ", "))
		}
		return []string{receiver}, nil
	}
	var names []string
	for _, route := range r.route.Match(l) {
		names = append(names, route.RouteOpts.Receiver)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

// told gives the integrations whose outcomes are noted, or plain ones before the routing runs.
func (r *routing) told(e *Engine) map[string][]notify.Integration {
	if r.watched == nil {
		return e.deliveries.watch(r.receivers)
	}
	return r.watched
}

// try sends a test and its end to one integration.
func try(ctx context.Context, receiver string, it notify.Integration, a Alert) Trial {
	began := time.Now()
	out := Trial{Receiver: receiver, Integration: it.String()}
	out.Err = trySend(ctx, receiver, it, a)
	if out.Err == nil && it.SendResolved() {
		a.EndsAt = time.Now()
		if err := trySend(ctx, receiver, it, a); err != nil {
			out.Err = fmt.Errorf("took the alert but not its end: %w", err)
		}
	}
	out.Took = time.Since(began)
	return out
}

func trySend(ctx context.Context, receiver string, it notify.Integration, a Alert) error {
	x, err := a.export(time.Now())
	if err != nil {
		return err
	}
	if a.EndsAt.IsZero() {
		x.EndsAt = time.Time{}
	}
	ctx = notify.WithGroupKey(ctx, `{}/test:{alertname="`+a.Labels[model.AlertNameLabel]+`"}`)
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{model.AlertNameLabel: x.Labels[model.AlertNameLabel]})
	ctx = notify.WithReceiverName(ctx, receiver)
	ctx = notify.WithRepeatInterval(ctx, time.Hour)
	ctx = notify.WithNow(ctx, time.Now())
	for n := 0; ; n++ {
		retry, err := it.Notify(ctx, x)
		if err == nil || !retry || n == trialRepeats {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(time.Second << n):
		}
	}
}
