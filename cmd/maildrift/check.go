package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"maildrift/cmd/terminal"
	"maildrift/monitor"
	"maildrift/monitor/hygiene"
	"maildrift/monitor/judge"
	"maildrift/monitor/mailrec"
	"maildrift/monitor/resolve"
	"maildrift/monitor/survey"
)

// checkFlags are the settings of a one-shot check.
type checkFlags struct {
	preset    string
	params    map[string]string
	selectors []string
	resolvers []string
	authority bool
	port      uint16
	private   bool
	timeout   time.Duration
	format    string
	deep      deepFlags
}

func newCheck() *cobra.Command {
	var f checkFlags
	c := &cobra.Command{
		Use:   "check DOMAIN...",
		Short: "Look at a domain's mail records once, judge and explain them",
		Long: `Asks public resolvers and the zone's own nameservers for the mail records of
each domain, judges what they say and explains it. It needs no daemon and no database.

With --preset the records that the mail service asks for are looked for. Without,
it is looked at what any sending domain has: SPF, DMARC and MX, and the DKIM keys
of the selectors that --selector names.

Exit code 0 if all is well, 1 if something is wrong, 2 for bad usage, 3 if it
could not be told because too few sources answered.`,
		Example: `  maildrift check example.com
  maildrift check notice.example.com --preset directmail --param region=ap-southeast-1
  maildrift check example.com --selector s1 --resolver 127.0.0.1:5300 --authority=false
  maildrift check example.com --deep --sending-address 192.0.2.25
  maildrift check example.com --format json`,
		Args: needArgs(1, "the domain to check"),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd.Context(), cmd.OutOrStdout(), args) },
	}
	f.add(c)
	f.deep.add(c)
	formatFlag(c, &f.format)
	return c
}

// add adds the flags that say what is looked for and who is asked.
func (f *checkFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.preset, "preset", "", "mail service whose records are expected (see 'maildrift presets list')")
	c.Flags().StringToStringVar(&f.params, "param", nil, "parameter of the preset, NAME=VALUE; repeatable")
	c.Flags().StringSliceVar(&f.selectors, "selector", nil, "DKIM selector to look at; repeatable")
	resolverFlags(c, &f.resolvers)
	c.Flags().BoolVar(&f.authority, "authority", true, "ask the zone's own nameservers too")
	c.Flags().Uint16Var(&f.port, "authority-port", 53, "port of the zone's nameservers")
	c.Flags().BoolVar(&f.private, "allow-private", false, "ask nameservers at private and loopback addresses too")
	c.Flags().DurationVar(&f.timeout, "timeout", 2*time.Second, "how long one try may take")
}

// resolverFlags adds --resolver.
func resolverFlags(c *cobra.Command, to *[]string) {
	c.Flags().StringSliceVar(to, "resolver", nil, "resolver to ask, ADDR or ADDR:PORT; repeatable (default: the built-in public ones)")
}

// formatFlag adds --format.
// table is the format for people.
const table = "table"

func formatFlag(c *cobra.Command, to *string) {
	c.Flags().StringVar(to, "format", "table", "output format: table, json or yaml")
	c.PreRunE = func(*cobra.Command, []string) error {
		if *to != table && !slices.Contains(terminal.Formats(), *to) {
			return usageError(fmt.Errorf("unknown format %q: use table, json or yaml", *to))
		}
		return nil
	}
	_ = c.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append([]string{table}, terminal.Formats()...), cobra.ShellCompDirectiveNoFileComp))
}

func (f *checkFlags) run(ctx context.Context, out io.Writer, args []string) error {
	_, results, err := f.look(ctx, args)
	if err != nil {
		return err
	}
	if err := printCheck(out, f.format, results); err != nil {
		return err
	}
	return checkExit(results)
}

