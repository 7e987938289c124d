package alert

import (
	"context"
	"log/slog"
	"slices"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/common/model"
)

// EpisodeAnnotation is the annotation that says since when a record has been wrong in one way or another, on an alert
// that took the place of one about another kind of wrong: RFC 3339.
const EpisodeAnnotation = "episode"

// kindAware is the silencing stage. A silence that somebody made while a record was gone is about that; it does not
// cover that a stranger's value stands there later, however widely it is written. One that was made before anything
// was wrong, for planned work, covers whatever comes.
type kindAware struct {
	mute     notify.Stage
	silences *silence.Silences
}

// Exec implements notify.Stage.
func (s kindAware) Exec(ctx context.Context, l *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	ctx, kept, err := s.mute.Exec(ctx, l, alerts...)
	if err != nil || len(kept) == len(alerts) {
		return ctx, kept, err
	}
	kept = slices.Clone(kept)
	for _, a := range alerts {
		if !slices.Contains(kept, a) && outgrown(ctx, s.silences, a) {
			kept = append(kept, a)
		}
	}
	return ctx, kept, nil
}

// outgrown says whether all silences that match a firing alert were made for what was wrong before it.
func outgrown(ctx context.Context, silences *silence.Silences, a *amalert.Alert) bool {
	since, err := time.Parse(time.RFC3339Nano, string(a.Annotations[model.LabelName(EpisodeAnnotation)]))
	if err != nil || a.Resolved() {
		return false
	}
	matching, _, err := silences.Query(ctx, silence.QState(silence.SilenceStateActive), silence.QMatches(a.Labels))
	if err != nil || len(matching) == 0 {
		return false
	}
	for _, s := range matching {
		if made := s.StartsAt.AsTime(); made.Before(since) || !made.Before(a.StartsAt) {
			return false
		}
	}
	return true
}
