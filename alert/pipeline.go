package alert

import (
	"context"
	"errors"
	"log/slog"
	"slices"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/inhibit"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog/nflogpb"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/alertmanager/timeinterval"
)

// pipeline is what the stages on the way from a group to its receiver need.
type pipeline struct {
	alerts    *mem.Alerts
	inhibitor *inhibit.Inhibitor
	silencer  *silence.Silencer
	intervals *timeinterval.Intervener
	groups    marker.GroupMarker
	silences  *silence.Silences
	journal   *journal
	metrics   *notify.Metrics
	digest    *digest
}

// outlet is the end of the pipeline at one receiver.
type outlet struct {
	// ends name its integrations in the journal.
	ends []*nflogpb.Receiver
	send notify.FanoutStage
}

func (p *pipeline) outlet(name string, integrations []notify.Integration) outlet {
	var out outlet
	for i := range integrations {
		end := &nflogpb.Receiver{
			GroupName:   name,
			Integration: integrations[i].Name(),
			Idx:         uint32(integrations[i].Index()), //nolint:gosec // a position in a configured list
		}
		out.ends = append(out.ends, end)
		out.send = append(out.send, notify.MultiStage{
			aboutSelf{name, integrations[i].String()},
			notify.NewDedupStage(&integrations[i], p.journal, end),
			notify.NewRetryStage(integrations[i], name, p.metrics, eventrecorder.NopRecorder()),
			notify.NewSetNotifiesStage(p.journal, end),
		})
	}
	return out
}

// stage builds Alertmanager's pipeline (what notify.PipelineBuilder does, less
// the stages for clusters), with each muting stage wrapped so that it lets
// all-clears through.
func (p *pipeline) stage(receivers map[string][]notify.Integration) notify.RoutingStage {
	out := make(notify.RoutingStage, len(receivers))
	for name, integrations := range receivers {
		to := p.outlet(name, integrations)
		p.digest.outlets[name] = to
		mute := func(s notify.Stage) notify.Stage {
			return &allClear{mute: s, journal: p.journal, receivers: to.ends}
		}
		out[name] = notify.MultiStage{
			upToDate{p.alerts, mute(notify.NewMuteStage(p.inhibitor, p.metrics))},
			mute(notify.NewTimeActiveStage(p.intervals, p.groups, p.metrics)),
			mute(notify.NewTimeMuteStage(p.intervals, p.groups, p.metrics)),
			mute(kindAware{notify.NewMuteStage(p.silencer, p.metrics), p.silences}),
			held{p.digest, name},
			to.send,
		}
	}
	p.metrics.InitializeFor(receivers)
	return out
}

// upToDate is inhibition over alerts as they are now. A group hears of alerts by a channel: when ten thousand end at
// once, and then the one that held them back, it may be looked at while it still believes some to fire that nothing
// holds back any more. They may also end between that look and the inhibitor's, so what it let through is looked at
// again: an alert that fires before and after the inhibitor was asked was held back then by all that ends after it.
type upToDate struct {
	alerts  *mem.Alerts
	inhibit notify.Stage
}

// Exec implements notify.Stage. It asks once more for each time at which alerts have ended meanwhile.
func (s upToDate) Exec(ctx context.Context, l *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	alerts, _ = s.now(alerts)
	for {
		out, kept, err := s.inhibit.Exec(ctx, l, alerts...)
		if err != nil {
			return out, kept, err
		}
		now, ended := s.now(alerts)
		if !ended {
			return out, kept, nil
		}
		if err := ctx.Err(); err != nil {
			return ctx, nil, err
		}
		alerts = now
	}
}

// now gives the alerts as they are now, and reports whether one of them has ended since.
func (s upToDate) now(alerts []*amalert.Alert) (now []*amalert.Alert, ended bool) {
	now = make([]*amalert.Alert, len(alerts))
	for i, a := range alerts {
		if b, err := s.alerts.Get(a.Fingerprint()); err == nil && b.UpdatedAt.After(a.UpdatedAt) {
			ended = ended || b.Resolved() && !a.Resolved()
			a = b
		}
		now[i] = a
	}
	return now, ended
}

// allClear is a muting stage that does not mute the end of an alert that the
// receiver was told of. Alertmanager itself would drop it for good: the
// incident would stay open at the receiver, and the same alert firing once more
// would count as already told, until repeat_interval.
type allClear struct {
	mute      notify.Stage
	journal   *journal
	receivers []*nflogpb.Receiver
}

// Exec implements notify.Stage.
func (s *allClear) Exec(ctx context.Context, l *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	ctx, kept, err := s.mute.Exec(ctx, l, alerts...)
	if err != nil || len(kept) == len(alerts) {
		return ctx, kept, err
	}
	group, ok := notify.GroupKey(ctx)
	if !ok {
		return ctx, nil, errors.New("group key missing")
	}
	kept = slices.Clone(kept)
	for _, a := range alerts {
		if a.Resolved() && !slices.Contains(kept, a) && s.journal.told(s.receivers, group, a) {
			kept = append(kept, a)
		}
	}
	return ctx, kept, nil
}
