package alert

import (
	"context"
	"time"

	"maildrift/monitor"
)

// Putter takes alerts; *Engine is one.
type Putter interface {
	Put(ctx context.Context, alerts ...Alert) error
}

// Notifier hands monitor's incidents to an alert engine in words. It implements
// monitor.Notifier.
type Notifier struct {
	to      Putter
	words   Words
	started time.Time
}

// NewNotifier makes a Notifier. Its watchdog alert is as old as started.
func NewNotifier(to Putter, words Words, started time.Time) *Notifier {
	return &Notifier{to: to, words: words, started: started}
}

// Notify tells all incidents, and that somebody is watching. Hearing the same
// again makes no difference.
func (n *Notifier) Notify(ctx context.Context, incidents []monitor.Incident) error {
	now := time.Now()
	alerts := make([]Alert, 0, len(incidents)+1)
	alerts = append(alerts, n.words.Watchdog(n.started))
	for _, i := range incidents {
		alerts = append(alerts, n.words.Alerts(i, now)...)
	}
	return n.to.Put(ctx, alerts...)
}
