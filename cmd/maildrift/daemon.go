package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"maildrift/alert"
	"maildrift/monitor"
	"maildrift/monitor/config"
	"maildrift/monitor/health"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/metrics"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/monitor/survey"
	"maildrift/monitor/web"
	"maildrift/store"
)

// stopWithin bounds how long HTTP clients may delay a stop.
const stopWithin = 3 * time.Second

// daemon is everything, wired.
type daemon struct {
	flags    *serveFlags
	log      *slog.Logger
	store    *store.Store
	network  *network
	alerts   teller
	engine   *monitor.Engine
	metrics  *metrics.Metrics
	heart    *heart
	health   *health.Recorder
	notices  chan monitor.Notice
	stopping chan struct{}
	handler  http.Handler
	listener net.Listener
	access   access
	// reloading admits one reload at a time. mu guards cfg, which is the configuration in force; started is the one of the start.
	reloading sync.Mutex
	mu        sync.Mutex
	cfg       *config.Config
	started   *config.Config
	// onReady and onStop tell whoever started us; they may be nil.
	onReady, onStop func()
}

// newDaemon opens and wires everything, in the order in which one needs the other. Nothing
// runs yet. On an error what was opened is closed again.
func newDaemon(ctx context.Context, cfg *config.Config, flags *serveFlags, log *slog.Logger) (*daemon, error) {
	d := &daemon{flags: flags, log: log, cfg: cfg, started: cfg, heart: &heart{}, health: health.New(nil), notices: make(chan monitor.Notice, noticesWaiting), stopping: make(chan struct{})}
	if err := d.open(ctx); err != nil {
		d.close()
		return nil, err
	}
	return d, nil
}

func (d *daemon) open(ctx context.Context) (err error) {
	cfg := d.cfg
	database := filepath.Join(cfg.DataDir, "maildrift.db")
	defer patientGC(database)()
	if d.access, err = accessOf(cfg, d.flags.allowRemote); err != nil {
		return usageError(err)
	}
	if d.store, err = store.Open(ctx, database, store.Options{Init: d.flags.init, Logger: d.log}); err != nil {
		return usageError(err)
	}
	memory, err := d.store.Load(ctx)
	if err != nil {
		return err
	}
	registry := prometheus.NewRegistry()
	d.metrics = metrics.New(registry, d.snapshot, metrics.Options{
		Version: version, Revision: revision(), PerRecordLimit: cfg.Metrics.PerRecordLimit, PerRecordLabels: cfg.Metrics.PerRecordLabels, StoreSize: d.store.Size,
		Notifiers: d.notifiers, Silent: d.silent,
	})
	if err := d.openAlerts(registry); err != nil {
		return usageError(err)
	}
	d.network = newNetwork(cfg, d.log)
	d.heart.deliverable = d.alerts.Undeliverable
	d.heart.set(cfg, d.log)
	d.engine, err = monitor.New(ctx, monitor.Options{
		Asker: mortalAsker{d.network}, Authorities: d.network, Journal: mortalJournal{d.store}, Logger: d.log, Meter: meter{d.metrics, d.health, d.rest}, Heart: d.heart,
		Surveyor: d.network, Explainer: d.network,
		Notifier: mortalNotifier{alert.NewNotifier(d.alerts, alertWords(cfg), time.Now())},
	}, memory, settings(cfg), cfg.Domains)
	if err != nil {
		return usageError(err)
	}
	if d.engine.Snapshot().States.Len() >= largeFleet {
		d.rest()
	}
	d.metrics.Reloaded(nil, time.Now())
	return d.openWeb(ctx, registry)
}

// snapshot gives the engine's state; nil while there is no engine yet.
func (d *daemon) snapshot() *monitor.Snapshot {
	if d.engine == nil {
		return nil
	}
	return d.engine.Snapshot()
}

// silent gives the resolvers that answer nothing; none while nobody is asked yet.
func (d *daemon) silent() []resolve.Silence {
	if d.network == nil {
		return nil
	}
	return d.network.current().client.Silent()
}

func (d *daemon) openAlerts(registry *prometheus.Registry) (err error) {
	d.alerts, err = newTeller(d, filepath.Join(d.cfg.DataDir, "alertmanager"), registry)
	return err
}