// look asks about all records of the domains once and judges them.
func (f *checkFlags) look(ctx context.Context, args []string) ([]monitor.Evidence, []checkResult, error) {
	sources, err := pickResolvers(f.resolvers)
	if err != nil {
		return nil, nil, usageError(err)
	}
	var subjects []monitor.Subject
	for _, name := range args {
		d, err := f.domain(name)
		if err != nil {
			return nil, nil, usageError(fmt.Errorf("%s: %w", name, err))
		}
		for _, r := range d.Records {
			subjects = append(subjects, monitor.Subject{Domain: d, Record: r, Resolvers: sources})
		}
	}
	client := resolve.NewClient(resolve.Options{Timeout: f.timeout})
	defer client.Close()
	inquiry := &monitor.Inquiry{Asker: client, Rules: judge.Rules{MinOperators: min(2, operators(sources))}}
	why := diagnostician{asker: client, resolvers: sources}
	if f.authority {
		why.zones = resolve.NewDelegations(client, sources, resolve.DelegationOptions{Port: f.port, AllowPrivate: f.private})
		inquiry.Authorities = why.zones
	}
	evidence, _ := inquiry.Round(ctx, subjects, nil, false)
	results := make([]checkResult, len(evidence))
	for i, e := range evidence {
		results[i] = newCheckResult(e)
	}
	exploreSPF(ctx, client, sources, evidence, results)
	discoverPolicies(ctx, client, sources, evidence, results)
	for domain, v := range judgeDomains(evidence, results) {
		for i := range results {
			if results[i].Domain == domain {
				results[i].Verdict = v
			}
		}
	}
	why.explain(ctx, evidence, results)
	if f.deep.on {
		surveyor := survey.Surveyor{Asker: client, AllowPrivate: f.private}
		if why.zones != nil {
			surveyor.Zones = why.zones
		}
		if err := f.dive(ctx, surveyor, byTrust(sources, evidence), results); err != nil {
			return nil, nil, err
		}
	}
	if ctx.Err() != nil {
		return nil, nil, &exitError{exitUnknown, errors.New("interrupted")}
	}
	return evidence, results, nil
}

// domain makes the domain to check from the flags.
func (f *checkFlags) domain(name string) (*monitor.Domain, error) {
	presets, err := loadPresets()
	if err != nil {
		return nil, err
	}
	spec := monitor.Spec{Domain: name, Service: f.preset, Params: f.params}
	if f.preset == "" {
		for _, k := range []mailrec.Kind{mailrec.SPF, mailrec.DMARC, mailrec.MX} {
			spec.Expect = append(spec.Expect, monitor.ExpectSpec{Kind: k, Match: mailrec.Present.String()})
		}
	}
	for _, s := range f.selectors {
		spec.Expect = append(spec.Expect, monitor.ExpectSpec{Kind: mailrec.DKIM, Host: s + "._domainkey", Match: mailrec.Present.String()})
	}
	return spec.Resolve(presets)
}

// checkResult is one record's result, as JSON has it.
type checkResult struct {
	Domain  string               `json:"domain"`
	Record  string               `json:"record"`
	Kind    mailrec.Kind         `json:"kind"`
	Name    string               `json:"name"`
	Type    string               `json:"type"`
	Status  string               `json:"status"` // good, wrong, missing, disagreeing, unknown
	Reason  string               `json:"reason,omitempty"`
	Rule    string               `json:"rule,omitempty"`
	Impact  mailrec.Impact       `json:"impact"`
	Notes   []string             `json:"notes,omitempty"`
	Lines   []string             `json:"lines"`
	Numbers judge.Decision       `json:"decision"`
	Votes   []monitor.SourceVote `json:"votes"`
	Publish []string             `json:"publish,omitempty"`
	// Diagnosis says why the record is not good.
	Diagnosis *checkDiagnosis `json:"diagnosis,omitempty"`
	// Tree is what an SPF record leads to; Verdict what receivers make of the domain's mail.
	Tree    *checkTree    `json:"spf_tree,omitempty"`
	Verdict *checkVerdict `json:"verdict,omitempty"`
	// Hygiene is what the domain's mail stands on besides; on its first record only.
	Hygiene []hygiene.Finding `json:"hygiene,omitempty"`
	// Policy is the DMARC policy that applies to the domain.
	Policy *checkPolicy `json:"policy,omitempty"`
}

