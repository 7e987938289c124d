package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"maildrift/cmd/fleetbench/fleet"
	"maildrift/cmd/fleetbench/knot"
	"maildrift/cmd/fleetbench/tables"
)

const (
	// resolvers and authorities are how many addresses stand for servers of each role.
	resolvers, authorities = 12, 2
	// askedFleet is the size of the fleet whose records the clients are asked about.
	askedFleet = 10_000
)

// bench is a benchmark under way.
type bench struct {
	o        options
	progress io.Writer
	dir      string
	server   *knot.Server
	set      tables.Set
	// each is given every result as it comes; it may be nil.
	each func(tables.Result) error
}

// open starts the server with a zone in which the largest fleet is, and so all smaller ones.
func open(ctx context.Context, o options, progress io.Writer) (*bench, error) {
	if o.profiles != "" {
		if err := os.MkdirAll(o.profiles, 0o755); err != nil {
			return nil, err
		}
	}
	dir, err := os.MkdirTemp("", "fleetbench-")
	if err != nil {
		return nil, err
	}
	b := &bench{o: o, progress: progress, dir: dir}
	largest := fleet.Fleet{Size: max(slices.Max(o.fleet), askedFleet), Seed: o.seed}
	b.say("a zone of %d domains", largest.Size)
	b.server, err = knot.Start(ctx, dir, knot.Zone{Apex: fleet.Apex, Write: largest.WriteZone}, append(resolverAddrs(), authorityAddrs()...))
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	return b, nil
}

func (b *bench) close() {
	if err := errors.Join(b.server.Close(), os.RemoveAll(b.dir)); err != nil {
		b.say("not all is cleared away: %v", err)
	}
}

func resolverAddrs() []netip.Addr  { return addrs(1, resolvers) }
func authorityAddrs() []netip.Addr { return addrs(2, authorities) }

func addrs(net byte, n int) []netip.Addr {
	out := make([]netip.Addr, n)
	for i := range out {
		out[i] = netip.AddrFrom4([4]byte{127, 0, net, byte(i + 1)})
	}
	return out
}

// at gives where the server answers on addresses.
func (b *bench) at(addrs []netip.Addr) []netip.AddrPort {
	out := make([]netip.AddrPort, len(addrs))
	for i, a := range addrs {
		out[i] = b.server.At(a)
	}
	return out
}

func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(b.progress, "%s %s\n", time.Now().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// profile names the file for a profile; empty if none is wanted.
func (b *bench) profile(run int, what string) string {
	if b.o.profiles == "" {
		return ""
	}
	words := strings.FieldsFunc(what, func(r rune) bool { return r == ' ' || r == ',' || r == '/' })
	return filepath.Join(b.o.profiles, fmt.Sprintf("run%d-%s.pprof", run, strings.Join(words, "-")))
}

// keep adds a result, unless it was measured without a server.
func (b *bench) keep(r tables.Result) error {
	if err := b.server.Running(); err != nil {
		return err
	}
	b.set = append(b.set, r)
	if b.each != nil {
		return b.each(r)
	}
	return nil
}

// measure does everything that is wanted, run by run: what a ratio is made of is measured soon after one another.
func (b *bench) measure(ctx context.Context) error {
	if err := b.keep(b.setup(ctx)); err != nil {
		return err
	}
	for run := 1; run <= b.o.runs; run++ {
		for _, part := range b.o.only {
			var err error
			switch part {
			case partAsking:
				err = b.ask(ctx, run)
			case partImpaired:
				err = b.impaired(ctx, run)
			case partSweeps:
				err = b.sweeps(ctx, run)
			case partDead:
				err = b.dead(ctx, run)
			}
			if err != nil {
				return fmt.Errorf("%s, run %d: %w", part, run, err)
			}
		}
	}
	return nil
}

// setup says with what it is measured.
func (b *bench) setup(ctx context.Context) tables.Result {
	used := []string{runtime.Version()}
	for _, program := range []struct{ name, path string }{{"Knot DNS", "/usr/sbin/knotd"}, {"dnsperf", "dnsperf"}} {
		flag := "-V"
		if program.path == "dnsperf" {
			flag = "-h"
		}
		// What a program says of its version with a status that is no success is good enough.
		out, _ := exec.CommandContext(ctx, program.path, flag).CombinedOutput()
		used = append(used, program.name+" "+versionIn(out))
	}
	return tables.Result{Kind: tables.Setup, Case: strings.Join(used, ", "), Values: map[string]float64{"cores": float64(runtime.NumCPU())}}
}

// versionIn finds the first thing in a program's words that looks like a version.
func versionIn(out []byte) string {
	for _, word := range bytes.Fields(out) {
		if len(word) > 2 && word[0] >= '0' && word[0] <= '9' && bytes.Count(word, []byte(".")) == 2 {
			return string(word)
		}
	}
	return "of unknown version"
}
