package main

import (
	"context"

	"maildrift/monitor"
	"maildrift/monitor/resolve"
)

// The points at which the crash test has the daemon killed, in the order in which an alert passes them. What comes after
// (sent, noted as sent) it kills from outside.
const (
	pointBeforeVote     = "before-vote"
	pointAfterVote      = "after-vote"
	pointBeforeCommit   = "before-commit"
	pointAfterCommit    = "after-commit"
	pointBeforeHandOver = "before-hand-over"
	pointAfterHandOver  = "after-hand-over"
)

// mortalAsker, mortalJournal and mortalNotifier pass on what they are given, by way of the points.
type mortalAsker struct{ resolve.Asker }

// Ask implements resolve.Asker.
func (m mortalAsker) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	failpoint(pointBeforeVote)
	m.Asker.Ask(ctx, queries, emit)
	failpoint(pointAfterVote)
}

type mortalJournal struct{ monitor.Journal }

// Commit implements monitor.Journal.
func (m mortalJournal) Commit(ctx context.Context, b monitor.Batch) error {
	failpoint(pointBeforeCommit)
	err := m.Journal.Commit(ctx, b)
	failpoint(pointAfterCommit)
	return err
}

type mortalNotifier struct{ monitor.Notifier }

// Notify implements monitor.Notifier.
func (m mortalNotifier) Notify(ctx context.Context, incidents []monitor.Incident) error {
	failpoint(pointBeforeHandOver)
	err := m.Notifier.Notify(ctx, incidents)
	failpoint(pointAfterHandOver)
	return err
}
