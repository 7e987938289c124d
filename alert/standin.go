package alert

import (
	"context"
	"slices"
	"time"

	"github.com/prometheus/common/model"
)

// inhibitionWithin bounds the wait for the inhibitor to hear of an alert. It takes microseconds; an inhibitor that
// does not hear at all must not keep alerts from being sent.
const inhibitionWithin = time.Second

// standsFor gives labels of an alert that a firing one holds back by our own rules; nil if it holds none back.
func (a Alert) standsFor() model.LabelSet {
	switch level := a.Labels[EscalationLabel]; {
	case !a.EndsAt.IsZero():
		return nil
	case a.Labels[model.AlertNameLabel] == CauseName:
		return model.LabelSet{model.AlertNameLabel: "any", CauseLabel: model.LabelValue(a.Labels[CauseLabel])}
	case slices.Contains(Escalations(), level):
		lower := labelSet(a.Labels)
		delete(lower, EscalationLabel)
		return lower
	}
	return nil
}

// standInsFirst puts firing alerts that hold others back before those, the highest escalation first, and leaves the
// order as it is otherwise. Among ends the highest escalation comes last: else what it held back would fire for a
// moment.
func standInsFirst(alerts []Alert) []Alert {
	rank := func(a Alert) int {
		level := slices.Index(Escalations(), a.Labels[EscalationLabel]) + 1
		switch {
		case !a.EndsAt.IsZero():
			return level
		case a.Labels[model.AlertNameLabel] == CauseName:
			return -len(Escalations()) - 1
		}
		return -level
	}
	out := slices.Clone(alerts)
	slices.SortStableFunc(out, func(a, b Alert) int { return rank(a) - rank(b) })
	return out
}

// awaitInhibition waits until the inhibitor knows of an alert that holds others back. It hears of alerts by a
// channel of its own, and a group with group_wait 0 is looked at in the moment in which it comes to be.
func (r *routing) awaitInhibition(ctx context.Context, a Alert) {
	held := a.standsFor()
	if held == nil {
		return
	}
	for deadline := time.Now().Add(inhibitionWithin); !r.inhibitor.Mutes(ctx, held) && time.Now().Before(deadline); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(100 * time.Microsecond):
		}
	}
}
