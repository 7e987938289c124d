// Command fleetbench measures maildrift over a made-up fleet of sending domains: what it costs to ask, beside other
// clients of the same server, and what whole sweeps cost, over good ways and bad ones. docs/performance.md tells the
// method; `make bench` runs it.
//
// It needs Linux, Knot DNS and dnsperf, and no privileges. All traffic stays on loopback.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"maildrift/cmd/fleetbench/tables"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fleetbench:", err)
		os.Exit(1)
	}
}

// options are what the command line says.
type options struct {
	fleet    []int
	runs     int
	sweeps   int
	lookups  int
	only     []string
	seed     uint64
	asJSON   bool
	docs     string
	from     string
	profiles string
}

// The parts of the benchmark.
const (
	partAsking   = "asking"
	partImpaired = "impaired"
	partSweeps   = "sweeps"
	partDead     = "dead"
)

var parts = []string{partAsking, partImpaired, partSweeps, partDead}

func run(ctx context.Context, args []string, in io.Reader, out, progress io.Writer) error {
	if len(args) == 3 && args[0] == workerCommand {
		return work(ctx, args[1], args[2], in, out)
	}
	o, err := parse(args, progress)
	if errors.Is(err, flag.ErrHelp) {
		return nil // parse has said it
	}
	if err != nil {
		return err
	}
	set, err := o.results(ctx, out, progress)
	if err != nil {
		return err
	}
	if o.docs != "" {
		if err := document(o.docs, set); err != nil {
			return err
		}
	}
	if !o.asJSON {
		_, err = io.WriteString(out, set.Markdown())
	}
	return err
}

func parse(args []string, usage io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("fleetbench", flag.ContinueOnError)
	flags.SetOutput(usage)
	fleet := flags.String("fleet", "1000 10000", "sizes of the fleets that are swept, in domains")
	flags.IntVar(&o.runs, "runs", 3, "how often everything is measured")
	flags.IntVar(&o.sweeps, "sweeps", 4, "how many sweeps each engine does, the first included")
	flags.IntVar(&o.lookups, "lookups", 300_000, "about how many lookups each client does over a good way")
	only := flags.String("only", strings.Join(parts, ","), "the parts to run")
	flags.Uint64Var(&o.seed, "seed", 1, "what the fleet, and what is lost on bad ways, are made from")
	flags.BoolVar(&o.asJSON, "json", false, "write one line of JSON a result, as it comes, instead of tables")
	flags.StringVar(&o.docs, "docs", "", "put the tables into this document too, between its marks")
	flags.StringVar(&o.from, "from", "", "measure nothing and read results, as -json wrote them, from this file")
	flags.StringVar(&o.profiles, "profiles", "", "write CPU profiles of maildrift's client and engine into this directory, for go tool pprof")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("%q: there are only flags, see -help", flags.Arg(0))
	}
	o.only = strings.Split(*only, ",")
	for _, part := range o.only {
		if !slices.Contains(parts, part) {
			return o, fmt.Errorf("-only: no part is named %q; there are %s", part, strings.Join(parts, ", "))
		}
	}
	for _, text := range strings.Fields(*fleet) {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			return o, fmt.Errorf("-fleet: %q is no number of domains", text)
		}
		o.fleet = append(o.fleet, n)
	}
	if len(o.fleet) == 0 || o.runs < 1 || o.sweeps < 2 || o.lookups < 1 {
		return o, errors.New("there must be a fleet, a run, two sweeps and a lookup at least")
	}
	return o, nil
}

// results measures, or reads what was measured before.
func (o options) results(ctx context.Context, out, progress io.Writer) (tables.Set, error) {
	if o.from != "" {
		file, err := os.Open(o.from)
		if err != nil {
			return nil, err
		}
		defer file.Close()
		return tables.ReadSet(file)
	}
	b, err := open(ctx, o, progress)
	if err != nil {
		return nil, err
	}
	defer b.close()
	if o.asJSON {
		b.each = func(r tables.Result) error { return tables.Set{r}.Write(out) }
	}
	err = b.measure(ctx)
	return b.set, err
}

// document puts the tables into a file.
func document(path string, set tables.Set) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	page, err = tables.Replace(page, set.Markdown())
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, page, 0o644)
}
