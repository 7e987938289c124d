package alert

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config"
	amcommon "github.com/prometheus/alertmanager/config/common"
	"github.com/prometheus/alertmanager/pkg/labels"
	"github.com/prometheus/common/model"
)

const (
	// FailingName is the alertname of the alert about a receiver that cannot be told.
	FailingName = "NotifierFailing"
	// failingTick is how often it is looked which receivers fail.
	failingTick = 15 * time.Second
	// DefaultFailingAfter is after how long without a delivery a receiver counts as failing.
	DefaultFailingAfter = 10 * time.Minute
)

// SetFailingAfter says after how long without a delivery, though it was tried, NotifierFailing fires. It is called
// before the configuration is used.
func (c *Config) SetFailingAfter(d time.Duration) { c.failingAfter = d }

// watchDeliveries fires and ends NotifierFailing until ctx ends.
func (e *Engine) watchDeliveries(stop <-chan struct{}) {
	tick := time.NewTicker(failingTick)
	defer tick.Stop()
	for {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if err := e.tellFailing(context.Background(), time.Now()); err != nil {
			e.log.Error("failing receivers cannot be told of", "err", err)
		}
	}
}

// tellFailing puts an alert about each integration that fails, and ends those about others.
func (e *Engine) tellFailing(ctx context.Context, now time.Time) error {
	r := e.current.Load()
	if r == nil {
		return nil
	}
	failing := map[string]bool{}
	var alerts []Alert
	for _, d := range e.Deliveries() {
		if d.FailingFor(now) < r.failingAfter {
			continue
		}
		a := e.failingAlert(d)
		failing[a.Labels["receiver"]+a.Labels["integration"]] = true
		alerts = append(alerts, a)
	}
	alerts = append(alerts, e.forgotten(r, failing, now)...)
	for _, a := range e.Firing() {
		if a.Labels[model.AlertNameLabel] == FailingName && !failing[a.Labels["receiver"]+a.Labels["integration"]] {
			a.EndsAt = now
			alerts = append(alerts, a)
		}
	}
	if len(alerts) == 0 {
		return nil
	}
	return e.Put(ctx, alerts...)
}

// forgotten gives, once some time after the start, the ends of alerts that the process before this may have fired: of
// all integrations that do not fail now. Nobody is told who was not told that they fire.
func (e *Engine) forgotten(r *routing, failing map[string]bool, now time.Time) []Alert {
	if e.recalled || now.Sub(e.began) < r.failingAfter {
		return nil
	}
	e.recalled = true
	var out []Alert
	for _, d := range e.Deliveries() {
		a := e.failingAlert(d)
		if a.StartsAt, a.EndsAt = e.began, now; !failing[d.Receiver+d.Integration] {
			out = append(out, a)
		}
	}
	return out
}

func (e *Engine) failingAlert(d Delivery) Alert {
	a := failingAlert(d)
	a.GeneratorURL = strings.TrimSuffix(e.external.String(), "/alertmanager") + "/"
	return a
}

// failingAlert tells of an integration that cannot be told anything.
func failingAlert(d Delivery) Alert {
	summary := fmt.Sprintf("Alerts do not reach receiver %s (%s)", d.Receiver, d.Integration)
	since := d.FailingSince.UTC().Format("2006-01-02 15:04:05 UTC")
	do := fmt.Sprintf("Look at the receiver's address, token and status, then try it: maildrift alert test %s", d.Receiver)
	return Alert{
		Labels: map[string]string{
			model.AlertNameLabel: FailingName, "severity": "critical", "receiver": d.Receiver, "integration": d.Integration,
		},
		Annotations: map[string]string{
			"summary": summary, "since": since, "why": d.LastError, "do": do,
			"description": fmt.Sprintf("%s\nSince: %s\nLast error: %s\nWhat is lost: nothing; what is due is tried again until it arrives, by then as it is.\nDo: %s\n", summary, since, d.LastError, do),
		},
		StartsAt: d.FailingSince,
	}
}

// passing is for how long a failure may be one that passes: what is tried again within a minute is not undeliverable.
const passing = 2 * time.Minute

// Undeliverable says which receiver cannot be told anything: all of its integrations have failed for some minutes. It is
// nil if every receiver can, as far as is known.
func (e *Engine) Undeliverable() error {
	now := time.Now()
	grace := passing
	if r := e.current.Load(); r != nil {
		grace = min(grace, r.failingAfter)
	}
	works, fails := map[string]bool{}, map[string]string{}
	for _, d := range e.Deliveries() {
		if d.FailingFor(now) < grace {
			works[d.Receiver] = true
		} else {
			fails[d.Receiver] = d.LastError
		}
	}
	for receiver, why := range fails {
		if !works[receiver] {
			return fmt.Errorf("alerts do not reach receiver %s: %s", receiver, why)
		}
	}
	return nil
}

// aboutSelf is the stage that spares an integration the news that it cannot be reached.
type aboutSelf struct{ receiver, integration string }

// Exec implements notify.Stage.
func (s aboutSelf) Exec(ctx context.Context, _ *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	kept := slices.DeleteFunc(slices.Clone(alerts), func(a *amalert.Alert) bool {
		return a.Name() == FailingName && string(a.Labels["receiver"]) == s.receiver && string(a.Labels["integration"]) == s.integration
	})
	return ctx, kept, nil
}

// routeAround adds routes by which all other receivers hear of it when the one that alerts go to by default cannot
// be told. Of others' failures it hears by itself.
func routeAround(c *config.Config) {
	top := c.Route.Receiver
	about := func(name, value string) *labels.Matcher {
		return &labels.Matcher{Type: labels.MatchEqual, Name: name, Value: value}
	}
	var routes []*config.Route
	for _, r := range c.Receivers {
		if r.Name == top || r.Name == nowhere {
			continue
		}
		routes = append(routes, &config.Route{
			Receiver: r.Name, Continue: true,
			Matchers: amcommon.Matchers{about(model.AlertNameLabel, FailingName), about("receiver", top)},
		})
	}
	if len(routes) == 0 {
		return
	}
	// Each of them goes on to the next; the last route in the list takes the alert to the default receiver, whose other
	// integrations may work.
	routes = append(routes, &config.Route{
		Receiver: top,
		Matchers: amcommon.Matchers{about(model.AlertNameLabel, FailingName), about("receiver", top)},
	})
	c.Route.Routes = append(routes, c.Route.Routes...)
}
