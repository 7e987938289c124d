package alert

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	amalert "github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/api"
	"github.com/prometheus/alertmanager/dispatch"
	"github.com/prometheus/alertmanager/eventrecorder"
	"github.com/prometheus/alertmanager/marker"
	"github.com/prometheus/alertmanager/nflog"
	"github.com/prometheus/alertmanager/provider/mem"
	"github.com/prometheus/alertmanager/silence"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/model"

	"maildrift/monitor"
)

// resolvedMemory is how long at most alerts that have ended stay in memory. A
// group that could not be told yet keeps them itself; this copy serves the
// groups that a reload makes anew, and the recognition of replays.
const resolvedMemory = 2 * time.Hour

// ErrClosed is what an Engine answers after its end.
var ErrClosed = errors.New("alert engine is closed")

// Options of an Engine. The zero value works, and keeps nothing on disk.
type Options struct {
	// Dir is where the notification log ("nflog") and the silences
	// ("silences") are kept, readable by the owner only. It is made if
	// missing; no two processes may share it. Empty: in memory only.
	Dir string
	// ExternalURL is the base URL at which people reach the engine's API; its
	// path is where Handler expects to be mounted. Default:
	// http://127.0.0.1:9853/alertmanager
	ExternalURL string
	// Retention is how long what was told, and silences that have ended, are
	// remembered. Default 120 h. Keep it above every repeat_interval.
	Retention time.Duration
	// Maintenance is the longest time that a change of the notification log or
	// of the silences waits for its write; mostly it is some milliseconds.
	// Default 1 s.
	Maintenance time.Duration
	// MaxSilence is the longest silence that the API accepts. Default 30 days;
	// negative: no limit.
	MaxSilence time.Duration
	// Told, if set, is given every message that a receiver has answered. It must be quick.
	Told func(monitor.Notice)
	// Logger defaults to none.
	Logger *slog.Logger
	// Registerer gets Alertmanager's own metrics, alertmanager_…, until the
	// engine is closed. Nil: nobody sees them.
	Registerer prometheus.Registerer
}

func (o Options) withDefaults() Options {
	o.ExternalURL = cmp.Or(o.ExternalURL, "http://127.0.0.1:9853/alertmanager")
	o.Retention = cmp.Or(o.Retention, 120*time.Hour)
	o.Maintenance = cmp.Or(o.Maintenance, time.Second)
	o.MaxSilence = cmp.Or(o.MaxSilence, 30*24*time.Hour)
	o.Logger = cmp.Or(o.Logger, slog.New(slog.DiscardHandler))
	return o
}

// Engine is an Alertmanager inside this process. Its life: NewEngine, Put of
// all that is known, Run; see the package comment for why in this order.
type Engine struct {
	o        Options
	log      *slog.Logger
	external *url.URL

	// Made once, and kept over reloads.
	metrics    *engineMetrics
	alerts     *mem.Alerts
	silences   *silence.Silences
	silencer   *silence.Silencer
	journal    *journal
	groups     marker.GroupMarker
	deliveries deliveries
	api        *api.API
	handler    http.Handler
	snapshots  []*snapshot

	current atomic.Pointer[routing] // nil until Run

	mu      sync.Mutex // the life: Run, Reload, Close
	next    *routing   // built, and waiting for Run
	stopped bool
	stop    chan struct{}
	keepers sync.WaitGroup

	// began is when the engine was made; recalled says that failures of the process before it were cleared. Only
	// tellFailing looks at them.
	began    time.Time
	recalled bool

	putMu   sync.Mutex // order of Puts
	stamped time.Time
}

// NewEngine loads what was told and silenced from o.Dir and stands ready for
// Put; nothing is sent before Run. It fails if the directory cannot be used, if
// o.ExternalURL is none, if a receiver cannot be built (a missing CA file), or
// if o.Registerer already has the metrics of an engine. A corrupt file in the
// directory is moved aside with a line in the log, and is no error. An engine
// that is never Run has to be Closed.
func NewEngine(o Options, cfg *Config) (*Engine, error) {
	o = o.withDefaults()
	external, err := parseExternalURL(o.ExternalURL)
	if err != nil {
		return nil, err
	}
	first, err := buildRouting(cfg, external, o.Logger)
	if err != nil {
		return nil, cfg.explain(err)
	}
	if o.Dir != "" {
		if err := os.MkdirAll(o.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("alert directory: %w", err)
		}
	}
	e := &Engine{
		o: o, log: o.Logger, external: external,
		groups: marker.NewGroupMarker(), next: first, stop: make(chan struct{}), began: time.Now(),
	}
	e.deliveries.notices.told = o.Told
	e.metrics = newEngineMetrics(o.Registerer)
	if err := e.assemble(); err != nil {
		return nil, err
	}
	if err := e.metrics.join(); err != nil {
		e.alerts.Close()
		return nil, err
	}
	e.apply(first)
	return e, nil
}

func parseExternalURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("external URL %q: want http://HOST[:PORT]/PATH or https://…", s)
	}
	u.Path = strings.TrimRight(u.Path, "/")
	return u, nil
}

// assemble makes what lives as long as the engine, stores before readers.
func (e *Engine) assemble() error {
	if err := e.openStores(); err != nil {
		return err
	}
	nothing := eventrecorder.NopRecorder()
	e.silencer = silence.NewSilencer(e.silences, e.log, nothing)
	var err error
	e.alerts, err = mem.NewAlerts(context.Background(), resolvedMemory, 0,
		e.silencer, e.log, nothing, e.metrics.registry, nil)
	if err != nil {
		return fmt.Errorf("alerts: %w", err)
	}
	e.api, err = api.New(api.Options{
		Alerts:          e.alerts,
		Silences:        e.silences,
		GroupMutedFunc:  e.groups.Muted,
		GroupFunc:       e.alertGroups,
		Logger:          e.log.With("component", "api"),
		Registry:        e.metrics.registry,
		RequestDuration: e.metrics.requests,
	})
	if err != nil {
		e.alerts.Close()
		return fmt.Errorf("alertmanager API: %w", err)
	}
	muted := e.snapshots[1]
	e.handler = newHandler(e.api, e.external.Path, e.o.MaxSilence, muted.save)
	return nil
}

// openStores loads the two stores that outlive the process.
func (e *Engine) openStores() error {
	told := newSnapshot(e.o.Dir, "nflog", e.o.Maintenance, e.log)
	from, err := told.load(newMeshEntry)
	if err != nil {
		return err
	}
	log, err := nflog.New(nflog.Options{
		SnapshotReader: bytes.NewReader(from), Retention: e.o.Retention,
		Logger: terse(e.log, "nflog"), Metrics: e.metrics.registry,
	})
	if err != nil {
		return fmt.Errorf("notification log: %w", err)
	}
	log.SetBroadcast(told.touch)
	told.gc, told.write = log.GC, log.Snapshot
	e.journal = &journal{log: log}

	muted := newSnapshot(e.o.Dir, "silences", e.o.Maintenance, e.log)
	if from, err = muted.load(newMeshSilence); err != nil {
		return err
	}
	e.silences, err = silence.New(silence.Options{
		SnapshotReader: bytes.NewReader(from), Retention: e.o.Retention,
		Logger: terse(e.log, "silences"), Metrics: e.metrics.registry,
	})
	if err != nil {
		return fmt.Errorf("silences: %w", err)
	}
	e.silences.SetBroadcast(muted.touch)
	muted.gc, muted.write = e.silences.GC, e.silences.Snapshot
	e.snapshots = []*snapshot{told, muted}
	return nil
}

// Run sends notifications until ctx ends or somebody else closes the engine;
// then it closes the engine and returns what Close returns. An engine runs once.
func (e *Engine) Run(ctx context.Context) error {
	if err := e.start(); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-e.stop:
	}
	return e.Close()
}

func (e *Engine) start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.stopped:
		return ErrClosed
	case e.next == nil:
		return errors.New("alert engine is running already")
	}
	every := e.o.Maintenance
	told, muted := e.snapshots[0], e.snapshots[1]
	e.keepers.Go(func() { told.follow(e.stop) })
	e.keepers.Go(func() { muted.follow(e.stop) })
	e.keepers.Go(func() { e.journal.log.Maintenance(every, told.path, e.stop, told.maintain) })
	e.keepers.Go(func() { e.silences.Maintenance(every, muted.path, e.stop, muted.maintain) })
	e.keepers.Go(func() { e.watchDeliveries(e.stop) })
	e.next.start(e)
	e.current.Store(e.next)
	e.next = nil
	e.log.Info("alert engine started", "firing", len(e.Firing()))
	return nil
}

// Close stops all sending, lets notifications under way finish for some
// seconds, and writes the snapshots; the error is that of the last write. It is
// idempotent. Only an engine that is not Run needs it.
func (e *Engine) Close() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return nil
	}
	e.stopped = true
	if r := e.current.Load(); r != nil {
		r.stop()
	}
	e.alerts.Close()
	close(e.stop)
	e.keepers.Wait()
	e.metrics.leave()
	var errs []error
	for _, s := range e.snapshots {
		errs = append(errs, s.save())
	}
	return errors.Join(errs...)
}

