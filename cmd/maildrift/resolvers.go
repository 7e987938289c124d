package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor/config"
	"maildrift/monitor/resolve"
	"maildrift/monitor/rrset"
)

// builtinResolvers gives the resolvers that are asked unless somebody says otherwise.
func builtinResolvers() ([]*resolve.Source, error) { return config.Builtin(), nil }

func newResolvers() *cobra.Command {
	return group("resolvers", "Show and test the resolvers that are asked", newResolversList(), newResolversTest())
}

// resolverChoice is the flags that choose resolvers.
type resolverChoice struct {
	addrs  []string
	config string
	format string
}

func (r *resolverChoice) flags(c *cobra.Command) {
	resolverFlags(c, &r.addrs)
	c.Flags().StringVar(&r.config, "config", "", "take the resolvers of a configuration file")
	formatFlag(c, &r.format)
}

func (r *resolverChoice) sources() ([]*resolve.Source, error) {
	if r.config == "" || len(r.addrs) > 0 {
		return pickResolvers(r.addrs)
	}
	presets, err := loadPresets()
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(r.config, os.LookupEnv, presets)
	if err != nil {
		return nil, err
	}
	return cfg.Sources, nil
}

func newResolversList() *cobra.Command {
	var r resolverChoice
	c := &cobra.Command{
		Use:   "list",
		Short: "List the resolvers",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sources, err := r.sources()
			if err != nil {
				return usageError(err)
			}
			if r.format != table {
				return terminal.Write(cmd.OutOrStdout(), r.format, sources)
			}
			p := newPrinter(cmd.OutOrStdout())
			var rows [][]terminal.Cell
			for _, s := range sources {
				rows = append(rows, []terminal.Cell{terminal.Text(s.ID), terminal.Text(string(s.Operator)), terminal.Text(s.Transport.String()), terminal.Text(addrLine(s))})
			}
			p.table([]terminal.Column{{}, {}, {}, {Flexible: true, Least: 15}}, rows)
			return p.err
		},
	}
	r.flags(c)
	return c
}

func addrLine(s *resolve.Source) string {
	var parts []string
	for _, a := range s.Addrs {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, " ")
}

// resolverTest is what one resolver answered to one question.
type resolverTest struct {
	Resolver string          `json:"resolver"`
	Operator string          `json:"operator"`
	Server   string          `json:"server"`
	Outcome  resolve.Outcome `json:"outcome"`
	Millis   float64         `json:"milliseconds"`
	Detail   string          `json:"detail,omitempty"`
	Good     bool            `json:"good"`
}

func newResolversTest() *cobra.Command {
	var r resolverChoice
	var name string
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "test",
		Short: "Ask every resolver one question that it must know, and one that must not exist",
		Long: `Asks every resolver for a name that exists, and for a random name below "invalid",
which must not (RFC 6761 section 6.4): a resolver or a network that answers everything is found out.

Exit code 0 if all are good, 1 if some are not, 3 if none is.`,
		Example: `  maildrift resolvers test
  maildrift resolvers test --resolver 127.0.0.1:5300 --name example.com`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return r.test(cmd.Context(), cmd.OutOrStdout(), name, timeout)
		},
	}
	r.flags(c)
	c.Flags().StringVar(&name, "name", ".", "name with NS records that must exist")
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Second, "how long one try may take")
	return c
}

func (r *resolverChoice) test(ctx context.Context, out io.Writer, name string, timeout time.Duration) error {
	sources, err := r.sources()
	if err != nil {
		return usageError(err)
	}
	known, err := rrset.ParseName(name)
	if err != nil {
		return usageError(err)
	}
	client := resolve.NewClient(resolve.Options{Timeout: timeout})
	defer client.Close()
	exists := resolve.Question{Name: known, Type: rrset.NS}
	missing := resolve.Question{Name: rrset.Name("invalid").Child("maildrift-" + strings.ToLower(randomLabel())), Type: rrset.A}
	var queries []resolve.Query
	for _, s := range sources {
		queries = append(queries, resolve.Query{Source: s, Question: exists}, resolve.Query{Source: s, Question: missing})
	}
	results := map[string]*resolverTest{}
	client.Ask(ctx, queries, func(o resolve.Observation) {
		t := results[o.Source.ID]
		if t == nil {
			t = &resolverTest{Resolver: o.Source.ID, Operator: string(o.Source.Operator), Good: true}
			results[o.Source.ID] = t
		}
		t.add(o, exists)
	})
	return reportTest(out, r.format, results)
}

// add takes one observation in; a bad one outweighs a good one.
func (t *resolverTest) add(o resolve.Observation, exists resolve.Question) {
	good := o.Question == exists && o.Outcome == resolve.Answered || o.Question != exists && o.Outcome == resolve.NXDomain
	if o.Question == exists || !good {
		t.Server, t.Outcome, t.Millis = o.Server.String(), o.Outcome, float64(o.Latency.Microseconds())/1000
	}
	if good || !t.Good {
		return
	}
	t.Good = false
	t.Detail = o.Detail
	if o.Outcome.Evidence() {
		t.Detail = fmt.Sprintf("answers %s for %s", o.Outcome, o.Question)
	}
}

func reportTest(out io.Writer, format string, results map[string]*resolverTest) error {
	var list []*resolverTest
	for _, t := range results {
		list = append(list, t)
	}
	slices.SortFunc(list, func(a, b *resolverTest) int { return strings.Compare(a.Resolver, b.Resolver) })
	bad := 0
	p := newPrinter(out)
	for _, t := range list {
		mark := p.paint(green, "ok ")
		if !t.Good {
			bad++
			mark = p.paint(red, "BAD")
		}
		if format == table {
			p.printf("%s  %-16s %-26s %-10s %8.1f ms  %s\n", mark, t.Resolver, t.Server, t.Outcome, t.Millis, t.Detail)
		}
	}
	if format != table {
		if err := terminal.Write(out, format, list); err != nil {
			return err
		}
	}
	switch {
	case p.err != nil:
		return p.err
	case bad == len(list):
		return &exitError{code: exitUnknown}
	case bad > 0:
		return &exitError{code: exitProblems}
	}
	return nil
}