// alertConfig checks Alertmanager's part of a configuration.
func alertConfig(cfg *config.Config) (*alert.Config, error) {
	conf, err := alert.ParseConfigIn(filepath.Dir(cfg.File), cfg.Alerting.YAML)
	if err != nil {
		return nil, fmt.Errorf("%s:%d: alerting: %w", cfg.File, cfg.Alerting.Line, err)
	}
	conf.SetFailingAfter(cfg.Alerting.FailingAfter)
	return conf, nil
}

func (d *daemon) openWeb(ctx context.Context, registry *prometheus.Registry) (err error) {
	d.handler, err = web.New(web.Options{
		Engine: d.engine, History: kept{d.store}, Version: version, Started: time.Now(), Logger: d.log,
		Metrics: d.metrics.Handler(registry), Alertmanager: d.alerts.Handler(), TryAlert: d.tryAlert, Compact: d.compactNow,
		Health: func() []health.Source { return leftAloneNow(d.health.Report(), d.silent()) }, Receivers: d.receivers, Tokens: d.store, RequireToken: d.access.tokens, UsersChecked: d.access.users,
		Reload: d.reload, Diagnose: d.diagnose, Stopping: d.stopping, Ready: d.ready, AllowedHosts: d.hosts(),
	})
	if err != nil {
		return err
	}
	var lc net.ListenConfig
	if d.listener, err = lc.Listen(ctx, "tcp", d.cfg.Listen); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	return nil
}

// hosts gives the names by which the daemon may be called besides localhost and
// IP addresses. On loopback that keeps pages of other sites from reaching it by a
// name of theirs; who lets it be reached from elsewhere chooses the names.
func (d *daemon) hosts() []string {
	if d.flags.allowRemote {
		return []string{"*"}
	}
	if u, err := url.Parse(d.cfg.ExternalURL); err == nil && u.Hostname() != "" {
		return []string{u.Hostname()}
	}
	return nil
}

// kept is the store as the web package asks for history.
type kept struct{ *store.Store }

// Transitions implements web.History.
func (k kept) Transitions(ctx context.Context, q web.Query) ([]monitor.Transition, error) {
	return k.Store.Transitions(ctx, store.Query(q))
}

// Intervals implements web.History.
func (k kept) Intervals(ctx context.Context, q web.Query) ([]monitor.Interval, error) {
	return k.Store.Intervals(ctx, store.Query(q))
}

// Notices implements web.History.
func (k kept) Notices(ctx context.Context, q web.Query) ([]monitor.Notice, error) {
	return k.Store.Notices(ctx, store.Query(q))
}

// Sweeps implements web.History.
func (k kept) Sweeps(ctx context.Context, q web.Query) ([]monitor.SweepSummary, error) {
	return k.Store.Sweeps(ctx, store.Query(q))
}

// Audit implements web.History.
func (k kept) Audit(ctx context.Context, q web.Query) ([]monitor.Audit, error) {
	return k.Store.Audit(ctx, store.Query(q))
}

// close lets go of what is open, in reverse.
func (d *daemon) close() {
	if d.listener != nil {
		_ = d.listener.Close()
	}
	if d.network != nil {
		d.network.close()
	}
	if d.alerts != nil {
		if err := d.alerts.Close(); err != nil {
			d.log.Error("alert engine did not close", "err", err)
		}
	}
	if d.store != nil {
		if err := d.store.Close(); err != nil {
			d.log.Error("database did not close", "err", err)
		}
	}
}

// run runs everything until ctx ends; hangup asks for a reload.
func (d *daemon) run(ctx context.Context, hangup <-chan os.Signal) error {
	defer d.close()
	// Alertmanager must have all alerts before it speaks, see package alert.
	// What it does not take comes again every minute; one bad alert must not keep the daemon from starting.
	if err := d.engine.Tell(ctx); err != nil {
		d.log.Error("not all open alerts were taken", "err", err)
	}
	server := web.NewServer(d.cfg.Listen, d.handler)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.alerts.Run(ctx) })
	g.Go(func() error { return d.engine.Run(ctx) })
	g.Go(func() error { d.keepPruning(ctx); return nil })
	g.Go(func() error { d.keepNotices(ctx); return nil })
	g.Go(func() error { d.keepReloading(ctx, hangup); return nil })
	g.Go(func() error {
		return d.access.serve(server, d.listener, d.log)
	})
	g.Go(func() error {
		<-ctx.Done()
		if d.onStop != nil {
			d.onStop()
		}
		close(d.stopping)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := server.Shutdown(grace); err != nil {
			return server.Close()
		}
		return nil
	})
	d.log.Info("maildrift is up", "version", version, "listen", d.listener.Addr(), "domains", len(d.engine.Snapshot().Domains))
	if d.onReady != nil {
		d.onReady()
	}
	err := g.Wait()
	if err == nil {
		d.log.Info("maildrift has stopped")
	}
	return err
}

