package monitor

import (
	"context"
	"time"

	"github.com/robfig/cron/v3"

	"maildrift/monitor/rrset"
)

const (
	// reshareRest is how much longer than a look at what rests on what takes nobody looks again.
	reshareRest = 20
	// lookEvery is how often the wall clock is compared with what is due. Go's timers
	// run on the monotonic clock, which stops while a machine is suspended.
	lookEvery = 30 * time.Second
	// defaultResend is how often open incidents are told again.
	defaultResend = time.Minute
)

// Run sweeps every group once, then on schedule, until ctx ends. It returns
// when all that it started has ended.
func (e *Engine) Run(ctx context.Context) error {
	e.mu.Lock()
	e.running = ctx
	e.mu.Unlock()
	e.background(e.keepTelling)
	e.background(e.keepSharing)
	e.background(e.keepUp)
	e.background(e.keepAppointments)
	for _, name := range sortedKeys(e.currentSettings().Groups) {
		e.startSweep(name)
	}
	for ctx.Err() == nil {
		e.keepTime(ctx, e.currentSettings())
	}
	e.mu.Lock()
	e.running = nil
	e.mu.Unlock()
	e.work.Wait()
	return nil
}

// background runs work under the context of Run, if it runs.
func (e *Engine) background(work func(ctx context.Context)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if ctx := e.running; ctx != nil {
		e.work.Go(func() { work(ctx) })
	}
}

func (e *Engine) currentSettings() *Settings {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.settings
}

// keepTime runs the cron entries of settings until ctx ends or the settings are
// replaced.
func (e *Engine) keepTime(ctx context.Context, settings *Settings) {
	clock := cron.New(cron.WithLocation(time.UTC))
	due, late := e.keepNext(settings)
	for name, group := range settings.Groups {
		clock.Schedule(resumed{group.Schedule, due[name]}, cron.FuncJob(func() { e.startSweep(name) }))
	}
	clock.Start()
	for _, name := range late {
		e.startSweep(name)
	}
	defer func() { <-clock.Stop().Done() }()

	look := time.NewTicker(lookEvery)
	defer look.Stop()
	var recheck <-chan time.Time
	if settings.Recheck > 0 {
		t := time.NewTicker(settings.Recheck)
		defer t.Stop()
		recheck = t.C
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.reschedule:
			if e.currentSettings() != settings {
				return
			}
		case <-look.C:
			if e.catchUp(settings) {
				return // the clock was set back: all waits were reckoned from a time to come
			}
		case <-recheck:
			if e.rechecking.CompareAndSwap(false, true) {
				e.background(func(ctx context.Context) {
					defer e.rechecking.Store(false)
					e.recheck(ctx)
				})
			}
		}
	}
}

// resumed is a schedule that goes on from when it was due next by the configuration before.
type resumed struct {
	cron.Schedule
	due time.Time
}

// Next implements cron.Schedule.
func (r resumed) Next(t time.Time) time.Time {
	if t.Before(r.due) {
		return r.due
	}
	return r.Schedule.Next(t)
}

// keepNext writes down and gives when the groups are due next, but never later than was written down already: a
// reload must not put off an interval that has begun, however often there is one. Late are those that were due while there
// was no clock.
func (e *Engine) keepNext(settings *Settings) (due map[string]time.Time, late []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := time.Now().Round(0)
	due = map[string]time.Time{}
	for name, group := range settings.Groups {
		next := group.Schedule.Next(now).Round(0)
		if had, ok := e.next[name]; !ok || next.Before(had) {
			e.next[name] = next
		}
		if due[name] = e.next[name]; !due[name].After(now) {
			late = append(late, name)
		}
	}
	e.touch()
	return due, late
}

// noteNext writes down when the groups are due next, by the wall clock.
func (e *Engine) noteNext(settings *Settings, groups ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, name := range groups {
		// Round strips the monotonic reading.
		e.next[name] = settings.Groups[name].Schedule.Next(time.Now().Round(0)).Round(0)
	}
	e.touch()
}

// catchUp starts the sweeps that were due while the machine slept: one each,
// however many were missed. It says whether the clock was set back instead, so that a sweep
// waits for a time that is later than it should be.
func (e *Engine) catchUp(settings *Settings) (setBack bool) {
	now := time.Now().Round(0)
	e.mu.Lock()
	var late []string
	for name, due := range e.next {
		group, ok := settings.Groups[name]
		if !ok {
			continue
		}
		if now.Sub(due) > lookEvery && !e.sweepsNow(name) {
			late = append(late, name)
		}
		setBack = setBack || group.Schedule.Next(now).Add(lookEvery).Before(due)
	}
	e.mu.Unlock()
	for _, name := range late {
		e.log.Warn("sweep was missed, catching up", "group", name)
		e.startSweep(name)
	}
	return setBack
}

// startSweep begins a sweep of a group in the background, unless one runs.
func (e *Engine) startSweep(name string) {
	settings := e.currentSettings()
	if _, ok := settings.Groups[name]; !ok {
		return // a reload has taken the group away
	}
	e.noteNext(settings, name)
	e.mu.Lock()
	if e.sweepsNow(name) {
		skips := e.skip(name)
		e.mu.Unlock()
		e.log.Warn("sweep skipped: the one before still runs", "group", name, "skipped", skips.Times)
		return
	}
	e.sweeping[name] = Progress{Started: time.Now()}
	e.touch()
	var domains []*Domain
	for _, registered := range []map[rrset.Name]*Domain{e.domains, e.shared} {
		for _, d := range registered {
			if d.Schedule() == name {
				domains = append(domains, d)
			}
		}
	}
	e.mu.Unlock()
	done := func() {
		e.mu.Lock()
		delete(e.sweeping, name)
		e.touch()
		e.mu.Unlock()
	}
	e.background(func(ctx context.Context) {
		defer done()
		if err := e.sweepDomains(ctx, name, domains, all); err != nil && ctx.Err() == nil {
			e.log.Error("sweep failed", "group", name, "err", err)
		}
	})
}

// Skips are the sweeps of a schedule group that were due while the one before still ran, and so did not take place.
type Skips struct {
	// Times is how many since the start, Last when the last of them was due.
	Times int
	Last  time.Time
}

// skip takes in that a sweep of a group is skipped. The caller holds mu.
func (e *Engine) skip(group string) Skips {
	e.skips[group] = Skips{Times: e.skips[group].Times + 1, Last: time.Now().Round(0)}
	e.touch()
	return e.skips[group]
}

// keepSharing looks anew at which records rest on which whenever that may have changed.
func (e *Engine) keepSharing(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.reshare:
		}
		began := time.Now()
		if err := e.refreshShared(ctx); err != nil && ctx.Err() == nil {
			e.log.Error("shared records are not up to date", "err", err)
		}
		// It looks at the whole registry: while a large fleet is verified, stage by stage, it must not take a core.
		sleep(ctx, reshareRest*time.Since(began))
	}
}

// recheck asks between sweeps about what is not settled: pending, overdue,
// suspected and bad records.
func (e *Engine) recheck(ctx context.Context) {
	e.mu.Lock()
	unsettled := map[string][]*Domain{}
	for d := range e.unsettledDomains() {
		unsettled[d.Schedule()] = append(unsettled[d.Schedule()], d)
	}
	e.mu.Unlock()
	for _, group := range sortedKeys(unsettled) {
		if err := e.sweepDomains(ctx, "", unsettled[group], needsAttention); err != nil && ctx.Err() == nil {
			e.log.Error("recheck failed", "group", group, "err", err)
		}
	}
}
