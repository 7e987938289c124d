package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/web"
	"maildrift/monitor/web/wire"
	"maildrift/store"
)

const (
	// pruneEvery is how often what is too old is taken out of the database.
	pruneEvery = time.Hour
	// compactEvery is how long after a compaction, also one that failed, the next may be: what frees that much room again
	// within a day will need it again as well.
	compactEvery = 24 * time.Hour
	// compactAbove is how many bytes a database has at least that is worth it: less is nothing to any disk.
	compactAbove = 64 << 20
)

// keepPruning deletes what is older than it is to be kept, and gives the room back once that is most of the file.
func (d *daemon) keepPruning(ctx context.Context) {
	tick := time.NewTicker(pruneEvery)
	defer tick.Stop()
	var compacted time.Time
	for {
		d.prune(ctx)
		if now := time.Now(); now.Sub(compacted) >= compactEvery && d.compact(ctx) {
			compacted = now
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (d *daemon) prune(ctx context.Context) {
	d.mu.Lock()
	keep := store.Retention{History: d.cfg.Retention.History, Sweeps: d.cfg.Retention.Sweeps}
	d.mu.Unlock()
	if gone, err := d.store.Prune(ctx, keep, time.Now()); err != nil && ctx.Err() == nil {
		d.log.Error("old history is not deleted", "err", err)
	} else if gone != (store.Pruned{}) {
		d.log.Info("old history deleted", "transitions", gone.Transitions, "answers", gone.Intervals, "sweeps", gone.Sweeps)
	}
}

// compact gives the disk back what deleted history has left, if that is worth it, and reports whether it was tried.
func (d *daemon) compact(ctx context.Context) (tried bool) {
	size, free, err := d.store.Room()
	if err == nil && !worthCompacting(size, free) {
		return false
	}
	if err == nil {
		var done wire.Compaction
		if done, err = d.compactNow(ctx); err == nil {
			d.note(ctx, monitor.Audit{Action: "compact", By: "maildrift", Why: "most of it was free", Detail: done.String()})
		}
	}
	if err != nil && ctx.Err() == nil {
		d.log.Error("the database is not compacted; it is used on as it is", "err", err)
	}
	return true
}

// compactNow compacts the database in any case.
func (d *daemon) compactNow(ctx context.Context) (wire.Compaction, error) {
	done, err := d.store.CompactBeside(ctx, nil)
	if errors.Is(err, store.ErrCompacting) {
		return wire.Compaction{}, fmt.Errorf("%w: %w", web.ErrBusy, err)
	}
	if err != nil {
		return wire.Compaction{}, err
	}
	d.log.Info("the database was compacted", "before", terminal.Bytes(done.Before), "after", terminal.Bytes(done.After),
		"took", done.Took.Round(time.Millisecond), "commits_held_for", done.Held.Round(time.Microsecond), "keys_written_meanwhile", done.Meanwhile)
	return wire.Compaction{Before: done.Before, After: done.After, Took: done.Took, Held: done.Held}, nil
}

// worthCompacting says whether so much of a database is free that it is written anew. What history frees is used again, so
// only a fleet or a retention that has become much smaller leaves more than half.
func worthCompacting(size, free int64) bool { return size > compactAbove && free > size/2 }
