package alert

import (
	"context"
	"log/slog"
	"sync"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
)

// gate stands before a pipeline and knows how many notifications are under way,
// so that a reload or a stop can let them finish. One that is cut off between
// the receiver's answer and the journal would be told again.
type gate struct {
	pipeline notify.Stage

	mu     sync.Mutex
	inside int
	shut   bool
	empty  chan struct{} // closed once shut and nobody is inside
}

func newGate(pipeline notify.Stage) *gate {
	return &gate{pipeline: pipeline, empty: make(chan struct{})}
}

// Exec implements notify.Stage.
func (g *gate) Exec(ctx context.Context, l *slog.Logger, alerts ...*amalert.Alert) (context.Context, []*amalert.Alert, error) {
	if !g.enter() {
		// The dispatcher is about to be stopped; its successor will look at
		// this group afresh. To wait keeps it from logging a failure.
		<-ctx.Done()
		return ctx, nil, ctx.Err()
	}
	defer g.leave()
	return g.pipeline.Exec(ctx, l, alerts...)
}

func (g *gate) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.shut {
		return false
	}
	g.inside++
	return true
}

func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inside--
	if g.shut && g.inside == 0 {
		close(g.empty)
	}
}

// close lets nobody else in. It is called once.
func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.shut = true
	if g.inside == 0 {
		close(g.empty)
	}
}

// wait waits until everybody has left, at most for that long.
func (g *gate) wait(atMost time.Duration) {
	t := time.NewTimer(atMost)
	defer t.Stop()
	select {
	case <-g.empty:
	case <-t.C:
	}
}