func newCheckResult(e monitor.Evidence) checkResult {
	r := checkResult{
		Domain: string(e.Subject.Domain.Name), Record: e.Subject.Record.Key, Kind: e.Subject.Record.Kind,
		Name: string(e.Subject.Record.Name), Type: e.Subject.Record.Kind.Type().String(),
		Numbers: e.Decision, Votes: e.Votes(), Lines: []string{},
	}
	heard, ok := e.Decisive()
	if !ok && e.Decision.Verdict == judge.Blind {
		heard, ok = e.FirstHeard()
	}
	if ok {
		r.Reason, r.Rule, r.Impact, r.Notes = heard.Finding.Reason, heard.Finding.Rule, heard.Finding.Impact, heard.Finding.Notes
		r.Lines = append(r.Lines, heard.Finding.Seen.Lines()...)
	}
	r.Status = status(e, heard, ok)
	if r.Status != "good" {
		for _, p := range e.Subject.Record.Publish {
			r.Publish = append(r.Publish, fmt.Sprintf("%s %s %s", p.Name.FQDN(), p.Type, p.Value))
		}
	}
	return r
}

// status says in one word how it stands. When the authority does not have the
// record, resolvers were not asked, so that they do not remember its absence;
// then the authority's own word is the answer.
func status(e monitor.Evidence, heard monitor.Heard, ok bool) string {
	switch e.Decision.Verdict {
	case judge.Holding:
		return "good"
	case judge.Missing:
		return "missing"
	case judge.Drifted:
		return "wrong"
	case judge.Disagreeing:
		return "disagreeing"
	case judge.Blind, judge.Unjudged:
	}
	if !ok || e.Decision.Authority != judge.AuthorityWrong && e.Decision.Authority != judge.AuthoritySplit {
		return "unknown"
	}
	if heard.Stand == judge.Absent {
		return "missing"
	}
	return "wrong"
}

func checkExit(results []checkResult) error {
	code := exitGood
	for _, r := range results {
		if troubled(r.Hygiene) {
			code = exitProblems
		}
		switch r.Status {
		case "good":
		case "unknown":
			if code == exitGood {
				code = exitUnknown
			}
		default:
			code = exitProblems
		}
	}
	if code == exitGood {
		return nil
	}
	return &exitError{code: code}
}

func printCheck(out io.Writer, format string, results []checkResult) error {
	if format != table {
		return terminal.Write(out, format, results)
	}
	p := newPrinter(out)
	width := 0
	for _, r := range results {
		width = max(width, len(r.Record))
	}
	for i, r := range results {
		if i == 0 || results[i-1].Domain != r.Domain {
			p.head(r.Domain)
		}
		p.result(r, width)
		if r.Verdict != nil && (i == len(results)-1 || results[i+1].Domain != r.Domain) {
			p.verdict(r.Verdict)
			p.hygiene(hygieneOf(results, r.Domain))
		}
	}
	return p.err
}

// hygieneOf gives what was found about a domain.
func hygieneOf(results []checkResult, domain string) []hygiene.Finding {
	for _, r := range results {
		if r.Domain == domain && len(r.Hygiene) > 0 {
			return r.Hygiene
		}
	}
	return nil
}

// pickResolvers makes sources of --resolver flags, or gives the built-in ones.
func pickResolvers(addrs []string) ([]*resolve.Source, error) {
	if len(addrs) == 0 {
		return builtinResolvers()
	}
	var out []*resolve.Source
	for _, a := range addrs {
		ap, err := parseAddrPort(a)
		if err != nil {
			return nil, err
		}
		out = append(out, &resolve.Source{ID: ap.String(), Operator: resolve.Operator(ap.String()), Addrs: []netip.AddrPort{ap}, Direct: true})
	}
	return out, nil
}

// parseAddrPort reads ADDR or ADDR:PORT.
func parseAddrPort(s string) (netip.AddrPort, error) {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap, nil
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("resolver %q is not an IP address, with or without :PORT", s)
	}
	return netip.AddrPortFrom(a, 53), nil
}

// operators counts the operators among sources.
func operators(sources []*resolve.Source) int {
	var ops []resolve.Operator
	for _, s := range sources {
		if !slices.Contains(ops, s.Operator) {
			ops = append(ops, s.Operator)
		}
	}
	return len(ops)
}