func (d *daemon) keepReloading(ctx context.Context, hangup <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-hangup:
			_, _ = d.reload(ctx, "SIGHUP") // it has been logged
		}
	}
}

// reload reads the configuration again: all of it is taken, or nothing. What
// cannot change while running (the listen address, the data directory) is refused. What came of it goes into the audit trail.
func (d *daemon) reload(ctx context.Context, by string) (changed string, err error) {
	d.reloading.Lock()
	defer d.reloading.Unlock()
	defer func() {
		d.metrics.Reloaded(err, time.Now())
		if err != nil {
			d.log.Error("configuration not taken, the old one stays", "err", err)
			d.note(ctx, monitor.Audit{Action: "reload-failed", By: by, Detail: refusalOf(err)})
		}
	}()
	cfg, err := d.flags.load()
	if err != nil {
		return "", err
	}
	if cfg.Listen != d.cfg.Listen || cfg.DataDir != d.cfg.DataDir || cfg.ExternalURL != d.cfg.ExternalURL || cfg.Web != d.cfg.Web {
		return "", errors.New("listen, external_url, web and data_dir cannot change while maildrift runs: restart it, or put them back")
	}
	if err := d.sameTeller(cfg); err != nil {
		return "", err
	}
	before, old := d.network.swap(d.cfg, cfg), d.cfg
	if err := d.engine.Apply(ctx, settings(cfg), cfg.Domains); err != nil {
		d.network.restore(before)
		return "", err
	}
	if err := d.reloadAlerts(cfg); err != nil {
		d.network.restore(before)
		return "", errors.Join(err, d.engine.Apply(ctx, settings(old), old.Domains))
	}
	before.retire()
	d.heart.set(cfg, d.log)
	d.mu.Lock()
	d.cfg = cfg
	d.mu.Unlock()
	changes := changesOf(old, cfg)
	d.log.Info("configuration taken", "hash", shortHash(cfg), "domains", len(cfg.Domains), "added", changes.added, "removed", changes.removed, "changed", changes.changed)
	if changes.waiting = waiting(d.started, cfg); len(changes.waiting) > 0 {
		d.log.Warn("configuration taken but for what is taken at a start only: restart maildrift for it", "fields", strings.Join(changes.waiting, ", "))
	}
	d.note(ctx, monitor.Audit{Action: "reload", By: by, Detail: changes.String()})
	return changes.String(), nil
}

// sameTeller refuses what cannot change while alerts are open.
func (d *daemon) sameTeller(cfg *config.Config) error {
	if !reflect.DeepEqual(cfg.Alerting.Alertmanagers, d.cfg.Alerting.Alertmanagers) {
		return errors.New("alerting.alertmanagers cannot change while maildrift runs: restart it, or put them back")
	}
	return nil
}

// reloadAlerts gives the embedded Alertmanager its new configuration; those elsewhere have their own.
func (d *daemon) reloadAlerts(cfg *config.Config) error {
	engine, embedded := d.alerts.(*alert.Engine)
	if !embedded {
		return nil
	}
	conf, err := alertConfig(cfg)
	if err != nil {
		return err
	}
	return engine.Reload(conf)
}

// ready says what keeps maildrift from doing its work; nil if nothing does.
func (d *daemon) ready() error {
	if err := d.store.Writable(context.Background()); err != nil {
		return fmt.Errorf("the database cannot be written: %w", err)
	}
	return nil
}

