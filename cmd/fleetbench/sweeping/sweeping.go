package sweeping

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/robfig/cron/v3"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/usage"
	"maildrift/configs"
	"maildrift/monitor"
	"maildrift/monitor/judge"
	"maildrift/monitor/metrics"
	"maildrift/monitor/preset"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
	"maildrift/store"
)

const (
	// unlimited is a rate, in questions a second, that nothing reaches.
	unlimited = 1e9
	// every is so short that the next sweep begins when the one before has ended.
	every = time.Second
	// startPercent is the growth of the heap at which garbage is looked for during a start, startRoom what is counted to the heap then at most, as if the
	// database were in memory, and never touched; both as in the daemon.
	startPercent, startRoom = 300, 256 << 20
	// perRecord is how many records get series of their own, as in the example configuration.
	perRecord = 1000
)

// Run makes an engine of the fleet and waits for its sweeps.
func Run(ctx context.Context, job Job) (r Result, err error) {
	domains, err := job.Fleet.Domains()
	if err != nil {
		return r, err
	}
	if r.Before, err = settle(); err != nil {
		return r, err
	}
	if err := usage.ForgetPeak(); err != nil {
		return r, fmt.Errorf("measure the highest use of memory from now on: %w", err)
	}
	s, err := store.Open(ctx, job.Database, store.Options{})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e, err := assemble(ctx, job, s, domains)
	if err != nil {
		return r, err
	}
	r.Registered = e.ready
	if err := r.sweep(ctx, job, e); err != nil {
		return r, err
	}
	if r.Scrape, err = scrape(ctx, e.registry); err != nil {
		return r, err
	}
	err = r.remember(s)
	runtime.KeepAlive(e) // whose memory it is
	return r, err
}

// Restart makes an engine of the fleet on the database that Run or Fill has left, and sweeps nothing.
func Restart(ctx context.Context, job Job) (r Restarted, err error) {
	domains, err := job.configured()
	if err != nil {
		return r, err
	}
	if r.Before, err = settle(); err != nil {
		return r, err
	}
	if err := usage.ForgetPeak(); err != nil {
		return r, fmt.Errorf("measure the highest use of memory from now on: %w", err)
	}
	began, used := time.Now(), usage.Now()
	defer debug.SetGCPercent(debug.SetGCPercent(startPercent))
	room := make([]byte, min(startRoom, size(job.Database)))
	s, err := store.Open(ctx, job.Database, store.Options{})
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	r.Open = time.Since(began)
	e, err := assemble(ctx, job, s, domains)
	if err != nil {
		return r, err
	}
	r.Ready, r.CPU = time.Since(began), usage.Now().Since(used)
	runtime.KeepAlive(room)
	return r, r.started(e, s)
}

// size gives the size of a file in bytes; 0 if there is none.
func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

// started notes what a start has made.
func (r *Restarted) started(e *bench, s *store.Store) error {
	memory, err := usage.Resident()
	if err != nil {
		return err
	}
	r.Peak = memory.Peak
	r.Records = e.engine.Snapshot().States.Counts().Records.Sum()
	r.Resident, err = rest(s)
	runtime.KeepAlive(e)
	return err
}

// bench is an engine with what it stands on.
type bench struct {
	engine   *monitor.Engine
	client   *resolve.Client
	meter    *meter
	registry *prometheus.Registry
	// ready is how long reading the memory and making the engine took.
	ready time.Duration
}

// assemble wires an engine as the daemon does, but for whoever tells people.
func assemble(ctx context.Context, job Job, s *store.Store, domains []*monitor.Domain) (*bench, error) {
	began := time.Now()
	memory, err := s.Load(ctx)
	if err != nil {
		return nil, err
	}
	presets, err := preset.Load(configs.Presets)
	if err != nil {
		return nil, fmt.Errorf("built-in presets: %w", err)
	}
	resolvers, authorities := job.sources()
	b := &bench{registry: prometheus.NewRegistry(), client: resolve.NewClient(resolve.Options{})}
	standing := metrics.New(b.registry, func() *monitor.Snapshot {
		if b.engine == nil {
			return nil
		}
		return b.engine.Snapshot()
	}, metrics.Options{PerRecordLimit: perRecord, StoreSize: s.Size})
	asked := count(b.client, append(resolvers[:len(resolvers):len(resolvers)], authorities...))
	b.meter = newMeter(standing, asked, s, job.Server)
	b.engine, err = monitor.New(ctx, monitor.Options{
		Asker: asked, Authorities: zones{authorities}, Journal: s, Notifier: mute{}, Meter: b.meter, Presets: presets, Logger: slog.New(slog.DiscardHandler),
	}, memory, settings(resolvers), domains)
	if err != nil {
		return nil, err
	}
	b.ready = time.Since(began)
	return b, nil
}

