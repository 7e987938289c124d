package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/sweeping"
	"maildrift/cmd/fleetbench/tables"
	"maildrift/monitor/dnslab/impair"
)

// deadFleet is the size of the largest fleet that is swept with a dead resolver too.
const deadFleet = 10_000

// sweeps sweeps fleets of every size over good ways.
func (b *bench) sweeps(ctx context.Context, run int) error {
	for _, n := range b.o.fleet {
		if err := b.engine(ctx, run, tables.Healthy, n, b.at(resolverAddrs())); err != nil {
			return err
		}
	}
	return nil
}

// dead sweeps one fleet with a resolver that swallows everything; it is the last of them.
func (b *bench) dead(ctx context.Context, run int) error {
	server := b.server.At(resolverAddrs()[resolvers-1])
	proxy, err := impair.Listen(netip.MustParseAddrPort("127.0.3.12:0"), server, impair.Path{Dead: true})
	if err != nil {
		return err
	}
	at := b.at(resolverAddrs())
	at[resolvers-1] = proxy.Addr()
	return errors.Join(b.engine(ctx, run, tables.OneDead, b.deadSize(), at), proxy.Close())
}

// deadSize is the largest of the fleets that is not too large.
func (b *bench) deadSize() int {
	size := slices.Min(b.o.fleet)
	for _, n := range b.o.fleet {
		if n <= deadFleet {
			size = max(size, n)
		}
	}
	return size
}

// engine has an engine of its own sweep a fleet, on an empty database, and starts another on what it leaves.
func (b *bench) engine(ctx context.Context, run int, name string, domains int, resolvers []netip.AddrPort) error {
	dir, err := os.MkdirTemp(b.dir, "sweep-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	job := sweeping.Job{
		Fleet: fleet.Fleet{Size: domains, Seed: b.o.seed}, Resolvers: resolvers, Authorities: b.at(authorityAddrs()),
		Server: b.server.Process(), Sweeps: b.o.sweeps, Window: ourWindow, Database: filepath.Join(dir, "maildrift.db"),
	}
	b.say("run %d: %d domains, %s: %d sweeps", run, domains, name, job.Sweeps)
	swept, err := send[sweeping.Result](ctx, workSweep, b.profile(run, fmt.Sprintf("sweep of %d, %s", domains, name)), job)
	if err != nil {
		return fmt.Errorf("%d domains, %s: %w", domains, name, err)
	}
	again, err := send[sweeping.Restarted](ctx, workRestart, "", job)
	if err != nil {
		return fmt.Errorf("%d domains, %s: %w", domains, name, err)
	}
	var stored sweeping.Restarted
	if name == tables.Healthy {
		if stored, err = b.registered(ctx, job); err != nil {
			return fmt.Errorf("%d domains, registered at run time: %w", domains, err)
		}
	}
	return b.keepEngine(tables.Result{Run: run, Case: name, Domains: domains}, swept, again, stored)
}

// registered starts an engine on a fleet whose specs are all in a database, which is made for that.
func (b *bench) registered(ctx context.Context, job sweeping.Job) (sweeping.Restarted, error) {
	job.Registered, job.Database = true, job.Database+".registered"
	if _, err := send[sweeping.Filled](ctx, workFill, "", job); err != nil {
		return sweeping.Restarted{}, err
	}
	return send[sweeping.Restarted](ctx, workRestart, "", job)
}

// keepEngine adds the results of an engine: each sweep's, and the whole. Stored is a start on specs that are in the database, if there was
// one.
func (b *bench) keepEngine(about tables.Result, r sweeping.Result, again, stored sweeping.Restarted) error {
	for i, s := range r.Sweeps {
		about.Kind, about.Sweep, about.Values = tables.Sweep, i+1, sweepValues(s)
		b.say("run %d: sweep %d: %.1f s, %d observations, %.1f µs CPU each", about.Run, about.Sweep, s.Took.Seconds(), s.Observed,
			float64(s.CPU.Total().Nanoseconds())/1000/float64(s.Observed))
		if err := b.keep(about); err != nil {
			return err
		}
	}
	about.Kind, about.Sweep = tables.Engine, 0
	about.Values = map[string]float64{
		"records": float64(r.Records), "registered": r.Registered.Seconds(),
		"before": float64(r.Before), "peak": float64(r.Peak), "settled": float64(r.Settled),
		"database": float64(r.Sweeps[len(r.Sweeps)-1].Database),
		"open":     again.Open.Seconds(), "ready": again.Ready.Seconds(), "restarted_resident": float64(again.Resident),
		"scrape_first": r.Scrape.First.Seconds(), "scrape_next": r.Scrape.Next.Seconds(), "scrape_size": float64(r.Scrape.Size),
	}
	if stored.Records > 0 {
		about.Values["stored_ready"], about.Values["stored_resident"] = stored.Ready.Seconds(), float64(stored.Resident)
	}
	return b.keep(about)
}

// sweepValues tells of a sweep. The last resolver is the one that is dead if one is; the others' last answer is that of
// all sources but it.
func sweepValues(s sweeping.Sweep) map[string]float64 {
	v := map[string]float64{
		"seconds": s.Took.Seconds(), "committing": s.Committing.Seconds(), "stall": s.Stall.Seconds(),
		"user": s.CPU.User.Seconds(), "system": s.CPU.System.Seconds(), "server": s.Server.Total().Seconds(),
		"observed": float64(s.Observed), "lost": float64(s.Lost), "missing": float64(s.Missing), "transitions": float64(s.Transitions),
		"resident": float64(s.Resident), "database": float64(s.Database),
	}
	for i, source := range s.Sources {
		if i == resolvers-1 {
			v["dead_lost"] = float64(source.Lost)
			continue
		}
		v["others_last"] = max(v["others_last"], source.Last.Seconds())
	}
	return v
}
