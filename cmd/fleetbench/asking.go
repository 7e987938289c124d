package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"maildrift/cmd/fleetbench/asking"
	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/tables"
	"maildrift/monitor/dnslab/impair"
)

const (
	// ourWindow is the most questions that maildrift has open at one server, theirWindow what other programs come with.
	ourWindow, theirWindow = 160, 100
	// questionsEach is about how many questions a domain makes.
	questionsEach = 5.4
	// lossEachWay is the share of datagrams that a bad way loses.
	lossEachWay = 0.05
	// limitRate is what a resolver that limits lets through, pacedRate what a client sends that knows of it, in questions a
	// second.
	limitRate, pacedRate = 10_000, 9_500
	// ourImpaired and theirImpaired are the sizes of the fleets that are asked about over a bad way: others wait a second
	// for each datagram that is lost, with a hundred open.
	ourImpaired, theirImpaired = 10_000, 2_000
)

// ask has every client ask the same questions of one address of the server.
func (b *bench) ask(ctx context.Context, run int) error {
	job := asking.Job{Fleet: fleet.Fleet{Size: askedFleet, Seed: b.o.seed}, Server: b.server.At(resolverAddrs()[0])}
	job.Rounds = max(1, int(float64(b.o.lookups)/questionsEach/askedFleet))
	for _, name := range []string{tables.Read, tables.Recognised, tables.Plain, tables.DNSPerf} {
		r, err := b.client(ctx, name, b.profile(run, name), job)
		if err != nil {
			return err
		}
		b.say("run %d: %s: %.2f µs CPU a lookup, %.0f/s", run, name, perLookup(r), float64(r.Lookups)/r.Time.Seconds())
		if err := b.keep(tables.Result{Run: run, Kind: tables.Asking, Case: name, Values: values(r)}); err != nil {
			return err
		}
	}
	return nil
}

func perLookup(r asking.Result) float64 {
	return float64(r.CPU.Total().Nanoseconds()) / 1000 / float64(r.Lookups)
}

// client has one of the clients do a job.
func (b *bench) client(ctx context.Context, name, profile string, job asking.Job) (asking.Result, error) {
	job.Window = theirWindow
	switch name {
	case tables.Plain:
		return send[asking.Result](ctx, workPlain, "", job)
	case tables.DNSPerf:
		return asking.DNSPerf(ctx, job, b.dir)
	}
	job.Window, job.Known = ourWindow, name == tables.Recognised
	return send[asking.Result](ctx, workMaildrift, profile, job)
}

func values(r asking.Result) map[string]float64 {
	return map[string]float64{
		"lookups": float64(r.Lookups), "answered": float64(r.Answered), "recognised": float64(r.Recognised), "lost": float64(r.Lost),
		"seconds": r.Time.Seconds(), "user": r.CPU.User.Seconds(), "system": r.CPU.System.Seconds(),
	}
}

// bad is a way with something wrong, and who asks how much over it.
type bad struct {
	name    string
	client  string
	path    impair.Path
	rate    float64
	domains int
}

func (b *bench) badWays() []bad {
	loss := impair.Path{Loss: lossEachWay, Seed: b.o.seed}
	limit := impair.Path{Rate: limitRate}
	return []bad{
		{"5 % lost each way, maildrift", tables.Read, loss, 0, ourImpaired},
		{"5 % lost each way, miekg/dns, three tries of 1 s", tables.Plain, loss, 0, theirImpaired},
		{"5 % lost each way, dnsperf, one try", tables.DNSPerf, loss, 0, theirImpaired},
		{"limited to 10,000/s, maildrift at 9,500/s", tables.Read, limit, pacedRate, ourImpaired},
		{"limited to 10,000/s, maildrift at any rate", tables.Read, limit, 0, ourImpaired},
		{"limited to 10,000/s, miekg/dns, three tries of 1 s", tables.Plain, limit, 0, theirImpaired},
		{"limited to 10,000/s, dnsperf, one try", tables.DNSPerf, limit, 0, theirImpaired},
	}
}

// impaired has clients ask over bad ways.
func (b *bench) impaired(ctx context.Context, run int) error {
	for _, way := range b.badWays() {
		v, err := b.over(ctx, way)
		if err != nil {
			return fmt.Errorf("%s: %w", way.name, err)
		}
		b.say("run %d: %s: %.0f of %.0f answered in %.1f s", run, way.name, v["answered"], v["lookups"], v["seconds"])
		if err := b.keep(tables.Result{Run: run, Kind: tables.Impaired, Case: way.name, Values: v}); err != nil {
			return err
		}
	}
	return nil
}

// over has one client ask over one way. The proxy is in this process, so that it does not count as the client's work.
func (b *bench) over(ctx context.Context, way bad) (map[string]float64, error) {
	proxy, err := impair.Listen(netip.MustParseAddrPort("127.0.3.1:0"), b.server.At(resolverAddrs()[0]), way.path)
	if err != nil {
		return nil, err
	}
	r, err := b.client(ctx, way.client, "", asking.Job{
		Fleet: fleet.Fleet{Size: way.domains, Seed: b.o.seed}, Server: proxy.Addr(), Rounds: 1, Rate: way.rate,
	})
	counts := proxy.Counts()
	if err := errors.Join(err, proxy.Close()); err != nil {
		return nil, err
	}
	v := values(r)
	v["questions"], v["limited"] = float64(counts.Questions), float64(counts.Limited)
	if way.path.Rate > 0 {
		v["limit"] = way.path.Rate
	}
	return v, nil
}
