package alert

import (
	"fmt"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/common/model"
)

// farEnd is how far ahead the end of a firing alert is set inside Alertmanager,
// which knows no alert without an end: it resolves what nobody renews in time.
// Here the absence of news is never good news, so the end lies where no slow
// sweep, stuck store or suspended machine reaches it. An alert leaves by being
// Put with an end, and in no other way.
const farEnd = 10 * 365 * 24 * time.Hour

// Alert is one thing that is wrong, or was. Its identity is its Labels alone:
// annotations and times may change without anybody being paged again.
type Alert struct {
	// Labels identify the alert and route it. "alertname" belongs among them.
	// Labels with an empty value are dropped, as Prometheus does.
	Labels map[string]string
	// Annotations are what people read; they never decide anything.
	Annotations map[string]string
	// StartsAt is when the alert began; zero means now, or, for an alert that
	// is already firing, its known start. Keep it stable over restarts. A new
	// group waits group_wait only for an alert that began less than that ago,
	// so the time at which a change was confirmed serves better here than the
	// time at which it was first suspected.
	StartsAt time.Time
	// EndsAt is when it ended. Zero means that it is firing, for as long as
	// nobody says otherwise.
	EndsAt time.Time
	// GeneratorURL leads to the page about it; may be empty.
	GeneratorURL string
}

// ResolvedAt reports whether the alert has ended at that time.
func (a Alert) ResolvedAt(t time.Time) bool {
	return !a.EndsAt.IsZero() && !a.EndsAt.After(t)
}

// export turns a into Alertmanager's form, stamped with the time of its Put.
func (a Alert) export(now time.Time) (*amalert.Alert, error) {
	out := &amalert.Alert{
		Alert: model.Alert{
			Labels:       labelSet(a.Labels),
			Annotations:  labelSet(a.Annotations),
			StartsAt:     a.StartsAt,
			EndsAt:       a.EndsAt,
			GeneratorURL: a.GeneratorURL,
		},
		UpdatedAt: now,
	}
	if out.StartsAt.IsZero() {
		out.StartsAt = now
		if a.ResolvedAt(now) {
			out.StartsAt = a.EndsAt
		}
	}
	if out.EndsAt.IsZero() {
		out.EndsAt = now.Add(farEnd)
		// A start in the future is a stepped clock, not a reason to refuse.
		if out.EndsAt.Before(out.StartsAt) {
			out.EndsAt = out.StartsAt.Add(farEnd)
		}
	}
	// An end before the start is a clock that was set back in between: the end counts.
	if out.EndsAt.Before(out.StartsAt) {
		out.EndsAt = out.StartsAt
	}
	if err := out.Validate(); err != nil {
		return nil, fmt.Errorf("alert %q: %w", a.Labels[model.AlertNameLabel], err)
	}
	return out, nil
}

// imported is the way back, for readers: an end in the future is no end.
func imported(a *amalert.Alert, now time.Time) Alert {
	out := Alert{
		Labels:       stringMap(a.Labels),
		Annotations:  stringMap(a.Annotations),
		StartsAt:     a.StartsAt,
		GeneratorURL: a.GeneratorURL,
	}
	if a.ResolvedAt(now) {
		out.EndsAt = a.EndsAt
	}
	return out
}

func labelSet(m map[string]string) model.LabelSet {
	out := make(model.LabelSet, len(m))
	for k, v := range m {
		if v != "" {
			out[model.LabelName(k)] = model.LabelValue(v)
		}
	}
	return out
}

func stringMap(s model.LabelSet) map[string]string {
	out := make(map[string]string, len(s))
	for k, v := range s {
		out[string(k)] = string(v)
	}
	return out
}