// settings are the defaults, but that what was seen is confirmed without waiting: work is measured and not sleep.
func settings(resolvers []*resolve.Source) monitor.Settings {
	rules := judge.DefaultRules()
	rules.ConfirmWait = 0
	return monitor.Settings{
		Groups: map[string]monitor.Group{monitor.DefaultSchedule: {Name: monitor.DefaultSchedule, Schedule: cron.Every(every), Resolvers: resolvers}},
		Rules:  rules, Gate: monitor.DefaultGate(), Canaries: fleet.Canaries(), AskAuthority: true,
	}
}

// sources gives the servers as the engine knows them.
func (j Job) sources() (resolvers, authorities []*resolve.Source) {
	for i, at := range j.Resolvers {
		name := fmt.Sprintf("resolver%02d", i+1)
		s := &resolve.Source{ID: name, Operator: resolve.Operator(name), Direct: true, Rate: unlimited, Window: j.Window}
		s.Addrs = append(s.Addrs, at)
		resolvers = append(resolvers, s)
	}
	for i, at := range j.Authorities {
		s := &resolve.Source{ID: fmt.Sprintf("ns%d.test/%s", i+1, at.Addr()), Role: resolve.Authoritative, Rate: unlimited, Window: j.Window}
		s.Addrs = append(s.Addrs, at)
		authorities = append(authorities, s)
	}
	return resolvers, authorities
}

// sweep runs the engine until there were enough sweeps.
func (r *Result) sweep(ctx context.Context, job Job, b *bench) error {
	defer b.client.Close()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	if err := b.meter.begin(); err != nil {
		return err
	}
	go func() { ended <- b.engine.Run(ctx) }()
	var failed error
	for len(r.Sweeps) < job.Sweeps && failed == nil {
		select {
		case s := <-b.meter.sweeps:
			failed = r.take(s)
		case failed = <-ended:
			return fmt.Errorf("the engine has ended: %w", failed)
		}
	}
	cancel()
	// Nobody takes the sweeps that come now.
	b.meter.leave()
	return errors.Join(failed, <-ended)
}

// take adds a sweep, and makes sure that it was one: figures of an engine that sees nothing would be worth nothing.
func (r *Result) take(s swept) error {
	switch {
	case s.err != nil:
		return s.err
	case s.summary.Distrusted != "":
		return fmt.Errorf("sweep %d cannot be relied on: %s", len(r.Sweeps)+1, s.summary.Distrusted)
	case len(r.Sweeps) == 0 && s.Transitions < s.summary.Records:
		return fmt.Errorf("the first sweep verified %d of %d records", s.Transitions, s.summary.Records)
	case len(r.Sweeps) == 0:
		r.Records = s.summary.Records
	}
	r.Sweeps = append(r.Sweeps, s.Sweep)
	return nil
}

// remember notes the memory at the end.
func (r *Result) remember(s *store.Store) error {
	memory, err := usage.Resident()
	if err != nil {
		return err
	}
	r.Peak = memory.Peak
	r.Settled, err = rest(s)
	return err
}

// rest gives memory back as the daemon does, and says how much is left.
func rest(s *store.Store) (int64, error) {
	if err := s.Rest(); err != nil {
		return 0, err
	}
	return settle()
}

// settle gives memory back and says how much is left.
func settle() (int64, error) {
	debug.FreeOSMemory()
	memory, err := usage.Resident()
	return memory.Resident, err
}

// zones are as if each domain of the fleet were a zone of its own, with the same servers.
type zones struct{ servers []*resolve.Source }

// Find implements monitor.Authorities.
func (z zones) Find(_ context.Context, names []rrset.Name) map[rrset.Name]resolve.Zone {
	out := make(map[rrset.Name]resolve.Zone, len(names))
	for _, n := range names {
		apex := n
		for apex.Labels() > fleet.Apex.Labels()+1 {
			apex = apex.Parent()
		}
		out[n] = resolve.Zone{Apex: apex, Servers: z.servers}
	}
	return out
}

// Forget implements monitor.Authorities; there is nothing to look up anew.
func (zones) Forget(rrset.Name) {}

// mute tells nobody.
type mute struct{}

// Notify implements monitor.Notifier.
func (mute) Notify(context.Context, []monitor.Incident) error { return nil }
