package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/config"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/alertmanager/timeinterval"
	commoncfg "github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
)

const (
	// groupSweep is how often groups that have become empty are let go.
	groupSweep = 30 * time.Second
	// drainTime is what notifications under way get to finish before a reload
	// or a stop cuts them off; cutOffTime is what they get to notice that.
	drainTime  = 3 * time.Second
	cutOffTime = 5 * time.Second
)

// routing is everything that one configuration makes: built whole or not at
// all, started, and stopped when the next one takes over.
type routing struct {
	cfg       *config.Config
	route     *dispatch.Route
	receivers map[string][]notify.Integration
	// watched are the receivers with their outcomes noted; nil until start.
	watched   map[string][]notify.Integration
	intervals *timeinterval.Intervener
	templates *template.Template
	// failingAfter is after how long a receiver counts as failing.
	failingAfter time.Duration

	inhibitor  *inhibit.Inhibitor
	dispatcher *dispatch.Dispatcher
	gate       *gate
	stopDigest context.CancelFunc
	running    sync.WaitGroup
}

// buildRouting does everything that can fail, and nothing that needs undoing.
func buildRouting(c *Config, external *url.URL, log *slog.Logger) (*routing, error) {
	cfg := c.am
	tmpl, err := loadTemplates(cfg.Templates)
	if err != nil {
		return nil, fmt.Errorf("templates: %w", err)
	}
	tmpl.ExternalURL = external
	r := &routing{
		cfg:       cfg,
		route:     dispatch.NewRoute(cfg.Route, nil),
		receivers: make(map[string][]notify.Integration),
		intervals: timeinterval.NewIntervener(intervals(cfg)),
		templates: tmpl, failingAfter: c.failingAfter,
	}
	for _, rc := range cfg.Receivers {
		built, err := receiver.BuildReceiverIntegrations(rc, tmpl, log, commoncfg.WithDialContextFunc(dialPatiently))
		if err != nil {
			return nil, fmt.Errorf("receiver %q: %w", rc.Name, err)
		}
		r.receivers[rc.Name] = built
	}
	return r, nil
}

func intervals(cfg *config.Config) map[string][]timeinterval.TimeInterval {
	out := make(map[string][]timeinterval.TimeInterval)
	for _, t := range cfg.MuteTimeIntervals {
		out[t.Name] = t.TimeIntervals
	}
	for _, t := range cfg.TimeIntervals {
		out[t.Name] = t.TimeIntervals
	}
	return out
}

// start sets the routing to work. It returns once all known alerts are in their
// groups; the inhibitions come first, so that nothing leaves that they hold back.
func (r *routing) start(e *Engine) {
	nothing := eventrecorder.NopRecorder()
	r.inhibitor = inhibit.NewInhibitor(e.alerts, r.cfg.InhibitRules, e.log, nothing)
	p := &pipeline{
		alerts: e.alerts, inhibitor: r.inhibitor, silencer: e.silencer, intervals: r.intervals,
		groups: e.groups, silences: e.silences, journal: e.journal, metrics: e.metrics.notify,
		digest: newDigest(e, r),
	}
	r.watched = e.deliveries.watch(r.receivers)
	r.gate = newGate(p.stage(r.watched))
	r.dispatcher = dispatch.NewDispatcher(e.alerts, r.route, r.gate, e.groups,
		attemptTime, groupSweep, nil, e.log, nothing, e.metrics.dispatch, r.templates)

	r.running.Go(r.inhibitor.Run)
	r.inhibitor.WaitForLoading()
	r.running.Go(func() { r.dispatcher.Run(time.Now()) })
	r.dispatcher.WaitForLoading()
	var ctx context.Context
	ctx, r.stopDigest = context.WithCancel(context.Background())
	r.running.Go(func() { p.digest.run(ctx) })
}

// attemptTime is how long a group may take over its notifications: until its
// next turn, but never less than any receiver needs.
func attemptTime(groupInterval time.Duration) time.Duration {
	return max(groupInterval, notify.MinTimeout)
}

// stop ends the routing and returns when nothing of it sends or logs any more.
func (r *routing) stop() {
	r.gate.close()
	r.gate.wait(drainTime)
	r.stopDigest()
	r.dispatcher.Stop()
	r.gate.wait(cutOffTime)
	r.inhibitor.Stop()
	r.running.Wait()
}

// mutes lets the inhibitions mark an alert in the API's answers.
func (r *routing) mutes(ctx context.Context, labels model.LabelSet) {
	r.inhibitor.Mutes(ctx, labels)
}

// warn says what of the configuration will not do what it seems to say.
func (r *routing) warn(log *slog.Logger, retention time.Duration) {
	r.route.Walk(func(rt *dispatch.Route) {
		o := rt.RouteOpts
		if o.RepeatInterval > retention {
			log.Warn("repeat_interval exceeds retention, alerts repeat after the retention",
				"route", rt.Key(), "repeat_interval", o.RepeatInterval, "retention", retention)
		}
		if o.RepeatInterval < o.GroupInterval {
			log.Warn("repeat_interval is below group_interval, alerts repeat at the group_interval",
				"route", rt.Key(), "repeat_interval", o.RepeatInterval, "group_interval", o.GroupInterval)
		}
	})
}