// Reload puts another configuration in the place of the current one: routing,
// receivers, inhibition, time intervals, templates. Alerts, silences and the
// memory of what was told stay. If cfg cannot be built the current one goes on
// and the error says why. Notifications under way get some seconds to finish.
func (e *Engine) Reload(cfg *Config) error {
	next, err := buildRouting(cfg, e.external, e.log)
	if err != nil {
		return cfg.explain(err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.stopped {
		return ErrClosed
	}
	if old := e.current.Load(); old != nil {
		old.stop()
		next.start(e)
		e.current.Store(next)
	} else {
		e.next = next
	}
	e.apply(next)
	e.log.Info("alert configuration applied", "receivers", len(next.receivers))
	return nil
}

// apply shows a configuration to the API and to the metrics.
func (e *Engine) apply(r *routing) {
	r.warn(e.log, e.o.Retention)
	e.metrics.describe(r)
	e.api.Update(r.cfg, func(ctx context.Context, labels model.LabelSet) {
		if r := e.current.Load(); r != nil {
			r.mutes(ctx, labels)
		}
		e.silencer.Mutes(ctx, labels)
	})
}

// Put tells the engine the state of alerts. It may be called with the same
// alerts over and over: that renews them and their annotations, and notifies
// nobody. Of two states of one alert the one that is Put last holds, except
// that the end of an earlier episode does not end the one that began after it.
// Valid alerts are taken even if others are not; the error names those. The
// other errors are ErrClosed and that of ctx.
func (e *Engine) Put(ctx context.Context, alerts ...Alert) error {
	e.putMu.Lock()
	defer e.putMu.Unlock()
	var errs []error
	for _, a := range standInsFirst(alerts) {
		if err := ctx.Err(); err != nil {
			return errors.Join(append(errs, err)...)
		}
		select {
		case <-e.stop:
			return ErrClosed
		default:
		}
		err := e.put(ctx, a)
		if r := e.current.Load(); err == nil && r != nil {
			r.awaitInhibition(ctx, a)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (e *Engine) put(ctx context.Context, a Alert) error {
	// Alertmanager takes the newer of two updates by this time, so it has to
	// grow even where the clock is set back: else an all-clear might be lost.
	now := time.Now().Round(0)
	if !now.After(e.stamped) {
		now = e.stamped.Add(1)
	}
	e.stamped = now
	x, err := a.export(now)
	if err != nil {
		return err
	}
	if old, err := e.alerts.Get(x.Fingerprint()); err == nil {
		if a.StartsAt.IsZero() && !old.Resolved() && old.StartsAt.Before(x.StartsAt) {
			x.StartsAt = old.StartsAt
		}
		if outdated(x, old) {
			return nil
		}
	}
	return e.alerts.Put(ctx, x)
}

// outdated reports whether the end x adds nothing to what is known: it was told
// before, or it is that of an episode before the one that is firing now.
func outdated(x, known *amalert.Alert) bool {
	if !x.Resolved() {
		return false
	}
	if known.Resolved() {
		return !x.EndsAt.After(known.EndsAt)
	}
	return x.StartsAt.Before(known.StartsAt) && !x.EndsAt.After(known.StartsAt)
}

// Firing returns the alerts that are firing now, silenced ones among them, in
// the order of their start and name.
func (e *Engine) Firing() []Alert {
	now := time.Now()
	it := e.alerts.GetPending()
	defer it.Close()
	var out []Alert
	for a := range it.Next() {
		if !a.Data.ResolvedAt(now) {
			out = append(out, imported(a.Data, now))
		}
	}
	slices.SortFunc(out, func(a, b Alert) int {
		return cmp.Or(a.StartsAt.Compare(b.StartsAt),
			strings.Compare(a.Labels[model.AlertNameLabel], b.Labels[model.AlertNameLabel]))
	})
	return out
}

// Deliveries returns how each integration of each receiver fares, sorted by
// name; empty until Run.
func (e *Engine) Deliveries() []Delivery {
	return e.deliveries.list()
}

// Handler serves Alertmanager's API v2 (and the liveness paths that its clients
// ask) below the path of Options.ExternalURL. It accepts requests with that
// path, as they come through a plain mux, and without it, as they come through
// http.StripPrefix. It does not authenticate anybody.
func (e *Engine) Handler() http.Handler { return e.handler }

// alertGroups answers the API's question for groups.
func (e *Engine) alertGroups(ctx context.Context, routes func(*dispatch.Route) bool,
	alerts func(*amalert.Alert, time.Time) bool,
) (dispatch.AlertGroups, map[model.Fingerprint][]string, error) {
	r := e.current.Load()
	if r == nil {
		return nil, nil, nil
	}
	return r.dispatcher.Groups(ctx, routes, alerts)
}