// settings makes the engine's settings of a configuration.
func settings(cfg *config.Config) monitor.Settings {
	s := monitor.Settings{
		Groups: map[string]monitor.Group{}, Rules: cfg.Rules, Gate: cfg.Gate, Quarantine: cfg.Quarantine, Canaries: cfg.Canaries,
		Presets: &cfg.Presets, AskAuthority: cfg.Authority.Enabled, Pace: cfg.Asking.Pace, Rate: cfg.Asking.Rate, Spread: cfg.Asking.Spread,
		Recheck: cfg.Recheck, Upkeep: cfg.Upkeep, Resend: cfg.Alerting.Resend,
	}
	for name, sch := range cfg.Schedules {
		s.Groups[name] = monitor.Group{Name: name, Schedule: sch, Resolvers: cfg.Groups[sch.Resolvers]}
	}
	return s
}

// network is how the world is asked. Its inside is replaced on reload; questions
// on their way keep the one that they began with.
type network struct {
	log *slog.Logger
	mu  sync.RWMutex
	now *asking
}

// asking is one client with the delegations that it has learned.
type asking struct {
	client *resolve.Client
	zones  *resolve.Delegations
	survey survey.Surveyor
}

func newNetwork(cfg *config.Config, log *slog.Logger) *network {
	return &network{log: log, now: newAsking(cfg, log)}
}

func newAsking(cfg *config.Config, log *slog.Logger) *asking {
	client := resolve.NewClient(resolve.Options{Timeout: cfg.Asking.Timeout, Rate: cfg.Asking.Rate, Window: cfg.Asking.Window, Log: log})
	zones := resolve.NewDelegations(client, cfg.Groups["default"], resolve.DelegationOptions{
		Port: cfg.Authority.Port, AllowPrivate: cfg.Authority.AllowPrivate, IPv6: cfg.Authority.IPv6,
	})
	surveyor := survey.Surveyor{Asker: client, AllowPrivate: cfg.Authority.AllowPrivate}
	if cfg.Authority.Enabled {
		surveyor.Zones = zones
	}
	return &asking{client, zones, surveyor}
}

// Look implements monitor.Surveyor.
func (n *network) Look(ctx context.Context, s hygiene.Subject, resolvers []*resolve.Source) hygiene.Survey {
	return n.current().survey.Look(ctx, s, resolvers)
}

func (n *network) current() *asking {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.now
}

// swap puts a new inside in place, if the configuration asks for another one, and gives the old one then; else nil.
func (n *network) swap(before, cfg *config.Config) *asking {
	if before.Asking == cfg.Asking && before.Authority == cfg.Authority && reflect.DeepEqual(before.Groups, cfg.Groups) {
		return nil // it stays, with what it has learned: who is silent, how fast one may be asked, where zones are
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	old := n.now
	n.now = newAsking(cfg, n.log)
	return old
}

// restore puts an old inside back, if swap gave one.
func (n *network) restore(a *asking) {
	if a == nil {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.now.retire()
	n.now = a
}

func (n *network) close() { n.current().retire() }

// retire lets go of idle connections; those in use end by themselves.
func (a *asking) retire() {
	if a != nil {
		a.client.Close()
	}
}

// Ask implements resolve.Asker.
func (n *network) Ask(ctx context.Context, queries []resolve.Query, emit func(resolve.Observation)) {
	n.current().client.Ask(ctx, queries, emit)
}

// Find implements monitor.Authorities.
func (n *network) Find(ctx context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	return n.current().zones.Find(ctx, names)
}

// Forget implements monitor.Authorities.
func (n *network) Forget(name rrset.Name) { n.current().zones.Forget(name) }

// heart is a heartbeat whose address a reload may change.
type heart struct {
	// deliverable says why alerts cannot be delivered; nil if they can.
	deliverable func() error

	mu   sync.Mutex
	beat *alert.Heartbeat
}

func (h *heart) set(cfg *config.Config, log *slog.Logger) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.beat = alert.NewHeartbeat(string(cfg.Alerting.Heartbeat), nil, log)
}

// Beat implements monitor.Heart. Who cannot call anybody does not say that all is well.
func (h *heart) Beat(ctx context.Context) error {
	if err := h.deliverable(); err != nil {
		return fmt.Errorf("no heartbeat: %w", err)
	}
	h.mu.Lock()
	beat := h.beat
	h.mu.Unlock()
	return beat.Beat(ctx)
}
